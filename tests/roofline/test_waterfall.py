"""The parts of a wall, of any work: fractions of a nanosecond, several streams, pieces of one call."""

from __future__ import annotations

import numpy as np
import pytest

from sdtrace.intervals import union
from sdtrace.roofline.kinds import KindWork
from sdtrace.roofline.limits import Roof
from sdtrace.roofline.named_work import Kind, NamedWork
from sdtrace.roofline.waterfall import Labels, Part, Window, fastest_dtype, roof_shares, waterfall

COMPONENTS, CATEGORIES = ["unet", "vae"], ["gemm", "norm", "copy"]


def kind(seconds: float | None, flops: int = 0, dtype: str | None = None) -> KindWork:
    roof = None if seconds is None else Roof(seconds, "memory")
    return KindWork(Kind("aten::op", ""), "", "", flops, flops, None, dtype, roof)


WORKS = [kind(1.2345678e-6), kind(0.7e-6 / 3), kind(None), kind(1.0)]


def window_of(begun: list[int], lasted: list[int], wall_ns: int) -> Window:
    start, length = np.array(begun), np.array(lasted)
    busy = union(start, start + length)
    total = int((busy[1] - busy[0]).sum())
    return Window(0, wall_ns, np.arange(len(begun)), length, total)


@pytest.mark.parametrize("seed", range(20))
def test_the_parts_sum_to_the_wall_to_the_nanosecond(seed: int) -> None:
    random = np.random.default_rng(seed)
    count, wall = 57, 1_000_000
    begun, lasted = random.integers(0, wall - 9000, count), random.integers(1, 9000, count)
    window = window_of(begun.tolist(), lasted.tolist(), wall)
    named = NamedWork(random.integers(-1, 4, count), random.integers(0, 20, count), [], 0, 0)
    labels = Labels(random.integers(-1, 2, count), COMPONENTS, random.integers(0, 3, count), CATEGORIES)
    idle = {"sync": (wall - window.busy_ns) // 2, "launch_bound": 17}
    parts = waterfall(window, named, WORKS, labels, idle)
    assert sum(part.ns for part in parts) == wall
    assert all(part.ns > 0 for part in parts if part.part != "overlap")
    work = sum(part.ns for part in parts if part.part in ("roofline", "lost", "unknown"))
    assert work == lasted.sum()


def test_work_of_no_time_has_no_share() -> None:
    """Kernels of less than a microsecond last 0 where the profiler writes whole ones."""
    window = window_of([0, 5, 9], [4, 0, 0], 10)
    named = NamedWork(np.array([0, 1, -1]), np.array([0, 1, 2]), [], 0, 0)
    shares = roof_shares(window, named, WORKS)
    assert shares[:2].tolist() == [4.0, 0.0]
    assert np.isnan(shares[2])


def test_half_a_nanosecond_is_not_lost() -> None:
    window = window_of([0], [2001], 2001)
    named = NamedWork(np.array([0]), np.array([0]), [], 0, 0)
    labels = Labels(np.array([0]), COMPONENTS, np.array([0]), CATEGORIES)
    parts = waterfall(window, named, [kind(1000.5e-9)], labels, {})
    assert sum(part.ns for part in parts) == 2001


def test_each_part_is_what_it_says() -> None:
    """A call of two pieces at a third of its roof, one faster than its roof, one without; an overlap."""
    window = window_of([0, 2000, 3000, 3500], [1000, 500, 1000, 800], 10_000)
    named = NamedWork(np.array([0, 0, 3, 2]), np.array([0, 0, 1, 2]), [], 0, 0)
    works = [kind(0.5e-6), kind(None), kind(None), kind(1.0)]
    labels = Labels(np.array([0, 0, 1, -1]), COMPONENTS, np.array([0, 1, 0, 2]), CATEGORIES)
    assert roof_shares(window, named, works)[:3].tolist() == pytest.approx([1000 / 3, 500 / 3, 1000])
    assert waterfall(window, named, works, labels, {"sync": 5000, "none": 0}) == [
        Part("roofline", "vae", 1000),
        Part("roofline", "unet", 500),
        Part("lost", "gemm", 667),
        Part("lost", "norm", 333),
        Part("unknown", "copy", 800),
        Part("overlap", "several streams", -500),
        Part("idle", "sync", 5000),
        Part("idle", "outside", 2200),
    ]


def test_the_fastest_type_is_one_that_products_use() -> None:
    works = [
        kind(1e-6, 10, "float32"),
        kind(1e-6, 10, "bfloat16"),
        kind(1e-6, 0, "float8"),
        kind(1e-6, 9, "x"),
    ]
    rates = {"float32": 1.0, "bfloat16": 5.0, "float8": 9.0}
    assert fastest_dtype(works, np.array([True] * 4), rates) == "bfloat16"
    assert fastest_dtype(works, np.array([True, False, True, True]), rates) == "float32"
    assert fastest_dtype(works, np.array([False] * 4), rates) is None
