"""Autotune without spans: a benchmark's own pattern in the order of device work.

Inductor's and Triton's benchmarkers fill a buffer to flush the L2 cache, restore the candidate's
arguments where it overwrites them, run it, and repeat this a hundred times; before that come five such
rounds, to estimate its time, and a row of fills, to warm up. Old versions and other tools leave no span
around it, but nothing else alternates so.
"""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

from sdtrace.attribution.linked_trace import LinkedTrace
from sdtrace.attribution.nesting import Int32s
from sdtrace.intervals import Bools, Int64s, Intervals, contains, nothing, union

_MIN_REPEATS: Final = 8
_PERIODS: Final = (2, 3)
"""A fill and a kernel, or a fill, a copy and a kernel."""


def unmarked_autotune(linked: LinkedTrace, known: Intervals) -> Intervals:
    """Host time from first to last launch of each benchmark that lies outside `known`.

    A benchmark is 8 and more rounds of one fill and the same other work, with the fills and the same
    work around them, up to where a kernel runs twice in a row.
    """
    trace, work = linked.trace, linked.work
    launched = np.flatnonzero(work.launch >= 0)
    launch = work.launch[launched]
    outside = ~contains(known, trace.start_ns[launch])
    launch, row = launch[outside], work.row[launched][outside]
    order = np.lexsort((trace.start_ns[row], trace.start_ns[launch], trace.thread[launch]))
    launch, row = launch[order], row[order]
    fills = [number for number, name in enumerate(trace.names) if _is_fill(name)]
    name, thread = trace.name[row], trace.thread[launch]
    is_fill = np.isin(name, fills)
    runs = [
        _widened(first, last, period, name, is_fill, thread)
        for period in _PERIODS
        for first, last in _runs(name, is_fill, thread, period)
    ]
    if not runs:
        return nothing()
    first, last = np.array(runs).T
    return union(trace.start_ns[launch[first]], trace.end_ns[launch[last]])


def is_used_later(linked: LinkedTrace, benchmarks: Intervals) -> bool:
    """Whether some kernel that was tried in `benchmarks` runs again when they are over.

    Who tunes a kernel goes on to use it; who measures one (`triton.testing.do_bench`) does not.
    """
    trace, work = linked.trace, linked.work
    launched = np.flatnonzero(work.launch >= 0)
    row, called = work.row[launched], trace.start_ns[work.launch[launched]]
    name, inside = trace.name[row], contains(benchmarks, called)
    last = np.full((2, len(trace.names)), -1, np.int64)
    np.maximum.at(last, (inside.astype(np.int64), name), called)
    is_tried = trace.in_categories({"kernel"})[row] & inside
    tried = np.unique(name[is_tried])
    tried = tried[[not _is_fill(trace.names[number]) for number in tried.tolist()]]
    return bool(np.any(last[0, tried] > last[1, tried]))


def _is_fill(name: str) -> bool:
    return "FillFunctor" in name or name.startswith("Memset")


def _runs(name: Int32s, is_fill: Bools, thread: Int32s, period: int) -> list[tuple[int, int]]:
    """First and last piece of each run of rounds of `period` pieces, one of them a fill."""
    if len(name) < _MIN_REPEATS * period:
        return []
    fills = np.append(0, np.cumsum(is_fill))
    one_fill = fills[period:] - fills[:-period] == 1
    again = (name[period:] == name[:-period]) & (thread[period:] == thread[:-period])
    again &= one_fill[:-1]
    begin, stop = _true_runs(again)
    long = stop - begin >= (_MIN_REPEATS - 1) * period
    return list(zip(begin[long].tolist(), (stop[long] + period - 1).tolist(), strict=True))


def _true_runs(flags: Bools) -> tuple[Int64s, Int64s]:
    """Where runs of True begin and where they have stopped."""
    steps: NDArray[np.int8] = np.diff(np.concatenate(([0], flags.astype(np.int8), [0])))
    edges = np.flatnonzero(steps)
    return edges[::2], edges[1::2]


def _widened(
    first: int, last: int, period: int, name: Int32s, is_fill: Bools, thread: Int32s
) -> tuple[int, int]:
    """The run with what stands before and after it and is the same work."""
    same = set(name[first : first + period].tolist())

    def goes_on(here: int, there: int) -> bool:
        if not 0 <= there < len(name) or thread[there] != thread[here] or int(name[there]) not in same:
            return False
        return bool(is_fill[here]) or name[here] != name[there]

    while goes_on(first, first - 1):
        first -= 1
    while goes_on(last, last + 1):
        last += 1
    return first, last
