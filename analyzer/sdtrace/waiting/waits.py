"""What the host waited for: calls that return only when the device is through, and what that costs later."""

from __future__ import annotations

import re
from typing import Final

import numpy as np

from sdtrace.attribution.event_selection import named_like
from sdtrace.attribution.host import sum_by
from sdtrace.attribution.linked_trace import LinkedTrace
from sdtrace.intervals import Int64s, Intervals, union
from sdtrace.reader.categories import LAUNCHES, TO_HOST
from sdtrace.structure.iterations import Iterations
from sdtrace.waiting.activity import Activity, on_launching_threads

_BLOCKING: Final = re.compile(
    r"^(?:cuda|cu|hip)(?:(?:Stream|Device|Event|Ctx)Synchronize|Memcpy(?!\w*Async))|HostSynchronize$"
    r"|^ur(?:EventWait|QueueFinish)$"
)


def blocking_calls(linked: LinkedTrace) -> Int64s:
    """Synchronizing calls (host events), plain copies, and asynchronous copies to pageable memory.

    The last block too, and are known by returning no sooner than the copy ended. Only calls of threads
    that launch work count: others (pinning, watchdogs) wait without holding anybody up.
    """
    host, trace, work = linked.host, linked.trace, linked.work
    to_host = trace.names_matching(TO_HOST)
    copies = (work.launch >= 0) & to_host[trace.name[work.row]]
    launch = work.launch[copies]
    blocked = launch[trace.end_ns[launch] >= trace.end_ns[work.row[copies]]]
    events = named_like(linked, _BLOCKING, set(LAUNCHES))
    events = np.union1d(events, np.flatnonzero(np.isin(host.row, blocked)))
    return on_launching_threads(linked, events)


def lost_by_waiting(calls: Activity, iterations: Iterations) -> Intervals:
    """Time after blocking calls, as long as each lasted: so much earlier the host could have been here.

    Short pieces of work in between do not end it, the end of the iteration does.
    """
    place = iterations.at(calls.end_ns)
    inside = place >= 0
    start, end = calls.start_ns[inside], calls.end_ns[inside]
    return union(end, np.minimum(2 * end - start, iterations.end_ns[place[inside]]))


def time_by_name(linked: LinkedTrace, name: Int64s, lengths: Int64s) -> list[tuple[str, int]]:
    """Nanoseconds per name (a number; -1 is left out), longest first."""
    sums = sum_by(name, lengths, len(linked.trace.names))
    found = np.flatnonzero(sums)
    order = found[np.argsort(-sums[found], kind="stable")]
    return [(linked.trace.names[number], int(sums[number])) for number in order.tolist()]
