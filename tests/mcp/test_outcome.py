"""When a promise came true."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from sdtrace.mcp.outcome import judge

TIGHT = (0.099, 0.100, 0.101)


def run(*seconds: float, paid_us: float = 0.0, unprofiled: Any = None) -> Any:
    """A report that recorded these walls without the profiler, and the same with it."""
    rows = [SimpleNamespace(wall_us=1e6 * wall, phase="steady", is_whole=True) for wall in seconds]
    facts = {"unprofiled_wall_s": list(seconds)}
    overhead = SimpleNamespace(paid_us=paid_us)
    return SimpleNamespace(run=facts, iterations=rows, overhead=overhead, unprofiled=unprofiled, noun="image")


def promise(saving_us: float | None = None, identifier: str = "host.x", saving: Any = None) -> Any:
    return SimpleNamespace(id=identifier, saving_us=saving_us, saving=saving)


RANGE = SimpleNamespace(from_us=100e3, to_us=60e3, low_us=50e3, high_us=70e3)
OUTCOMES = [
    (promise(40e3), (0.059, 0.060, 0.061), "came true, 40.0 ms saved: 100 % of what was promised."),
    (promise(40e3), (0.079, 0.080, 0.081), "came true in part, 20.0 ms saved: 50 % of what was promised."),
    (
        promise(40e3),
        (0.098, 0.099, 0.102),
        "did not come true. No change beyond the spread: 100 ms -> 99.0 ms",
    ),
    (promise(40e3), (0.119, 0.120, 0.121), "did not come true. It became slower: 100 ms -> 120 ms"),
    (promise(None), (0.059, 0.060, 0.061), "faster, 40.0 ms saved. The finding promised no figure."),
    (promise(saving=RANGE), (0.067, 0.069, 0.070), "came true, 31.0 ms saved."),
    (promise(saving=RANGE), (0.079, 0.080, 0.081), "came true in part, 20.0 ms saved of 30.0 ms at least."),
    (promise(saving=RANGE), (0.019, 0.020, 0.021), "came true, and more than promised: 80.0 ms saved."),
    (promise(40e3), (), "unknown. A trace has no steady image to measure."),
]


@pytest.mark.parametrize(("found", "after", "expected"), OUTCOMES)
def test_what_was_measured_decides(found: Any, after: tuple[float, ...], expected: str) -> None:
    assert judge(run(*TIGHT), run(*after), found, is_unprofiled=True).startswith(expected)


def test_what_is_paid_once_is_held_against_the_same() -> None:
    found = promise(None, "overhead.once")
    said = judge(run(paid_us=10e6), run(paid_us=2e6), found, is_unprofiled=True)
    assert said.startswith("came true. One-time cost: 10.0 s -> 2.00 s")
    worse = judge(run(paid_us=2e6), run(paid_us=2e6), found, is_unprofiled=True)
    assert worse.startswith("did not come true")


def test_times_with_the_profiler_say_so() -> None:
    said = judge(run(*TIGHT), run(0.05, 0.05), promise(50e3), is_unprofiled=False)
    assert "with the profiler, which slows the CPU; record more images to be sure" in said


def test_an_estimate_without_the_profiler_counts_more_than_times_with_it() -> None:
    before, after = (
        SimpleNamespace(mid_us=middle, low_us=0.9 * middle, high_us=1.1 * middle) for middle in (50e3, 30e3)
    )
    said = judge(
        run(*TIGHT, unprofiled=before),
        run(0.05, 0.05, 0.05, unprofiled=after),
        promise(20e3),
        is_unprofiled=False,
    )
    assert said.startswith("came true, 20.0 ms saved: 100 % of what was promised.")
    assert "Estimated without the profiler: 50.0 ms -> 30.0 ms." in said
