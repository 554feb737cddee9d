"""The run in words: nothing of JSON, nothing twice, nothing that acts."""

from __future__ import annotations

import re

from msgspec.structs import replace

from sdtrace.report.run_facts import run_facts
from tests.cli.command import COLD
from tests.loaded import report_of
from tests.report import sample


def test_a_recorded_run_reads_as_sentences() -> None:
    rows = run_facts(report_of(COLD))
    told = dict(rows)
    assert len(told) == len(rows)
    assert told["Model"] == "the tiny test model, 64x64, 2 steps"
    assert told["GPU"] == "NVIDIA H200, 140 GiB, 132 multiprocessors, compute capability 9.0"
    assert told["Images without the profiler"] == "36.7 ms, 33.6 ms, 33.0 ms"
    assert told["Peak GPU memory"] == "97.5 MiB"
    assert "torch 2.11.0+cu130" in told["Software"]
    assert "dtype bf16, attention sdpa, compile regional" in told["Settings"]
    assert told["Compile stages, as torch counts them"].endswith("and 50 more in report.json")
    for label, value in rows:
        assert not re.search(r"[{}\[\]\"]|null|true|false", f"{label} {value}"), (label, value)
        assert len(value) <= 400


def test_facts_of_any_kind_have_a_row_each_and_none_acts() -> None:
    run = {"my_fact": 3, "deep": {"a": {"b": [1, None, "x"]}}, "empty": {}, "evil\x1b[31m": "<b>\x07"}
    told = dict(run_facts(replace(sample.bare(), run=run)))
    assert told["My fact"] == "3"
    assert told["Deep"] == "a b 1, , x"
    assert "Empty" not in told
    assert told[r"Evil\x1b[31m"] == r"<b>\x07"
    assert "Model" not in told
