"""What the host waited for: blocking calls, data loading, and silence that nothing explains."""

from __future__ import annotations

import re
from typing import Final, NamedTuple

import numpy as np

from sdtrace.attribution.event_selection import named_like, of_categories
from sdtrace.attribution.host import sum_by
from sdtrace.attribution.linked_trace import LinkedTrace
from sdtrace.intervals import Int64s, Intervals, subtract, union
from sdtrace.reader.categories import HOST, LAUNCHES
from sdtrace.structure.iterations import Iterations

_BLOCKING: Final = re.compile(
    r"^(?:cuda|cu|hip)(?:(?:Stream|Device|Event|Ctx)Synchronize|Memcpy(?!\w*Async))|HostSynchronize$"
    r"|^ur(?:EventWait|QueueFinish)$"
)
_TO_HOST: Final = re.compile(r"DtoH|DeviceToHost")
_DATA: Final = re.compile(r"^enumerate\(DataLoader\)|dataloader\.py\(\d+\): __next__$")
_OP: Final = re.compile(r"^aten::")
_MIN_SHARE: Final = 0.01
STALL_NS: Final = 100_000_000
"""Silence below this is taken for ordinary Python between ops."""


class BlockingCalls(NamedTuple):
    """Runtime calls (host event indices, by start) that return only when the device is through."""

    event: Int64s
    start_ns: Int64s
    end_ns: Int64s


def blocking_calls(linked: LinkedTrace) -> BlockingCalls:
    """Synchronizing calls, plain copies, and asynchronous copies to pageable memory, which block too.

    The last are known by returning no sooner than the copy ended. Only calls of threads that launch
    work count: others (pinning, watchdogs) wait without holding anybody up.
    """
    host, trace, work = linked.host, linked.trace, linked.work
    to_host = trace.names_matching(_TO_HOST)
    copies = (work.launch >= 0) & to_host[trace.name[work.row]]
    launch = work.launch[copies]
    blocked = launch[trace.end_ns[launch] >= trace.end_ns[work.row[copies]]]
    events = named_like(linked, _BLOCKING, set(LAUNCHES))
    events = np.union1d(events, np.flatnonzero(np.isin(host.row, blocked)))
    launching = np.bincount(trace.thread[work.launch[work.launch >= 0]], minlength=len(trace.threads))
    counts = launching >= max(1, _MIN_SHARE * launching.sum())
    events = events[counts[trace.thread[host.row[events]]] | counts[host.thread[events]]]
    start = host.start_ns[events]
    order = np.argsort(start, kind="stable")
    return BlockingCalls(events[order], start[order], (start + host.dur_ns[events])[order])


def lost_by_waiting(calls: BlockingCalls, iterations: Iterations) -> Intervals:
    """Time after blocking calls, as long as each lasted: so much earlier the host could have been here.

    Short pieces of work in between do not end it, the end of the iteration does.
    """
    place = iterations.at(calls.end_ns)
    inside = place >= 0
    start, end = calls.start_ns[inside], calls.end_ns[inside]
    return union(end, np.minimum(2 * end - start, iterations.end_ns[place[inside]]))


def data_waits(linked: LinkedTrace) -> Intervals:
    """When the host fetched the next batch."""
    events = named_like(linked, _DATA, {"cpu_op", "user_annotation", "python_function"})
    start = linked.host.start_ns[events]
    return union(start, start + linked.host.dur_ns[events])


def long_silence(linked: LinkedTrace, within: Intervals) -> Intervals:
    """Parts of `within` of more than `STALL_NS` in which no thread ran an op or a runtime call."""
    within = _long(within)
    if not within.start.size:
        return within
    host = linked.host
    end = host.start_ns + host.dur_ns
    near = np.searchsorted(within.end, host.start_ns, "right") < np.searchsorted(within.start, end, "left")
    events = of_categories(linked, np.flatnonzero(near), set(HOST - {"user_annotation", "python_function"}))
    return _long(subtract(within, union(host.start_ns[events], end[events])))


def _long(intervals: Intervals) -> Intervals:
    long = intervals.end - intervals.start > STALL_NS
    return Intervals(intervals.start[long], intervals.end[long])


def asking_ops(linked: LinkedTrace, events: Int64s) -> Int64s:
    """The name (a number) to blame for each blocking call: the outermost `aten::` op directly around it.

    So `.item()` is `aten::item` and not the copy inside; a call outside any op is itself.
    """
    host = linked.host
    aten = linked.trace.names_matching(_OP)
    is_aten = np.append(aten[host.name] & host.is_op, False)
    blamed, above = events.copy(), host.tree_parent[events]
    while (climbing := is_aten[above]).any():
        blamed = np.where(climbing, above, blamed)
        above = np.where(climbing, host.tree_parent[above], -1)
    return host.name[blamed].astype(np.int64)


def time_by_name(linked: LinkedTrace, name: Int64s, lengths: Int64s) -> list[tuple[str, int]]:
    """Nanoseconds per name (a number; -1 is left out), longest first."""
    sums = sum_by(name, lengths, len(linked.trace.names))
    found = np.flatnonzero(sums)
    order = found[np.argsort(-sums[found], kind="stable")]
    return [(linked.trace.names[number], int(sums[number])) for number in order.tolist()]
