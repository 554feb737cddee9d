"""What an Inductor kernel reads and writes of its arguments, and what it reads again later.

Some points of the kernel's axes are followed, spread evenly over its run. Memory is taken in sectors, the 32
bytes that a GPU fetches at once. A region of memory that is touched more often than it has sectors is
touched again, in the order of the first time; how much else the kernel touches in between says whether a
cache still holds it. That is a model: programs run in the order of their numbers, each at one pace.
"""

from __future__ import annotations

from collections.abc import Iterable
from math import prod
from pathlib import Path
from typing import Final, NamedTuple

import numpy as np
import numpy.typing as npt

from sdtrace_collector.kernel_source import Axes, Int64s, KernelSource, Points, Touch, parse_kernel
from sdtrace_collector.protocol import KernelAccess

_Floats = npt.NDArray[np.float64]

_SECTOR: Final = 32
_SAMPLES: Final = 1 << 16
_SLICES: Final = 512
"""Parts of a kernel's run, equally long."""
_REGIONS: Final = 32
"""Parts of the memory that a pointer is used for, equally large."""
_HOLE: Final = 32
"""Sectors that are not touched are between those that are where so many times the usual distance is empty."""
_NEARLY: Final = 0.9
_SPOTS: Final = 32
_SIDE: Final = 32
"""Points next to each other on an axis, at most: what they touch together shows how much shares a sector."""
_AT_ONCE: Final = 512
"""Points of `x` that run at once, about. They are at the same place of `r`."""
_NEAR: Final = 1 << 22
"""Bytes: what is touched again sooner is in the cache of any GPU."""
_MOST_BYTES: Final = 1 << 20


def access_of_sources(sources: Iterable[Path]) -> dict[str, KernelAccess]:
    """What each kernel touches, by `kernel_hash`, which is the name of the source file.

    Templates and kernels whose sizes are not constant are passed over, as is what is no kernel.

    >>> access_of_sources([Path("no such file.py")])
    {}
    """
    found = {}
    for source in sources:
        if source.is_file() and source.stat().st_size <= _MOST_BYTES:
            kernel = parse_kernel(source.read_text(encoding="utf-8", errors="replace"))
            if kernel is not None and kernel.pointers:
                found[source.stem] = access_of(kernel)
    return found


def access_of(kernel: KernelSource) -> KernelAccess:
    """Follow a sample of the kernel's points."""
    time, points = _spread(kernel.axes)
    shares = _sector_shares(kernel)
    touches = kernel.touches(points)
    weight = prod(kernel.axes) / len(time)
    when = [_slices(kernel, loop, time) for loop in range(kernel.loops)]
    uses = [
        _use([pair for pair in zip(touches, shares, strict=True) if pair[0].pointer == name], when, weight)
        for name in kernel.pointers
    ]
    known = [use for use in uses if use is not None]
    again: dict[int, float] = {}
    for use in known:
        for slices, size in _repeats(use):
            again[slices] = again.get(slices, 0.0) + size
    so_far = [np.vstack((np.zeros(_REGIONS), np.cumsum(use.touched, axis=0))) for use in known]
    return KernelAccess(
        [None if use is None else round(use.size) for use in uses],
        _pairs((_touched_within(known, so_far, slices), size) for slices, size in again.items()),
    )


def _pairs(repeats: Iterable[tuple[int, float]]) -> list[tuple[int, int]]:
    """Those that matter, after so many bytes, in steps of `_NEAR`."""
    steps: dict[int, float] = {}
    for after, size in repeats:
        step = round(after / _NEAR)
        steps[step] = steps.get(step, 0.0) + size
    return [(step * _NEAR, round(size)) for step, size in sorted(steps.items()) if step and size >= _NEAR]


class _Use(NamedTuple):
    """How one pointer is used: `touched` has bytes by slice of time and region, each of `region` bytes."""

    touched: _Floats
    region: float

    @property
    def size(self) -> float:
        """Bytes of memory that are used at all. The sum of what is touched is some percent off."""
        touched, memory = float(self.touched.sum()), self.region * _REGIONS
        return memory if touched > _NEARLY * memory else touched


def _spread(axes: Axes) -> tuple[_Floats, Points]:
    """Points spread over a kernel's run, and when each is reached: from 0 to 1, in one loop over `r`.

    `x` passes before `y`, in tiles where there are both; `r` passes inside, for some of `x` at once.
    """
    outer = axes.y * axes.x
    total = outer * axes.r
    count = min(total, _SAMPLES)
    jitter = np.random.default_rng(0).random(count) if count < total else np.zeros(count)
    place = np.minimum(((np.arange(count) + jitter) * (total / count)).astype(np.int64), total - 1)
    at_once = min(outer, _AT_ONCE)
    wave, inside = np.divmod(place, at_once * axes.r)
    width = np.minimum(at_once, outer - wave * at_once)
    r, lane = np.divmod(inside, width)
    tile_y = min(axes.y, _SIDE)
    row, rest = np.divmod(wave * at_once + lane, tile_y * axes.x)
    height = np.minimum(tile_y, axes.y - row * tile_y)
    x, in_tile = np.divmod(rest, height)
    return place / total, Points(row * tile_y + in_tile, x, r)


