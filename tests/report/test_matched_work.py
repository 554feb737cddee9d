"""The same work on both sides, on the page for several traces."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
from msgspec.structs import replace

import sdtrace
from sdtrace import model, units
from sdtrace.report.html import render_html
from tests.cli.command import COLD, GRAPHS, run
from tests.report import sample

TITLE = "The same work on both sides"
SHOWN = 25


def test_the_page_shows_the_matches_that_compare_finds(tmp_path: Path) -> None:
    run(
        "analyze",
        COLD,
        GRAPHS,
        "--format",
        "html,json",
        "--baseline",
        COLD.name.split(".json")[0],
        cwd=tmp_path,
    )
    found = sdtrace.compare(COLD, GRAPHS).differences[0].matches
    assert found
    report = json.loads((tmp_path / "report" / "report.json").read_text())
    (row,) = report["comparison"]["rows"]
    names = ("component", "by", "base_work", "other_work")
    assert [[each[name] for name in names] for each in row["matches"]] == [
        [getattr(match, name) for name in names] for match in found
    ]
    assert [each["base_us"] for each in row["matches"]] == pytest.approx(
        [match.base_us for match in found], abs=1e-3
    )
    page = (tmp_path / "report" / "report.html").read_text()
    (table,) = re.findall(rf"{TITLE}.*?<tbody>(.*?)</tbody>", page, re.DOTALL)
    rows = re.findall(r"<tr>(.*?)</tr>", table, re.DOTALL)
    for shown, match in zip(rows, found, strict=True):
        cells = [
            re.sub(r"<[^>]+>", "", cell) for cell in re.findall(r"<td[^>]*>(.*?)</td>", shown, re.DOTALL)
        ]
        assert cells[:2] == [match.component, units.unbroken(units.duration(match.base_us))]
        assert cells[2] == units.unbroken(units.duration(match.other_us))


def test_a_page_of_one_trace_has_no_matches(tmp_path: Path) -> None:
    run("analyze", GRAPHS, "--format", "html,json", cwd=tmp_path)
    assert TITLE not in (tmp_path / "report" / "report.html").read_text()


def _page(matches: int) -> str:
    """A page for two traces with so many matches, and a waterfall."""
    report = sample.compared()
    assert report.comparison is not None
    (row,) = report.comparison.rows
    match = model.Match(
        component="unet",
        by="shape",
        base_work="mm 8x8",
        other_work="mm 8x8",
        base_us=2.0,
        other_us=1.0,
        change_us=-1.0,
        base_calls=1.0,
        other_calls=1.0,
    )
    step = model.WaterfallStep(
        sort="work", component="unet", what="gemm", base_us=2, other_us=1, change_us=-1
    )
    told = model.Story(
        same_work=True,
        work="",
        speed="",
        cause="",
        pays_off="",
        advice="",
        factor=2.0,
        factor_low=2.0,
        factor_high=2.0,
        base_us=2.0,
        other_us=1.0,
        is_unprofiled=False,
        waterfall=[step],
    )
    rows = [replace(row, story=told, matches=[match] * matches)]
    comparison = replace(report.comparison, rows=rows)
    return render_html(replace(report, comparison=comparison, comparisons=[comparison]), 25)


def test_of_many_matches_the_page_has_the_first_and_counts_the_others() -> None:
    page = _page(SHOWN + 40)
    assert page.count("mm 8x8<") == 2 * SHOWN
    assert "40 more, with smaller changes, are in <code>report.json</code>" in page


def test_a_waterfall_without_any_match_stands_alone() -> None:
    """As between two runs on the CPU, which have no GPU work to match."""
    page = _page(0)
    assert "Where the difference comes from" in page
    assert TITLE not in page
