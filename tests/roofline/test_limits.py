"""The least time of a call: by memory, cache, operations, or the time that any kernel takes."""

from __future__ import annotations

import pytest

from sdtrace.model.work import Peaks
from sdtrace.roofline.limits import SHORTEST_S, Roof, at_best_dtype, roof_of
from sdtrace.roofline.traffic import Traffic

CARD = Peaks(
    card="X",
    source="given",
    origin="",
    flops_per_s={"float32": 1e13, "bfloat16": 1e15, "float8": 2e15},
    memory_bytes_per_s=1e12,
    l2_bytes=10_000_000,
    l2_bytes_per_s=4e12,
)
WITHOUT_CACHE = Peaks(
    card="X",
    source="given",
    origin="",
    flops_per_s=CARD.flops_per_s,
    memory_bytes_per_s=1e12,
    l2_bytes=10_000_000,
)


def moves(read: int, written: int = 0) -> Traffic:
    return Traffic(read, written, True, "bfloat16")


@pytest.mark.parametrize(
    ("flops", "traffic", "dtype", "roof"),
    [
        (0, moves(30_000_000, 10_000_000), "bfloat16", Roof(40e-6, "memory")),
        (0, moves(6_000_000, 4_000_000), "bfloat16", Roof(2.5e-6, "memory")),
        (0, moves(6_000_000, 4_000_001), "bfloat16", Roof(10.000001e-6, "memory")),
        (0, Traffic(9_000_000, 8_000_000, True, None, in_place=8_000_000), None, Roof(4.25e-6, "memory")),
        (0, Traffic(9_000_000, 8_000_000, True, None, in_place=6_000_000), None, Roof(17e-6, "memory")),
        (10**11, moves(40_000_000), "bfloat16", Roof(100e-6, "compute")),
        (10**11, moves(40_000_000), "float8_e4m3fn", Roof(50e-6, "compute")),
        (10**11, moves(40_000_000), "float32", Roof(1e-2, "compute")),
        (4 * 10**10, moves(40_000_000), "bfloat16", Roof(40e-6, "compute")),
        (4 * 10**10 - 10**6, moves(40_000_000), "bfloat16", Roof(40e-6, "memory")),
        (10**6, moves(1000), "bfloat16", Roof(SHORTEST_S, "latency")),
        (0, moves(0), None, Roof(SHORTEST_S, "latency")),
    ],
)
def test_the_slower_of_both_bounds_it(flops: int, traffic: Traffic, dtype: str | None, roof: Roof) -> None:
    found = roof_of(flops, traffic, CARD, dtype)
    assert found is not None
    assert found.bound == roof.bound
    assert found.seconds == pytest.approx(roof.seconds, rel=1e-12)


@pytest.mark.parametrize(
    ("flops", "traffic", "peaks", "dtype"),
    [
        (10**9, moves(1000), CARD, "int4"),
        (10**9, moves(1000), CARD, None),
        (0, None, CARD, "bfloat16"),
        (10**9, None, CARD, "bfloat16"),
        (0, moves(1000), WITHOUT_CACHE, "bfloat16"),
    ],
)
def test_without_a_rate_there_is_no_least_time(
    flops: int, traffic: Traffic | None, peaks: Peaks, dtype: str | None
) -> None:
    assert roof_of(flops, traffic, peaks, dtype) is None


def test_memory_is_known_also_where_the_cache_is_not() -> None:
    assert roof_of(0, moves(40_000_000), WITHOUT_CACHE, None) == Roof(40e-6, "memory")


MUCH = 10**13


@pytest.mark.parametrize(
    ("flops", "traffic", "dtype", "best", "factor"),
    [
        (MUCH, moves(40_000_000), "float32", "bfloat16", 0.01),
        (MUCH, moves(40_000_000), "bfloat16", "float8", 0.5),
        (10**10, moves(800_000_000), "float32", "bfloat16", 0.4),
        (0, moves(80_000_000), "float32", "bfloat16", 0.5),
        (0, moves(80_000_000), "tf32", "bfloat16", 0.5),
        (0, moves(80_000_000), "bfloat16", "float32", 1.0),
        (0, moves(16_000_000), "float32", "bfloat16", 2 / 16),
        (MUCH, moves(40_000_000), "bfloat16", "float32", 1.0),
        (MUCH, moves(40_000_000), "bfloat16", "bfloat16", 1.0),
        (10, moves(40), "float32", "bfloat16", 1.0),
        (MUCH, moves(40_000_000), "float64", "bfloat16", 1.0),
        (0, moves(80_000_000), "int64", "bfloat16", 1.0),
        (0, moves(80_000_000), "float32", None, 1.0),
        (0, moves(80_000_000), None, "bfloat16", 1.0),
        (MUCH, None, "float32", "bfloat16", 1.0),
    ],
)
def test_the_best_type_makes_it_faster_or_leaves_it(
    flops: int, traffic: Traffic | None, dtype: str | None, best: str | None, factor: float
) -> None:
    """A product that operations bound in float32, memory in bfloat16; a tensor that then fits the cache."""
    assert at_best_dtype(flops, traffic, CARD, dtype, best) == pytest.approx(factor)
