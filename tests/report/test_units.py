from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sdtrace import units


@pytest.mark.parametrize(
    ("us", "written"),
    [
        (0.001, "0.001 µs"),
        (12.345, "12.3 µs"),
        (999.7, "1.00 ms"),
        (99_999, "100 ms"),
        (187_118.8, "187 ms"),
        (82_252_301.6, "82.3 s"),
        (1.2e9, "1,200 s"),
        (-1_500, "-1.50 ms"),
        (0.0, "0 s"),
        (None, units.MISSING),
    ],
)
def test_durations(us: float | None, written: str) -> None:
    assert units.duration(us) == written


@given(st.floats(1e-3, 1e12))
def test_a_duration_is_right_to_three_digits(us: float) -> None:
    figure, unit = units.duration(us).rsplit(" ", 1)
    scale = {"µs": 1.0, "ms": 1e3, "s": 1e6}[unit]
    assert float(figure.replace(",", "")) * scale == pytest.approx(us, rel=5.1e-3, abs=5.1e-4)


@pytest.mark.parametrize(
    ("pct", "written"),
    [(84.45, "84.5 %"), (0.5, "0.50 %"), (0.001, "<0.01 %"), (0.0, "0.0 %"), (None, units.MISSING)],
)
def test_shares(pct: float | None, written: str) -> None:
    assert units.share(pct) == written


def test_sizes_are_binary_and_operations_decimal() -> None:
    assert units.size(150_109_880_320) == "140 GiB"
    assert [units.size(1024**power) for power in range(5)] == [
        "1 B",
        "1.00 KiB",
        "1.00 MiB",
        "1.00 GiB",
        "1.00 TiB",
    ]
    assert [units.size(nbytes) for nbytes in (0, 1_023, -1_024)] == ["0 B", "1023 B", "-1.00 KiB"]
    assert [units.size(round(kib * 1024)) for kib in (1_000, 1_023.4, 1_023.6)] == [
        "1,000 KiB",
        "1,023 KiB",
        "1.00 MiB",
    ]
    assert [units.flops(1000**power) for power in (1, 2, 5, 6)] == [
        "1.00 KFLOP",
        "1.00 MFLOP",
        "1.00 PFLOP",
        "1,000 PFLOP",
    ]
    assert [units.flops(number) for number in (999, 999_400, 999_600)] == [
        "999 FLOP",
        "999 KFLOP",
        "1.00 MFLOP",
    ]
    assert units.flops(2_811_417_495_552) == "2.81 TFLOP"
    assert units.count(1_884_731) == "1,884,731"
