"""Weights that are loaded under the profiler are one-time cost; weights and data that come again are not."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest

from sdtrace.analysis import Options, analyze
from sdtrace.model import TraceReport
from tests.written import MS, Event, call, host, kernel

US = 1_000


def copies(start: int, count: int = 10, nbytes: int = 10_000_000) -> list[Event]:
    """Copies of tensors to the GPU, a millisecond each."""
    events = []
    for place in range(count):
        at, number = start + place * MS, start // MS + place + 1
        piece = kernel("Memcpy HtoD (Pageable -> Device)", at + 50 * US, 800 * US, number)
        events += [host("aten::to", at, 900 * US), call("cudaMemcpyAsync", at + 10 * US, 880 * US, number)]
        events.append({**piece, "args": {**piece["args"], "bytes": nbytes}})
    return events


def passes(start: int, count: int = 3) -> list[Event]:
    """Marked iterations of 100 products and 20 ms each."""
    events = []
    for place in range(count):
        begin = start + 20 * MS * place
        events.append(host("forward", begin, 20 * MS, "user_annotation"))
        for step in range(100):
            at, number = begin + step * 200 * US, 10_000 + 1_000 * (begin // MS) + step
            events += [host("aten::mm", at, 20 * US), call("cudaLaunchKernel", at + US, 5 * US, number)]
            events.append(kernel("ampere_sgemm_128x64_nn", at + 10 * US, 150 * US, number))
    return events


def report_of(path: Path, events: list[Event]) -> TraceReport:
    path.write_bytes(msgspec.json.encode({"schemaVersion": 1, "traceEvents": events}))
    return analyze(path, Options.of())


def test_loading_a_model_is_paid_once(tmp_path: Path) -> None:
    report = report_of(tmp_path / "t.json", [*copies(0), *passes(20 * MS, 1)])
    assert report.overhead.warmup_us == pytest.approx(9_900, rel=0.03)
    assert "host.copies" not in {item.id for item in report.findings}
    assert report.verdict is not None
    assert "Dominates: Matrix multiplication" in report.verdict.text


@pytest.mark.parametrize(
    "events",
    [
        pytest.param([*copies(0, nbytes=1_000), *passes(20 * MS)], id="small tensors"),
        pytest.param([*copies(0, count=3, nbytes=90_000_000), *passes(20 * MS)], id="a few tensors"),
        pytest.param([*copies(0), *passes(20 * MS, 1), *copies(50 * MS), *passes(70 * MS, 1)], id="again"),
        pytest.param(
            [host("ProfilerStep#1", 0, 90 * MS, "user_annotation"), *copies(0), *passes(20 * MS)],
            id="the data of a step",
        ),
    ],
)
def test_what_comes_again_is_not_loaded_once(tmp_path: Path, events: list[Event]) -> None:
    assert report_of(tmp_path / "t.json", events).overhead.warmup_us == 0
