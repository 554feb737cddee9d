"""Silence of the host: time without any op or runtime call, and what explains it.

A data loader's annotation explains it, and so does a Python frame (`with_stack`) in which no op runs. What
neither explains is a stall when it lasts more than 100 ms.
"""

from __future__ import annotations

import re
from typing import Final

import numpy as np

from sdtrace.attribution.event_selection import named_like, of_categories, outermost
from sdtrace.attribution.linked_trace import LinkedTrace
from sdtrace.intervals import Bools, Int64s, Intervals, contains_any, join, subtract, union
from sdtrace.reader.categories import DEVICE, HOST, LAUNCHES

STALL_NS: Final = 100_000_000
"""Silence below this is taken for ordinary Python between ops."""
_FRAME_NS: Final = 1_000_000
"""Python frames below this are ordinary Python between ops, too."""
_DATA: Final = re.compile(r"^enumerate\(DataLoader\)|dataloader\.py\(\d+\): __next__$")
_SAID_TO_LOAD: Final = re.compile(
    r"dataloader_next|^(?:(?:train|val|valid|test)[ _]?)?data[ _-]?loader(?:[ ._]\w+)?$"
    r"|^(?:(?:next|get|load|fetch|read|prefetch|wait(?:ing)?)[ _-]?(?:for[ _-])?)+(?:the[ _-])?(?:next[ _-])?"
    r"(?:mini[ _-]?)?(?:batch(?:es)?|data|samples?)[ _#:-]*\d*$"
    r"|^(?:data|batch|input)[ _-]?(?:load(?:er|ing)?|(?:pre)?fetch(?:ing)?|wait(?:ing)?|next|time)"
    r"[ _#:-]*\d*$",
    re.IGNORECASE,
)
"""What people and Lightning call it."""
_KERNEL: Final = re.compile(r"LaunchKernel|GraphLaunch")
_SAYS_LITTLE: Final = frozenset({"user_annotation", "python_function"})


def stalls(linked: LinkedTrace) -> Intervals:
    """More than 100 ms without any op, runtime call or device work, and nothing that explains it."""
    trace = linked.trace
    counts = trace.in_categories((HOST | DEVICE) - _SAYS_LITTLE - {"gpu_user_annotation"})
    rows = np.flatnonzero(counts & ~_within_others(linked, counts))
    if not rows.size:
        return Intervals(rows, rows)
    busy = union(trace.start_ns[rows], trace.end_ns[rows])
    gaps = _long(subtract(union(busy.start[:1], busy.end[-1:]), busy))
    return _long(subtract(gaps, explained(linked))) if gaps.start.size else gaps


def _within_others(linked: LinkedTrace, counts: Bools) -> Bools:
    """Which events of the trace lie within one of those that count: most do."""
    host = linked.host
    parent = host.tree_parent
    found = np.zeros(len(counts), np.bool_)
    found[host.row] = (parent >= 0) & counts[host.row][parent]
    return found


def long_silence(linked: LinkedTrace, within: Intervals) -> Intervals:
    """Parts of `within` of more than `STALL_NS` in which no thread ran an op or a runtime call."""
    within = _long(within)
    if not within.start.size:
        return within
    host = linked.host
    end = host.start_ns + host.dur_ns
    near = np.searchsorted(within.end, host.start_ns, "right") < np.searchsorted(within.start, end, "left")
    events = of_categories(linked, np.flatnonzero(near), set(HOST - _SAYS_LITTLE))
    return _long(subtract(within, union(host.start_ns[events], end[events])))


def explained(linked: LinkedTrace) -> Intervals:
    """When the host was in a data loader or in a Python frame without ops."""
    return join(*(spans_of(linked, events) for events in (loader_calls(linked), quiet_frames(linked))))


def spans_of(linked: LinkedTrace, events: Int64s) -> Intervals:
    """When any of the host events (indices) ran."""
    start = linked.host.start_ns[events]
    return union(start, start + linked.host.dur_ns[events])


def loader_calls(linked: LinkedTrace) -> Int64s:
    """Host events (indices) in which the next batch is fetched.

    torch's own marks, and annotations that say so and launch no kernel.
    """
    own = named_like(linked, _DATA, {"cpu_op", "user_annotation", "python_function"})
    said = named_like(linked, _SAID_TO_LOAD, {"user_annotation"})
    if not said.size:
        return own
    launches = named_like(linked, _KERNEL, set(LAUNCHES))
    return np.union1d(own, said[~_hold(linked, said, launches)])


def _hold(linked: LinkedTrace, spans: Int64s, events: Int64s) -> Bools:
    """In which of the spans one of the events starts on the same thread; both are host events, by time."""
    host = linked.host
    result = np.zeros(len(spans), np.bool_)
    for thread in np.unique(host.thread[spans]).tolist():
        mine = host.thread[spans] == thread
        start = host.start_ns[spans[mine]]
        points = host.start_ns[events[host.thread[events] == thread]]
        result[mine] = contains_any(points, start, start + host.dur_ns[spans[mine]])
    return result


def quiet_frames(linked: LinkedTrace) -> Int64s:
    """Python functions of 1 ms and more in which no op and no runtime call starts; the outermost of them.

    Of threads that launch work, and neither may any of these threads do anything meanwhile: a frame that
    waits for the backward pass on another thread is not quiet.
    """
    host, trace = linked.host, linked.trace
    frames = of_categories(linked, np.flatnonzero(host.dur_ns >= _FRAME_NS), {"python_function"})
    if not frames.size:
        return frames
    frames = frames[linked.is_on_launching_thread[frames]]
    doing = trace.in_categories(LAUNCHES | {"cpu_op"})[host.row] & linked.is_on_launching_thread
    start = host.start_ns[doing]
    first = np.searchsorted(start, host.start_ns[frames], "left")
    last = np.searchsorted(start, host.start_ns[frames] + host.dur_ns[frames], "left")
    return outermost(linked, frames[first == last])


def _long(intervals: Intervals) -> Intervals:
    long = intervals.end - intervals.start > STALL_NS
    return Intervals(intervals.start[long], intervals.end[long])
