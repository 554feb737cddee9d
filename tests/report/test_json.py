from __future__ import annotations

import json
import math
import re
from pathlib import Path

import jsonschema
import msgspec
import pytest
from msgspec.structs import replace

from sdtrace import model
from sdtrace.report import schema
from sdtrace.report.to_json import render_json
from tests.report import sample

PUBLISHED = Path(__file__).parents[2] / "docs" / "report.schema.json"


@pytest.mark.parametrize(
    "report",
    [
        sample.report(),
        sample.compared(),
        sample.report(sample.bare()),
        model.Report(schema=model.SCHEMA, version="0.1.0", traces=[], comparison=None),
    ],
    ids=["cold", "compared", "bare", "empty"],
)
def test_report_json_meets_the_published_schema(report: model.Report) -> None:
    published = json.loads(PUBLISHED.read_text())
    jsonschema.Draft202012Validator.check_schema(published)
    jsonschema.Draft202012Validator(published).validate(json.loads(render_json(report)))


def test_the_published_schema_is_the_current_one() -> None:
    assert PUBLISHED.read_text() == schema.text()


def test_the_schema_refuses_a_report_without_phases() -> None:
    content = json.loads(render_json(sample.report()))
    del content["traces"][0]["phases"]
    with pytest.raises(jsonschema.ValidationError, match="phases"):
        jsonschema.validate(content, json.loads(PUBLISHED.read_text()))


def test_nothing_is_lost_between_writing_and_reading() -> None:
    assert msgspec.json.decode(render_json(sample.compared()), type=model.Report) == sample.compared()


def test_times_have_three_decimals_and_recorded_facts_all_of_theirs() -> None:
    trace = replace(sample.cold(), wall_us=0.1 + 0.2, run={"seconds": 0.1 + 0.2})
    (written,) = json.loads(render_json(sample.report(trace)))["traces"]
    assert written["wall_us"] == 0.3
    assert written["run"]["seconds"] == 0.1 + 0.2


def test_what_is_no_number_is_null() -> None:
    trace = replace(sample.cold(), unprofiled_wall_us=math.nan, run={"loss": math.inf})
    text = render_json(sample.report(trace)).decode()
    assert not re.search(r"\bNaN\b|\bInfinity\b", text)
    (written,) = json.loads(text)["traces"]
    assert (written["unprofiled_wall_us"], written["run"]["loss"]) == (None, None)


def test_every_row_of_a_table_is_a_line_of_its_own() -> None:
    lines = render_json(sample.report()).decode().splitlines()
    assert sum('"self_device_us":' in line for line in lines) == len(sample.cold().ops)


def test_a_file_name_that_is_no_text_can_be_written() -> None:
    trace = replace(sample.cold(), path="traces/\udcff.json", name="\udcff")
    (written,) = json.loads(render_json(sample.report(trace)))["traces"]
    assert (written["path"], written["name"]) == ("traces/\\udcff.json", "\\udcff")
