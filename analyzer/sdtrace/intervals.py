"""Sets of instants as sorted, disjoint, half-open intervals; all operations are vectorised and exact."""

from __future__ import annotations

from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

Int64s = NDArray[np.int64]
Bools = NDArray[np.bool_]
_BLOCK: Final = 1 << 20
"""Spans sorted at once: what lies close in the file lies close in time, and merges to little."""


class Intervals(NamedTuple):
    """Instants t with start[i] <= t < end[i]; sorted, not touching, none empty. int64 nanoseconds."""

    start: Int64s
    end: Int64s


def nothing() -> Intervals:
    """The empty set."""
    return Intervals(np.zeros(0, np.int64), np.zeros(0, np.int64))


def union(start: Int64s, end: Int64s) -> Intervals:
    """The set covered by any of the spans, which may overlap and stand in any order."""
    if len(start) <= _BLOCK:
        return _union(start, end)
    blocks = [_union(start[at : at + _BLOCK], end[at : at + _BLOCK]) for at in range(0, len(start), _BLOCK)]
    return _union(np.concatenate([s.start for s in blocks]), np.concatenate([s.end for s in blocks]))


def _union(start: Int64s, end: Int64s) -> Intervals:
    given = end > start
    start, end = start[given], end[given]
    if not start.size:
        return nothing()
    order = np.argsort(start, kind="stable")
    start, reach = start[order], np.maximum.accumulate(end[order])
    opens = np.append(True, start[1:] > reach[:-1])
    return Intervals(start[opens], reach[np.append(np.flatnonzero(opens)[1:] - 1, len(reach) - 1)])


def join(*sets: Intervals) -> Intervals:
    """What is in any of the sets."""
    if not sets:
        return nothing()
    return union(np.concatenate([s.start for s in sets]), np.concatenate([s.end for s in sets]))


def intersect(a: Intervals, b: Intervals) -> Intervals:
    """What is in both sets."""
    return _combined(a, b, wanted=2)


def subtract(a: Intervals, b: Intervals) -> Intervals:
    """What is in `a` and not in `b`."""
    if not a.start.size:
        return a
    low, high = a.start[0], a.end[-1]
    return intersect(a, _complement(b, int(low), int(high)))


def total(a: Intervals) -> int:
    """How long the set is, in nanoseconds."""
    return int((a.end - a.start).sum())


def contains(a: Intervals, points: Int64s) -> Bools:
    """Which points are in the set."""
    if not a.start.size:
        return np.zeros(len(points), np.bool_)
    place = np.searchsorted(a.start, points, side="right") - 1
    return (place >= 0) & (points < a.end[np.maximum(place, 0)])


def contains_any(points: Int64s, start: Int64s, end: Int64s) -> Bools:
    """Which spans [start, end) hold one of the sorted points."""
    found: Bools = np.searchsorted(points, end, "left") > np.searchsorted(points, start, "left")
    return found


def place_of(start: Int64s, end: Int64s, points: Int64s) -> Int64s:
    """Which of some disjoint spans [start, end), given in order, holds each point; -1 for none."""
    if not start.size:
        return np.full(len(points), -1, np.int64)
    place = np.searchsorted(start, points, side="right") - 1
    return np.where((place >= 0) & (points < end[np.maximum(place, 0)]), place, -1)


def covered(a: Intervals, start: Int64s, end: Int64s) -> Int64s:
    """How much of each span [start, end) is in the set, in nanoseconds."""
    return _measure_before(a, end) - _measure_before(a, start)


def highest_over(first: Int64s, stop: Int64s, value: Int64s, size: int) -> Int64s:
    """For each of `size` places the largest value among the ranges [first, stop) that hold it, -1 for none.

    Values are at least 0. Each range is two overlapping blocks of a power of two, and blocks hand down
    what they hold to their halves: n log n, however the ranges overlap.
    """
    given = stop > first
    first, stop, value = first[given], stop[given], value[given]
    level = np.frexp((stop - first).astype(np.float64))[1] - 1
    highest = np.full(size, -1, np.int64)
    for power in range(int(level.max(initial=-1)), -1, -1):
        block, mine = 1 << power, level == power
        if power < level.max(initial=0):
            highest[block:] = np.maximum(highest[block:], highest[:-block].copy())
        np.maximum.at(highest, first[mine], value[mine])
        np.maximum.at(highest, stop[mine] - block, value[mine])
    return highest


def _measure_before(a: Intervals, points: Int64s) -> Int64s:
    """How much of the set lies before each point."""
    lengths = np.append(0, np.cumsum(a.end - a.start))
    place = np.searchsorted(a.start, points, side="right")
    beyond = np.append(0, a.end)[place] - points
    return lengths[place] - np.where(place > 0, np.maximum(beyond, 0), 0)


def _complement(a: Intervals, low: int, high: int) -> Intervals:
    return union(np.append(low, a.end), np.append(a.start, high))


def _combined(a: Intervals, b: Intervals, wanted: int) -> Intervals:
    """Where at least `wanted` of the two sets hold."""
    times = np.concatenate((a.start, b.start, a.end, b.end))
    opening = len(a.start) + len(b.start)
    steps = np.append(np.ones(opening, np.int64), np.full(len(times) - opening, -1))
    order = np.argsort(times, kind="stable")
    times, held = times[order], np.cumsum(steps[order])
    covered = np.flatnonzero(held[:-1] >= wanted)
    return union(times[covered], times[covered + 1])