def _sector_shares(kernel: KernelSource) -> list[float]:
    """For each load and store, how many sectors a point touches: 1/16 where 16 neighbors share one."""
    long = sum(size > 1 for size in kernel.axes)
    side = {0: 1, 1: _SIDE * _SIDE, 2: _SIDE, 3: _SIDE // 2}[long]
    sizes = [min(size, side) for size in kernel.axes]
    grid = [axis.ravel() for axis in np.meshgrid(*(np.arange(size) for size in sizes), indexing="ij")]
    spots = np.arange(_SPOTS)
    # Each axis has its own order of places, so that together they are spread over all.
    orders = spots, spots * 11 % _SPOTS, spots * 19 % _SPOTS
    starts = [
        order * (size // part) // _SPOTS * part
        for order, size, part in zip(orders, kernel.axes, sizes, strict=True)
    ]
    places = (np.add.outer(start, axis).ravel() for start, axis in zip(starts, grid, strict=True))
    return [_share(kernel, touch) for touch in kernel.touches(Points(*places))]


def _share(kernel: KernelSource, touch: Touch) -> float:
    """Sectors per point that is used, of all spots together; where none is used, as if neighbors shared."""
    if touch.address is None:
        return 0.0
    spots = touch.address.reshape(_SPOTS, -1)
    used = int(np.count_nonzero(spots >= 0))
    if not used:
        return kernel.item_sizes[touch.pointer] / _SECTOR
    sectors = np.sort(np.where(spots >= 0, spots // _SECTOR, -1), axis=1)
    distinct = int(np.count_nonzero(np.diff(sectors, axis=1))) + int(np.count_nonzero(sectors[:, 0] >= 0))
    return distinct / used


def _use(mine: list[tuple[Touch, float]], when: list[Int64s], weight: float) -> _Use | None:
    """How a pointer is used, by its loads and stores with their shares. Each point stands for `weight`."""
    sectors: list[Int64s] = []
    slices: list[Int64s] = []
    sizes: list[_Floats] = []
    for touch, share in mine:
        if touch.address is None:
            return None
        used = touch.address >= 0
        sectors.append(touch.address[used] // _SECTOR)
        slices.append(when[touch.loop][used])
        sizes.append(np.full(len(sectors[-1]), share * weight * _SECTOR))
    if not sectors:
        return None
    return _counted(np.concatenate(sectors), np.concatenate(slices), np.concatenate(sizes))


def _slices(kernel: KernelSource, loop: int, time: _Floats) -> Int64s:
    """The slice in which each point is reached. Loops follow each other, within each wave of programs."""
    waves = max(1.0, kernel.axes.y * kernel.axes.x / _AT_ONCE)
    wave, inside = np.divmod(time * waves, 1.0)
    when = (wave + (loop + inside) / kernel.loops) / waves
    return np.minimum((when * _SLICES).astype(np.int64), _SLICES - 1)


def _counted(sector: Int64s, when: Int64s, size: _Floats) -> _Use:
    """Sum up by slice and region. Holes between what is touched are left out of the regions."""
    if not len(sector):
        return _Use(np.zeros((_SLICES, _REGIONS)), 0.0)
    distinct, which = np.unique(sector, return_inverse=True)
    gaps = np.diff(distinct)
    usual = int(np.median(gaps)) if len(gaps) else 1
    is_hole = gaps > _HOLE * usual
    # Where a sample ends before a hole and begins behind it, twice what lies between two others is missing.
    edges = usual if usual == 1 else round(2 * float(gaps[~is_hole].mean()))
    place = np.concatenate(([0], np.cumsum(np.where(is_hole, edges, gaps))))
    count = int(place[-1]) + usual
    code = when * _REGIONS + (place * _REGIONS // count)[which]
    touched: _Floats = np.bincount(code, weights=size, minlength=_SLICES * _REGIONS).astype(np.float64)
    return _Use(touched.reshape(_SLICES, _REGIONS), count * _SECTOR / _REGIONS)


def _touched_within(uses: list[_Use], so_far: list[_Floats], slices: int) -> int:
    """Bytes touched in so many slices, as a rule; what is touched twice in them counts once.

    `so_far` has what each use touched before each slice.
    """
    total = 0.0
    for use, sums in zip(uses, so_far, strict=True):
        within = np.minimum(sums[slices:] - sums[: len(sums) - slices], use.region)
        total += float(within.sum(axis=1).mean())
    return round(total)


def _repeats(use: _Use) -> list[tuple[int, float]]:
    """What is touched again: after how many slices, and how many bytes."""
    found: list[tuple[int, float]] = []
    if use.region * _REGIONS < _NEAR:
        return found
    sums = np.cumsum(use.touched, axis=0)
    for region in np.flatnonzero(_NEARLY * sums[-1] > use.region).tolist():
        column, own = sums[:, region], use.touched[:, region]
        slices = np.flatnonzero((column > use.region) & (own > 0))
        size = np.minimum(own[slices], column[slices] - use.region)
        before = np.searchsorted(column, column[slices] - use.region - size / 2)
        found += zip((slices - before).tolist(), size.tolist(), strict=True)
    return found
