"""First-call cost: ops that took many times what the same op takes otherwise.

The first call of an op loads its module, builds a cuDNN or cuBLAS plan or grows a memory pool. No
event says so, hence the comparison with the op's own median and, where there are later iterations,
with its slowest call in these. One with arguments that another call as slow has too was not slow for
being the first. The factors and the excess below which nothing is claimed are ours,
chosen so that no op of the steady reference traces is taken for one.

An op in which the driver starts is one without any comparison: nothing ran on the device before.
"""

from __future__ import annotations

import re
from typing import Final, NamedTuple

import numpy as np

from sdtrace.attribution.event_selection import named_like, outermost
from sdtrace.attribution.host import HostEvents
from sdtrace.attribution.linked_trace import LinkedTrace
from sdtrace.attribution.nesting import Int32s
from sdtrace.intervals import Bools, Int64s, Intervals, contains, covered, union
from sdtrace.reader.categories import LAUNCHES

_TIMES_MEDIAN: Final = 10
_TIMES_LATER: Final = 2
_MIN_EXCESS_NS: Final = 5_000_000
_MIN_CALLS: Final = 4
_STARTS_NS: Final = 100_000_000
_LAUNCH: Final = re.compile(r"Launch|Enqueue")
_BLOCKING: Final = re.compile(r"Synchronize|Memcpy(?!.*Peer)|EventQuery")


class FirstCalls(NamedTuple):
    """Outermost ops that were slow once: host event index, excess over the median in nanoseconds."""

    event: Int64s
    excess_ns: Int64s

    def spans(self, host: HostEvents) -> Intervals:
        """When they ran."""
        start = host.start_ns[self.event]
        return union(start, start + host.dur_ns[self.event])


def find_first_calls(linked: LinkedTrace, overhead: Intervals, before_ns: int) -> FirstCalls:
    """Slow first calls that start before `before_ns` and outside `overhead` (compile and the like).

    Overhead inside a call, and time spent waiting for the device, are not counted as its own.
    """
    host = linked.host
    ops = _ops(linked)
    ops = outermost(linked, ops[~contains(overhead, host.start_ns[ops])])
    if not ops.size:
        return FirstCalls(ops, ops)
    start = host.start_ns[ops]
    busy = host.dur_ns[ops] - covered(overhead, start, start + host.dur_ns[ops]) - _waiting_ns(linked)[ops]
    median, later = _medians(host.name[ops], busy), _slowest_since(before_ns, host.name[ops], start, busy)
    excess = busy - median
    slow = (excess > _MIN_EXCESS_NS) & (busy > _TIMES_MEDIAN * median) & (busy > _TIMES_LATER * later)
    slow &= busy > _TIMES_LATER * _slowest_like_it(linked.trace.args[host.row[ops]], host.name[ops], busy)
    started = _starting_ns(linked)[ops]
    excess = np.maximum(excess, started)
    slow = (slow | (started > 0)) & (start < before_ns)
    return FirstCalls(ops[slow], excess[slow].astype(np.int64))


def _ops(linked: LinkedTrace) -> Int64s:
    """Ops: `namespace::name`, and Triton kernels' launchers."""
    names = linked.trace.names
    like_op = np.array(["::" in name or name.startswith("triton_") for name in names], np.bool_)
    is_op: Bools = linked.trace.in_categories({"cpu_op"})[linked.host.row] & like_op[linked.host.name]
    return np.flatnonzero(is_op)


def _waiting_ns(linked: LinkedTrace) -> Int64s:
    """Per host event the time of blocking runtime calls within it, at any depth below an outermost op."""
    calls = named_like(linked, _BLOCKING, set(LAUNCHES))
    return _summed_above(linked, calls)


def _starting_ns(linked: LinkedTrace) -> Int64s:
    """Per host event the time of calls within it in which the driver starts.

    They are runtime calls of 100 ms and more before anything ran on the device; a launch may take so long
    for other reasons, and a call that waits does.
    """
    host, trace = linked.host, linked.trace
    first = trace.start_ns[linked.work.row].min(initial=np.iinfo(np.int64).max)
    if not linked.work.row.size:
        return np.zeros(len(host), np.int64)
    is_long = (host.dur_ns >= _STARTS_NS) & (host.start_ns + host.dur_ns <= first)
    calls = np.flatnonzero(is_long & trace.in_categories(LAUNCHES)[host.row])
    is_other = trace.names_matching(_BLOCKING) | trace.names_matching(_LAUNCH)
    return _summed_above(linked, calls[~is_other[host.name[calls]]])


def _summed_above(linked: LinkedTrace, calls: Int64s) -> Int64s:
    """Per host event the time of those of the calls that lie in it, at any depth."""
    host = linked.host
    result = np.zeros(len(host), np.int64)
    at, lasted = host.tree_parent[calls], host.dur_ns[calls]
    while (inside := at >= 0).any():
        at, lasted = at[inside], lasted[inside]
        np.add.at(result, at, lasted)
        at = host.tree_parent[at]
    return result


def _slowest_since(instant: int, group: Int32s, start: Int64s, values: Int64s) -> Int64s:
    """For each value the largest of its group among those that start at `instant` or later, else 0."""
    names, which = np.unique(group, return_inverse=True)
    largest = np.zeros(len(names), np.int64)
    since = start >= instant
    np.maximum.at(largest, which[since], values[since])
    slowest: Int64s = largest[which]
    return slowest


def _slowest_like_it(args: Int32s, name: Int32s, values: Int64s) -> Int64s:
    """For each value the largest other one of the same name and arguments; 0 where none are recorded."""
    result = np.zeros(len(values), np.int64)
    known = np.flatnonzero(args >= 0)
    order = known[np.lexsort((values[known], args[known], name[known]))]
    same = np.append((np.diff(name[order]) == 0) & (np.diff(args[order]) == 0), False)[: len(order)]
    last = np.flatnonzero(~same)
    top = last[np.searchsorted(last, np.arange(len(order)))]
    is_top = top == np.arange(len(order))
    second = np.append(False, same[:-1])
    result[order] = np.where(is_top, np.where(second, values[order][top - 1], 0), values[order][top])
    return result


def _medians(group: Int32s, values: Int64s) -> Int64s:
    """For each value the median of its group; the value itself in groups too small to tell."""
    order = np.lexsort((values, group))
    _, first, inverse, counts = np.unique(
        group[order], return_index=True, return_inverse=True, return_counts=True
    )
    middle = values[order][first + counts // 2]
    result = np.empty(len(values), np.int64)
    result[order] = np.where(counts[inverse] >= _MIN_CALLS, middle[inverse], values[order])
    return result
