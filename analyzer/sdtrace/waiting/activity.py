"""What a host thread was doing, with the name to blame for it."""

from __future__ import annotations

import re
from typing import Any, Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from sdtrace.attribution.event_selection import named_like
from sdtrace.attribution.linked_trace import LinkedTrace
from sdtrace.intervals import Bools, Int64s, Intervals, union
from sdtrace.phases.silence import loader_calls
from sdtrace.reader.categories import LAUNCHES

LONG_CALL_NS: Final = 1_000_000
"""A runtime call of this length is worth a name of its own; a launch takes some microseconds."""
MEMORY_CALL: Final = re.compile(
    r"^(?:cuda|hip)(?:Ext)?(?:Malloc|Free|Host(?:Alloc|Malloc|Free|Register|Unregister)|MemGetInfo|MemPool)"
    r"|^(?:cu|hip)Mem(?!cpy|set|Advise|Prefetch)"
    r"|^(?:ur|pi|zes?)\w*?(?:USM\w*?(?:Alloc|Free)|MemAlloc\w*|MemFree)"
)
_FREE: Final = re.compile(r"Free|Release|Unmap")
_COLLECTION: Final = re.compile(
    r"built-in (?:function|method) (?:gc\.)?collect\b|^gc(?:[.:(]|$)|\bgc_(?:collect|callback)|[\\/]gc\.py\("
    r"|^Python GC$|[Gg]arbage[ _-]?[Cc]ollect"
)
"""`Python GC` is what torch records itself (`record_python_gc_info`)."""
_OP: Final = re.compile(r"^aten::")


class Activity(NamedTuple):
    """Spans of one kind of doing by start, int64 nanoseconds; `name` (numbers) says what to blame each on."""

    start_ns: Int64s
    end_ns: Int64s
    name: Int64s

    @property
    def spans(self) -> Intervals:
        """When any of it went on."""
        return union(self.start_ns, self.end_ns)

    def blamed(self, points: Int64s) -> Int64s:
        """The name of what started last before each instant; -1 before the first."""
        place = np.searchsorted(self.start_ns, points, side="right") - 1
        return np.append(self.name, -1)[place]


def activity(start_ns: Int64s, end_ns: Int64s, name: NDArray[np.integer[Any]]) -> Activity:
    """Sorted by start, of equal starts by end and name."""
    order = np.lexsort((name, end_ns, start_ns))
    return Activity(start_ns[order], end_ns[order], name[order].astype(np.int64))


def of_events(linked: LinkedTrace, events: Int64s) -> Activity:
    """Host events (indices), each blamed on itself."""
    host = linked.host
    start = host.start_ns[events]
    return activity(start, start + host.dur_ns[events], host.name[events])


def memory_calls(linked: LinkedTrace) -> Int64s:
    """Calls (host events) that get memory from the driver or give it back, on launching threads."""
    return on_launching_threads(linked, named_like(linked, MEMORY_CALL, set(LAUNCHES)))


def is_free(linked: LinkedTrace, events: Int64s) -> Bools:
    """Which of the host events, all memory calls, give memory back."""
    frees: Bools = linked.trace.names_matching(_FREE)[linked.host.name[events]]
    return frees


def long_calls(linked: LinkedTrace) -> Int64s:
    """Runtime and driver calls (host events) of 1 ms and more, whichever they are, on launching threads."""
    long = (linked.host.dur_ns >= LONG_CALL_NS) & linked.trace.in_categories(LAUNCHES)[linked.host.row]
    return on_launching_threads(linked, np.flatnonzero(long))


def collections(linked: LinkedTrace) -> Int64s:
    """Garbage collections (host events) that the trace names, on launching threads."""
    events = named_like(linked, _COLLECTION, {"python_function", "cpu_op", "user_annotation"})
    return on_launching_threads(linked, events)


def data_waits(linked: LinkedTrace) -> Int64s:
    """Calls of a data loader (host events) on launching threads: others fetch ahead and hold up nobody."""
    return on_launching_threads(linked, loader_calls(linked))


def on_launching_threads(linked: LinkedTrace, events: Int64s) -> Int64s:
    """Those of the host events whose thread launches work, by the file or by the op they belong to."""
    return events[linked.is_on_launching_thread[events]]


def asking_ops(linked: LinkedTrace, events: Int64s) -> Int64s:
    """The host event to blame for each of `events`: the outermost `aten::` op directly around it.

    So `.item()` is `aten::item` and not the copy inside; a call outside any op is itself.
    """
    host = linked.host
    aten = linked.trace.names_matching(_OP)
    is_aten = np.append(aten[host.name] & host.is_op, False)
    blamed, above = events.copy(), host.tree_parent[events]
    climbing = np.flatnonzero(is_aten[above])
    while climbing.size:
        blamed[climbing] = above[climbing]
        above[climbing] = host.tree_parent[above[climbing]]
        climbing = climbing[is_aten[above[climbing]]]
    return blamed
