"""What a saving says: before, after, and a range that a reader cannot take for a promise to get slower."""

from __future__ import annotations

import pytest

from sdtrace.analysis.promise import gains, likely_range, promised
from sdtrace.model import Saving


def _saving(to: float, low: float, high: float, step: float = 0.0) -> Saving:
    """Of an image of 200 ms; all in milliseconds."""
    return Saving(
        from_us=200e3,
        to_us=to * 1e3,
        low_us=low * 1e3,
        high_us=high * 1e3,
        basis="replay",
        step_us=step * 1e3,
    )


@pytest.mark.parametrize(
    ("saving", "told"),
    [
        (_saving(100, 90, 120), "200 ms → 100 ms (90.0 to 120 ms)"),
        (_saving(180, 150, 199), "200 ms → 180 ms (150 to 199 ms)"),
        (_saving(180, 150, 200), "200 ms → 180 ms (150 ms at best, no gain at worst)"),
        (_saving(180, 150, 260), "200 ms → 180 ms (150 ms at best, no gain at worst)"),
        (_saving(180, 150, 199.8), "200 ms → 180 ms (150 ms at best, no gain at worst)"),
        (_saving(200, 170, 230), "no gain on its own"),
        (_saving(199.9, 170, 230), "no gain on its own"),
        (_saving(200, 170, 230, step=20), "no gain on its own; saves 20.0 ms after the fixes above"),
        (_saving(200, 170, 230, step=0.9), "no gain on its own"),
    ],
)
def test_a_range_never_ends_above_the_time_of_today(saving: Saving, told: str) -> None:
    assert promised(saving) == told
    assert gains(saving) is ("→" in told)


def test_a_unit_that_both_ends_share_is_written_once() -> None:
    assert likely_range(_saving(1, 0.9, 1.2)) == "900 µs to 1.20 ms"
    assert likely_range(_saving(50, 40, 60)) == "40.0 to 60.0 ms"
