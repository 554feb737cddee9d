"""Spans that a name marks on the host: which events, and which of them are outermost."""

from __future__ import annotations

import re
from typing import Final

import numpy as np

from sdtrace.attribution.linked_trace import LinkedTrace
from sdtrace.attribution.nesting import latest_end
from sdtrace.intervals import Int64s

COMPILED_REGION: Final = re.compile(r"^(?:Torch-Compiled Region|## Call CompiledFxGraph|CompiledFunction$)")
"""A call of compiled code, as torch 2.1 to 2.13 marks it."""
OLD_ANNOTATION: Final = re.compile(r"^(?:ProfilerStep|Optimizer\.\w+|enumerate\(\w+\))#")
"""torch's own annotations, which versions before 1.10 wrote with the category of ops."""


def named_like(linked: LinkedTrace, pattern: re.Pattern[str], categories: set[str]) -> Int64s:
    """Host events (indices) of `categories` in whose names `pattern` is found.

    Of the profiler's steps all or none, for they share a name (`ProfilerStep*`).
    """
    wanted = linked.trace.names_matching(pattern)
    if not wanted.any():
        return np.zeros(0, np.int64)
    return of_categories(linked, np.flatnonzero(wanted[linked.host.name]), categories)


def of_categories(linked: LinkedTrace, events: Int64s, categories: set[str]) -> Int64s:
    """Those of the host events that have one of `categories`."""
    wanted = np.array([name in categories for name in linked.trace.categories], np.bool_)
    return events[wanted[linked.trace.category[linked.host.row[events]]]]


def outermost(linked: LinkedTrace, events: Int64s) -> Int64s:
    """Those of the host events that start inside no other of them on their thread; by thread and time.

    What is left is disjoint on each thread. Of equal spans the one whose name comes first stays, so that
    the order in the file does not matter.
    """
    if not events.size:
        return events
    host = linked.host
    start, duration, thread = host.start_ns[events], host.dur_ns[events], host.thread[events]
    order = np.lexsort((_alphabetic(linked, events), -duration, start, thread))
    start, thread = start[order], thread[order]
    reach = latest_end(thread, start + duration[order])
    is_first = np.append(True, np.diff(thread) != 0)
    kept: Int64s = events[order[is_first | np.append(True, start[1:] >= reach[:-1])]]
    return kept


def _alphabetic(linked: LinkedTrace, events: Int64s) -> Int64s:
    """Each event's place among the names of all, by alphabet."""
    numbers, which = np.unique(linked.host.name[events], return_inverse=True)
    rank = np.argsort(np.argsort([linked.trace.names[number] for number in numbers.tolist()]))
    place: Int64s = rank[which]
    return place


def busiest_thread(linked: LinkedTrace) -> int:
    """The thread with most ops, of equal ones that with the lowest name; 0 where there is no op at all."""
    counts = np.bincount(linked.host.thread[linked.host.is_op])
    if not counts.size:
        return 0
    most = np.flatnonzero(counts == counts.max()).tolist()
    return int(min(most, key=lambda thread: tuple(str(part) for part in linked.trace.threads[thread])))
