"""Autotune without spans: a benchmark's own pattern in the order of device work.

Inductor's benchmarker fills a buffer to flush the L2 cache, runs the candidate kernel, and repeats
this many times. Old versions and other tools leave no span around it, but nothing else alternates so.
"""

from __future__ import annotations

from typing import Final

import numpy as np

from sdtrace.attribution.op_table import Attribution
from sdtrace.phases.intervals import Intervals, contains, nothing, union

_MIN_REPEATS: Final = 8


def unmarked_autotune(told: Attribution, known: Intervals) -> Intervals:
    """Host time from first to last launch of each run of (fill, same kernel) x 8 or more, outside `known`."""
    trace, work = told.trace, told.work
    launched = np.flatnonzero(work.launch >= 0)
    launch = work.launch[launched]
    outside = ~contains(known, trace.start_ns[launch])
    launch, row = launch[outside], work.row[launched][outside]
    order = np.lexsort((trace.start_ns[launch], trace.thread[launch]))
    launch, row = launch[order], row[order]
    if len(row) < 2 * _MIN_REPEATS:
        return nothing()
    is_fill_name = np.array(
        ["FillFunctor" in name or name.startswith("Memset") for name in trace.names], np.bool_
    )
    is_fill, name, thread = is_fill_name[trace.name[row]], trace.name[row], trace.thread[launch]
    repeats = (name[2:] == name[:-2]) & (is_fill[2:] != is_fill[1:-1]) & (thread[2:] == thread[:-2])
    edges = np.flatnonzero(np.diff(np.concatenate(([0], repeats.astype(np.int8), [0]))))
    begin, stop = edges[::2], edges[1::2]
    long = stop - begin >= 2 * _MIN_REPEATS - 2
    return union(trace.start_ns[launch[begin[long]]], trace.end_ns[launch[stop[long] + 1]])
