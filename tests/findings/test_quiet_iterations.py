"""Iterations without GPU work in which ops are not what takes the time."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest

from sdtrace.analysis import Options, analyze
from sdtrace.model import Finding, TraceReport
from tests.analysis.reference import finding
from tests.written import MS, Event, host


def report_of(path: Path, events: list[Event]) -> TraceReport:
    path.write_bytes(msgspec.json.encode({"schemaVersion": 1, "traceEvents": events}))
    return analyze(path, Options.of())


def most(report: TraceReport) -> Finding:
    found = finding(report, "steady.dominant")
    assert found is not None
    return found


def steps(op_ms: int, *more: Event) -> list[Event]:
    """Two steps of 100 ms with one op each."""
    events = [*more]
    for step in range(2):
        events.append(host(f"ProfilerStep#{step}", step * 100 * MS, 100 * MS, "user_annotation"))
        events.append(host("aten::mm", step * 100 * MS + MS, op_ms * MS))
    return events


def test_an_op_that_takes_little_of_the_time_does_not_dominate(tmp_path: Path) -> None:
    waits = [host("gloo:all_reduce", at, 80 * MS, "user_annotation", 2) for at in (10 * MS, 110 * MS)]
    report = report_of(tmp_path / "t.json", steps(2, *waits))
    assert report.verdict is not None
    assert "Dominates: No op runs for 98.0 % of the time." in report.verdict.text
    assert "Meanwhile the CPU is in `gloo:all_reduce` for 80.0 ms." in most(report).evidence
    assert "ranks" in most(report).advice


def test_where_nothing_tells_what_runs_meanwhile_that_is_said(tmp_path: Path) -> None:
    found = most(report_of(tmp_path / "t.json", steps(2)))
    assert found.evidence.endswith("Nothing in the file tells what the CPU does meanwhile.")


@pytest.mark.parametrize(("op_ms", "title"), [(49, "No op runs for"), (51, "The largest share of CPU time")])
def test_ops_dominate_from_half_of_the_time_on(tmp_path: Path, op_ms: int, title: str) -> None:
    assert most(report_of(tmp_path / "t.json", steps(op_ms))).title.startswith(title)


@pytest.mark.parametrize(("name", "on_cpu"), [("nccl:all_reduce", False), ("gloo:all_reduce", True)])
def test_a_library_that_sends_between_gpus_tells_of_them(tmp_path: Path, name: str, on_cpu: bool) -> None:
    report = report_of(tmp_path / "t.json", steps(60, host(name, MS, MS, "user_annotation")))
    assert report.on_cpu == on_cpu
    assert report.verdict is not None
    assert ("on the CPU" in report.verdict.text) == on_cpu
