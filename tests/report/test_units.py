from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sdtrace.report import units


@pytest.mark.parametrize(
    ("us", "written"),
    [
        (0.001, "0.001 µs"),
        (12.345, "12.3 µs"),
        (999.7, "1.00 ms"),
        (99_999, "0.100 s"),
        (187_118.8, "0.187 s"),
        (82_252_301.6, "82.3 s"),
        (1.2e9, "1 200 s"),
        (-1_500, "-1.50 ms"),
        (0.0, "0 s"),
        (None, units.MISSING),
    ],
)
def test_durations(us: float | None, written: str) -> None:
    assert units.duration(us).replace("\u202f", " ") == written


@given(st.floats(1e-3, 1e12))
def test_a_duration_is_right_to_three_digits(us: float) -> None:
    figure, unit = units.duration(us).rsplit("\u202f", 1)
    scale = {"µs": 1.0, "ms": 1e3, "s": 1e6}[unit]
    assert float(figure.replace("\u202f", "")) * scale == pytest.approx(us, rel=5.1e-3, abs=5.1e-4)


@pytest.mark.parametrize(
    ("pct", "written"),
    [(84.45, "84.5 %"), (0.5, "0.50 %"), (0.001, "<0.01 %"), (0.0, "0.0 %"), (None, units.MISSING)],
)
def test_shares(pct: float | None, written: str) -> None:
    assert units.share(pct).replace("\u202f", " ") == written


def test_sizes_are_binary_and_operations_decimal() -> None:
    assert units.size(150_109_880_320).replace("\u202f", " ") == "140 GiB"
    assert units.flops(2_811_417_495_552).replace("\u202f", " ") == "2.81 TFLOP"
    assert units.count(1_884_731).replace("\u202f", " ") == "1 884 731"
