"""What a person sees first fits a screen, and says where the rest is."""

from __future__ import annotations

import io
from pathlib import Path

import pytest
from msgspec.structs import replace
from rich.console import Console

from sdtrace import model
from sdtrace.report.summary import brings
from sdtrace.report.terminal_brief import render_brief
from tests.cli.command import COLD, EAGER, GRAPHS, run
from tests.loaded import report_of
from tests.report import sample

SCREEN = 24
REST = "Everything else is in report.html; --full prints every table here."


def _printed(report: model.Report, width: int = 80) -> str:
    out = io.StringIO()
    render_brief(report, Console(file=out, width=width), REST)
    return out.getvalue()


@pytest.mark.parametrize("trace", [EAGER, GRAPHS, COLD], ids=lambda path: path.stem)
def test_a_trace_fits_a_screen_of_24_lines_with_the_command_before_and_after(
    trace: Path, tmp_path: Path
) -> None:
    done = run("analyze", trace, cwd=tmp_path)
    lines = (done.stdout + done.stderr).splitlines()
    assert len(lines) + 2 <= SCREEN
    assert max(map(len, lines)) <= 80
    found = report_of(trace)
    text = " ".join(done.stdout.split())
    assert found.verdict is not None
    for line in found.verdict.lines:
        assert " ".join(filter(None, (line.label, line.lead, line.rest))) in text
    first = next(finding for finding in found.findings if finding.severity != "info")
    assert first.title in text
    assert brings(first) in text
    assert lines.index(f"Wrote {Path('report', 'report.html')}, report/report.md, report/report.json") >= 0
    assert "Everything else is in report/report.html; --full prints every table here." in text


def test_full_prints_the_tables(tmp_path: Path) -> None:
    for arguments in (["--full"], ["--format", "terminal", "--phase", "steady"]):
        text = run("analyze", EAGER, *arguments, cwd=tmp_path).stdout
        assert "Kernels, copies and fills" in text
        assert "aten::addmm" in text
    assert "aten::addmm" not in run("analyze", EAGER, "--format", "terminal", cwd=tmp_path).stdout


def test_findings_that_find_no_room_are_counted() -> None:
    some = sample.cold().findings[0]
    many = [replace(some, severity="low", title=f"Finding number {number}") for number in range(40)]
    text = _printed(sample.report(replace(sample.cold(), findings=many)))
    shown = sum("Finding number" in line for line in text.splitlines())
    assert 3 < shown < 20
    assert f"{40 - shown} more findings." in text
    assert len(text.splitlines()) <= SCREEN


def test_what_must_be_known_stands_before_the_verdict() -> None:
    events = replace(sample.cold().events, salvaged=True)
    text = _printed(sample.report(replace(sample.cold(), events=events)))
    assert text.index("The file ends in the middle") < text.index("with the profiler")


def test_several_traces_are_compared_first_and_have_a_line_each() -> None:
    text = _printed(sample.compared())
    assert text.index("Side by side") < text.index(f"\n{sample.compared().traces[0].name}: ")
    assert "Where the wall time went" not in text
    assert text.rstrip().endswith(REST)
