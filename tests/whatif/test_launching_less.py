"""What launching faster cannot shorten, in short runs in which it takes most of the time."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest

from sdtrace.analysis import Options, analyze
from sdtrace.model import Finding
from tests.written import MS, Event, call, host, kernel

US = 1_000
ADD = "void at::native::vectorized_elementwise_kernel<4, at::native::CUDAFunctor_add<float>>"
LAUNCHES = 10
PACE = 100 * US


def short_run(later: int, launch: int = 5 * US) -> list[Event]:
    """One marked iteration of ten small kernels; the fifth so much later, by a call of `launch`."""
    events, extra = [], 0
    for number in range(1, LAUNCHES + 1):
        long = launch if number == LAUNCHES // 2 else 5 * US
        extra += later if number == LAUNCHES // 2 else 0
        at = PACE * number + extra
        events += [
            host("aten::add", at - 50 * US, 60 * US + long),
            call("cudaLaunchKernel", at, long, number),
            kernel(ADD, at + long + US, 5 * US, number),
        ]
        extra += long
    return [host("ProfilerStep#1", 0, PACE * (LAUNCHES + 1) + extra, "user_annotation"), *events]


def findings(path: Path, events: list[Event]) -> dict[str, Finding]:
    path.write_bytes(msgspec.json.encode({"schemaVersion": 1, "traceEvents": events}))
    return {item.id: item for item in analyze(path, Options.of()).findings}


LATER = 4 * MS + 800 * US
CASES = {
    "silence": short_run(20 * MS),
    "work on the CPU": [*short_run(LATER), host("aten::linalg_svd", 450 * US, LATER - US)],
    "a long call": [*short_run(LATER), call("cudaDeviceGetAttribute", 450 * US, LATER - US, 99)],
    "a long launch": short_run(0, LATER),
}


@pytest.mark.parametrize("events", CASES.values(), ids=CASES)
def test_a_compiler_shortens_launching_alone(tmp_path: Path, events: list[Event]) -> None:
    found = findings(tmp_path / "t.json", events)
    compiling = [found[name] for name in ("device.fusion", "host.launch_bound") if name in found]
    assert compiling
    for item in compiling:
        assert item.saving is None or item.saving.from_us - item.saving.to_us < PACE * LAUNCHES / US


def test_a_long_launch_is_what_ending_it_saves(tmp_path: Path) -> None:
    saving = findings(tmp_path / "t.json", short_run(0, LATER))["host.runtime_call"].saving
    assert saving is not None
    assert saving.from_us - saving.to_us == pytest.approx(LATER / US, rel=0.1)
