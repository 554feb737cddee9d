"""Threads that the profiler does not watch: work without ops, and traces of nothing."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

import sdtrace
from sdtrace.model import TraceReport

EAGER = Path(__file__).parents[2] / "traces" / "h200-fp32_eager.json"
GRAPHS = Path(__file__).parents[2] / "traces" / "h200-bf16_sdpa_cudagraphs.json"
OF_OPS = {"cpu_op", "user_annotation", "python_function"}


def report_of(folder: Path, trace: dict[str, Any]) -> TraceReport:
    path = folder / "trace.json"
    path.write_text(json.dumps(trace))
    return sdtrace.load(path).report


def test_work_launched_by_threads_without_ops_is_told(tmp_path: Path) -> None:
    trace = json.loads(EAGER.read_text())
    trace["traceEvents"] = [event for event in trace["traceEvents"] if event.get("cat") not in OF_OPS]
    report = report_of(tmp_path, trace)
    (found,) = [finding for finding in report.findings if finding.id == "trace.no_ops"]
    assert found.title == "100.0 % of GPU work was launched where no op was recorded"
    work = sum(event.get("cat") in ("kernel", "gpu_memcpy", "gpu_memset") for event in trace["traceEvents"])
    assert f"launched {work:,} kernels or copies ran on 1 thread without ops" in found.evidence


@pytest.mark.parametrize("path", [EAGER, GRAPHS])
def test_work_of_ops_and_replays_of_graphs_are_no_such_work(path: Path) -> None:
    assert "trace.no_ops" not in [finding.id for finding in sdtrace.load(path).report.findings]


def test_a_profile_of_nothing_says_so(tmp_path: Path) -> None:
    """As torch writes where all work is on threads that it does not watch."""
    span = {
        "ph": "X",
        "cat": "Trace",
        "name": "PyTorch Profiler (0)",
        "pid": "Spans",
        "tid": "PyTorch Profiler",
    }
    trace = {
        "schemaVersion": 1,
        "traceEvents": [span | {"ts": 100.5, "dur": 11136.1, "args": {"Op count": 0}}],
    }
    report = report_of(tmp_path, trace)
    assert [finding.id for finding in report.findings] == ["trace.nothing"]
    assert report.verdict is not None
    assert "Takes: Not known: nothing was recorded." in report.verdict.text
