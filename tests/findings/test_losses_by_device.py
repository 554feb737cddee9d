"""What to do about GPU events or launches that are not in the file, by why they are not."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec
import pytest

from sdtrace.analysis import Options, analyze
from tests.analysis.reference import finding
from tests.written import Event, call, host, kernel

US = 1_000


def advice_of(path: Path, events: list[Event], name: str) -> str:
    path.write_bytes(msgspec.json.encode({"schemaVersion": 1, "traceEvents": events}))
    found = finding(analyze(path, Options.of()), name)
    assert found is not None
    return found.advice


def launched(number: int) -> list[Event]:
    at = number * 50 * US
    return [host("aten::mm", at, 20 * US), call("cudaLaunchKernel", at + US, 5 * US, number)]


@pytest.mark.parametrize(("category", "told"), [("cuda_profiler_range", "counters"), ("Trace", "lost")])
def test_counters_are_recorded_in_place_of_kernels(tmp_path: Path, category: str, told: str) -> None:
    measured: dict[str, Any] = {**host("gemm", 60 * US, 5 * US, category), "pid": 0, "tid": 0}
    events = [event for number in range(1, 30) for event in launched(number)]
    assert told in advice_of(tmp_path / "t.json", [*events, measured], "trace.lost_work")


@pytest.mark.parametrize("with_cpu", [True, False])
def test_cpu_activity_is_asked_for_where_there_is_none(tmp_path: Path, with_cpu: bool) -> None:
    events = [kernel("gemm", number * 50 * US, 20 * US, 100 + number) for number in range(1, 30)]
    more = [host("aten::mm", number * 50 * US, 20 * US) for number in range(1, 30)] if with_cpu else []
    advice = advice_of(tmp_path / "t.json", [*events, *more], "trace.lost_launches")
    assert ("ProfilerActivity.CPU" in advice) == (not with_cpu)
