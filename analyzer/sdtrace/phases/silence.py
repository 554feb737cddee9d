"""Silence of the host: time without any op or runtime call, and what explains it.

A data loader's annotation explains it, and so does a Python frame (`with_stack`) or an annotation in which no
op runs. What none of these explains is a stall when it lasts more than 100 ms.
"""

from __future__ import annotations

import re
from collections.abc import Collection
from typing import Final

import numpy as np

from sdtrace.attribution.earlier_work import earlier_work
from sdtrace.attribution.event_selection import OLD_ANNOTATION, named_like, of_categories, outermost
from sdtrace.attribution.linked_trace import LinkedTrace
from sdtrace.intervals import Bools, Int64s, Intervals, contains_any, join, subtract, union
from sdtrace.reader.categories import DEVICE, HOST, LAUNCHES

STALL_NS: Final = 100_000_000
"""Silence below this is no phase of its own."""
_SILENCE_NS: Final = 5_000_000
"""Silence below this is taken for ordinary Python between ops."""
_FRAME_NS: Final = 1_000_000
"""Python frames below this are ordinary Python between ops, too."""
_DATA: Final = re.compile(r"^enumerate\((?:DataLoader|DataPipe)\)|dataloader\.py\(\d+\): __next__$")
_SAID_TO_LOAD: Final = re.compile(
    r"dataloader_next|^(?:(?:train|val|valid|test)[ _]?)?data[ _-]?loader(?:[ ._]\w+)?$"
    r"|^(?:(?:next|get|load|fetch|read|prefetch|wait(?:ing)?)[ _-]?(?:for[ _-])?)+(?:the[ _-])?(?:next[ _-])?"
    r"(?:mini[ _-]?)?(?:batch(?:es)?|data|samples?)[ _#:-]*\d*$"
    r"|^(?:data|batch|input)[ _-]?(?:load(?:er|ing)?|(?:pre)?fetch(?:ing)?|wait(?:ing)?|next|time)"
    r"[ _#:-]*\d*$",
    re.IGNORECASE,
)
"""What people and Lightning call it."""
_LOCK: Final = re.compile(
    r"\b(?:acquire|__enter__)'? of '?(?:_thread|_multiprocessing|threading)\.\w*(?:[Ll]ock|Semaphore)"
    r"|threading\.py\(\d+\): (?:wait|wait_for|join|acquire|__enter__|_wait_for_tstate_lock)$"
    r"|queues?\.py\(\d+\): (?:get|put|join)$|futures[/\\]+_base\.py\(\d+\): (?:result|wait|exception)$"
    r"|^(?:wait(?:ing)?[ _-]?(?:for[ _-])?|acquir(?:e|ing)[ _-]?)(?:the[ _-])?(?:\w+[ _-])?"
    r"(?:lock|mutex|semaphore)\b"
    r"|^(?:lock|mutex|semaphore)[ _.-]?(?:wait|acquire)",
    re.IGNORECASE,
)
_STEP: Final = re.compile(r"^ProfilerStep")
_KERNEL: Final = re.compile(r"LaunchKernel|GraphLaunch")
_SAYS_LITTLE: Final = frozenset({"user_annotation", "python_function"})


def stalls(linked: LinkedTrace) -> Intervals:
    """More than 100 ms without any op, runtime call or device work, and nothing that explains it.

    Work from before the profile explains it too.
    """
    trace = linked.trace
    counts = trace.in_categories((HOST | DEVICE) - _SAYS_LITTLE - {"gpu_user_annotation"})
    rows = np.flatnonzero(counts & ~_within_others(linked, counts))
    if not rows.size:
        return Intervals(rows, rows)
    busy = union(trace.start_ns[rows], trace.end_ns[rows])
    gaps = longer(subtract(union(busy.start[:1], busy.end[-1:]), busy), STALL_NS)
    if not gaps.start.size:
        return gaps
    return longer(subtract(gaps, join(explained(linked), earlier_work(linked).spans)), STALL_NS)


def _within_others(linked: LinkedTrace, counts: Bools) -> Bools:
    """Which events of the trace lie within one of those that count: most do."""
    host = linked.host
    parent = host.tree_parent
    found = np.zeros(len(counts), np.bool_)
    found[host.row] = (parent >= 0) & counts[host.row][parent]
    return found


def long_silence(linked: LinkedTrace, within: Intervals) -> Intervals:
    """Parts of `within` of more than `_SILENCE_NS` in which no thread ran an op or a runtime call."""
    within = longer(within, _SILENCE_NS)
    if not within.start.size:
        return within
    host = linked.host
    end = host.start_ns + host.dur_ns
    near = np.searchsorted(within.end, host.start_ns, "right") < np.searchsorted(within.start, end, "left")
    events = of_categories(linked, np.flatnonzero(near), set(HOST - _SAYS_LITTLE))
    return longer(subtract(within, union(host.start_ns[events], end[events])), _SILENCE_NS)


def explained(linked: LinkedTrace) -> Intervals:
    """When the host was in a data loader, or in a Python frame or an annotation without ops."""
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
    """Python functions and annotations of 1 ms and more in which no op or runtime call starts; the outermost.

    Of threads that launch work, and neither may any of these threads do anything meanwhile: a frame that
    waits for the backward pass on another thread is not quiet.
    """
    return outermost(linked, _quiet(linked))


def lock_waits(linked: LinkedTrace) -> Int64s:
    """Quiet functions and annotations (host events) that wait for another thread; the outermost of them."""
    events = named_like(linked, _LOCK, set(_SAYS_LITTLE))
    return outermost(linked, np.intersect1d(events, _quiet(linked))) if events.size else events


def work_on_cpu(linked: LinkedTrace) -> Int64s:
    """Ops (host events) of 1 ms and more in which nothing is launched; the outermost of them.

    What is computed on the CPU, on a thread that launches other work. None of these threads launches
    anything meanwhile.
    """
    host = linked.host
    ops = of_categories(linked, np.flatnonzero(host.dur_ns >= _FRAME_NS), {"cpu_op"})
    ops = ops[~linked.trace.names_matching(OLD_ANNOTATION)[host.name[ops]]]
    return outermost(linked, _idle_in(linked, ops, LAUNCHES))


def _quiet(linked: LinkedTrace) -> Int64s:
    host = linked.host
    frames = of_categories(linked, np.flatnonzero(host.dur_ns >= _FRAME_NS), set(_SAYS_LITTLE))
    frames = frames[~linked.trace.names_matching(_STEP)[host.name[frames]]]
    return _idle_in(linked, frames, LAUNCHES | {"cpu_op"})


def _idle_in(linked: LinkedTrace, events: Int64s, categories: Collection[str]) -> Int64s:
    """Those of the host events on launching threads in which no such thread starts an event of `categories`.

    Nor an op that has work: old traces show no launch.
    """
    if not events.size:
        return events
    host, launching = linked.host, linked.is_on_launching_thread
    doing = linked.trace.in_categories(categories)[host.row]
    doing[linked.work.op[linked.work.op >= 0]] = True
    start = host.start_ns[doing & launching]
    asked = events[launching[events]]
    first = np.searchsorted(start, host.start_ns[asked], "left")
    last = np.searchsorted(start, host.start_ns[asked] + host.dur_ns[asked], "left")
    found: Int64s = asked[first == last]
    return found


def longer(intervals: Intervals, than_ns: int) -> Intervals:
    """Those of the intervals that are longer."""
    long = intervals.end - intervals.start > than_ns
    return Intervals(intervals.start[long], intervals.end[long])
