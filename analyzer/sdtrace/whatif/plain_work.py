"""Host work that the profiler does not slow down: a data loader, and long computation on the CPU.

Garbage collection is such work too, as is a long loop of Python that calls nothing, and what the driver does
for memory.
"""

from __future__ import annotations

from typing import Final

import numpy as np

from sdtrace.attribution.linked_trace import LinkedTrace
from sdtrace.attribution.nesting import Int64s
from sdtrace.intervals import Bools, Intervals, contains, covered, join
from sdtrace.phases.silence import loader_calls, spans_of
from sdtrace.waiting.activity import memory_calls
from sdtrace.whatif.plan import Plan

_LONG_NS: Final = 200_000
"""An op or function without others inside that takes so long computes: recording it costs a hundredth."""
_SOME: Final = 0.1
"""A thread that makes a smaller share of the launches is no second pass."""


def plain_work(linked: LinkedTrace, start_ns: int, end_ns: int) -> Intervals:
    """When the host was in a data loader, got or gave back memory, or computed, between two instants."""
    host = linked.host
    first, last = np.searchsorted(host.start_ns, (start_ns, end_ns))
    known = np.union1d(loader_calls(linked), memory_calls(linked))
    known = known[(known >= first) & (known < last)]
    long = np.flatnonzero(host.self_ns[first:last] >= _LONG_NS) + first
    mine = linked.is_on_launching_thread[long]
    computing = long[mine & linked.trace.in_categories({"cpu_op", "python_function"})[host.row[long]]]
    parents = np.unique(host.tree_parent[first:last])
    return join(spans_of(linked, known), spans_of(linked, np.setdiff1d(computing, parents)))


def within(spans: Intervals, instants: Int64s) -> Bools:
    """Which instants lie in the spans."""
    return contains(spans, instants) if spans.start.size else np.zeros(len(instants), np.bool_)


def plain_gaps(linked: LinkedTrace, plan: Plan, start_ns: int, end_ns: int) -> Int64s:
    """How much of the gap before each call of a plan such work takes, in nanoseconds."""
    spans = plain_work(linked, start_ns, end_ns)
    start = linked.host.start_ns[plan.calls.event]
    return covered(spans, start - plan.calls.gap_ns, start)


def is_training(linked: LinkedTrace, start_ns: int, end_ns: int) -> bool:
    """Whether two threads launch work in turn: the second is autograd's."""
    host, launch = linked.host, linked.work.launch
    called = linked.trace.start_ns[launch[launch >= 0]]
    rows = launch[launch >= 0][(called >= start_ns) & (called < end_ns)]
    _, counts = np.unique(linked.trace.thread[rows], return_counts=True)
    return bool(host.row.size) and int((counts >= _SOME * max(1, counts.sum())).sum()) > 1
