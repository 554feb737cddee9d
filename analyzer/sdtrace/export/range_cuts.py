"""Device ranges of a part of a trace: cut to the work that is kept."""

from __future__ import annotations

import numpy as np

from sdtrace.attribution.ranges import RANGES, range_bounds
from sdtrace.intervals import Bools, Int64s
from sdtrace.reader.categories import WORK
from sdtrace.trace import Trace


def cut_ranges(trace: Trace, kept: Bools, start: Int64s, end: Int64s) -> None:
    """Keep the ranges that hold kept work, and change the start and end of those that also hold other work.

    Arrays have one element per event, times in nanoseconds. Kineto's padding of a range is kept.
    """
    ranges, work = trace.rows(RANGES), trace.rows(WORK)
    begin, length = range_bounds(trace, ranges)
    for stream in np.unique(trace.thread[ranges]).tolist():
        mine = np.flatnonzero(trace.thread[ranges] == stream)
        own = work[trace.thread[work] == stream]
        own = own[np.argsort(trace.start_ns[own], kind="stable")]
        bounds = np.stack((begin[mine], begin[mine] + length[mine]))
        all_first, all_stop = np.searchsorted(trace.start_ns[own], bounds)
        own = own[kept[own]]
        first, stop = np.searchsorted(trace.start_ns[own], bounds)
        holds = stop > first
        kept[ranges[mine[holds]]] = True
        cut = holds & (stop - first < all_stop - all_first)
        rows, first, last = ranges[mine[cut]], own[first[cut]], own[stop[cut] - 1]
        start[rows] = np.maximum(start[rows], trace.start_ns[first] - 1)
        end[rows] = np.minimum(end[rows], trace.end_ns[last] + 1)
