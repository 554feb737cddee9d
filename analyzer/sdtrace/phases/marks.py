"""Spans that a name marks on the host: which events, and which of them are outermost."""

from __future__ import annotations

import re
from typing import Final

import numpy as np

from sdtrace.attribution.op_table import Attribution
from sdtrace.phases.intervals import Bools, Int64s

COMPILED_REGION: Final = re.compile(r"^(?:Torch-Compiled Region|## Call CompiledFxGraph|CompiledFunction$)")
"""A call of compiled code, as torch 2.1 to 2.13 marks it."""


def named_like(told: Attribution, pattern: re.Pattern[str], categories: set[str]) -> Int64s:
    """Host events (indices) of `categories` in whose names `pattern` is found.

    Of the profiler's steps all or none, for they share a name (`ProfilerStep*`).
    """
    wanted = np.array([pattern.search(name) is not None for name in told.trace.names], np.bool_)
    if not wanted.any():
        return np.zeros(0, np.int64)
    return of_categories(told, np.flatnonzero(wanted[told.host.name]), categories)


def of_categories(told: Attribution, events: Int64s, categories: set[str]) -> Int64s:
    """Those of the host events that have one of `categories`."""
    wanted = np.array([name in categories for name in told.trace.categories], np.bool_)
    return events[wanted[told.trace.category[told.host.row[events]]]]


def outermost(told: Attribution, events: Int64s) -> Int64s:
    """Those of the host events that start inside no other of them on their thread; by thread and time.

    What is left is disjoint on each thread.
    """
    if not events.size:
        return events
    host = told.host
    start, duration, thread = host.start_ns[events], host.dur_ns[events], host.thread[events]
    order = np.lexsort((-duration, start, thread))
    # Threads one after the other on a single axis, so that a running maximum serves all.
    apart = np.cumsum(np.append(0, np.diff(thread[order]) != 0)) * int((start + duration).max() + 1)
    begin = start[order] + apart
    reach = np.maximum.accumulate(begin + duration[order])
    kept: Int64s = events[order[np.append(True, begin[1:] >= reach[:-1])]]
    return kept


def busiest_thread(told: Attribution) -> int:
    """The thread with most ops; 0 where there is no op at all."""
    threads = told.host.thread[told.host.is_op]
    return int(np.bincount(threads).argmax()) if threads.size else 0


def outermost_ops(told: Attribution, thread: int) -> Int64s:
    """Ops on `thread` that lie inside no other op, in the order of time; annotations are no ops."""
    host = told.host
    is_op: Bools = told.trace.in_categories({"cpu_op"})[host.row] & (host.thread == thread)
    return outermost(told, np.flatnonzero(is_op))
