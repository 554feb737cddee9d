"""When device work was launched, from which thread, and when it was with the device."""

from __future__ import annotations

import re
from typing import Final, NamedTuple

import numpy as np

from sdtrace.attribution.linked_trace import LinkedTrace
from sdtrace.attribution.nesting import Int32s
from sdtrace.intervals import Bools, Int64s
from sdtrace.reader.categories import LAUNCHES

_BREAK_NS: Final = 50_000
"""Work that is queued follows the piece before within some microseconds."""
_CAN_LAUNCH: Final = LAUNCHES | {"cpu_op", "user_annotation"}
_NEVER: Final = np.iinfo(np.int64).max
_WAIT: Final = re.compile(r"^(?:cuda|hip|cu)(?:Device|Stream|Ctx)Synchronize")


class LaunchTimes(NamedTuple):
    """One element per piece of device work, in the order of `Attribution.work`.

    `called_ns` is the instant work belongs to: the start of its launch call. Where the trace does not hold
    the call, `is_known` is False and `thread` -1, and it is the latest that it can be: its own start, or
    before the next known call of its stream, which runs in order. What was queued before the first known
    call of its stream, as some work must have been that runs after it, was launched before the profile
    began, and so was what runs without a break from a piece that began before all that can launch, and what
    comes first on its stream where the host does nothing until then but wait for the device: then it is -1.
    `submitted_ns` is when the device had it: the call's end, or the first start among the call's work if
    that was sooner.
    """

    called_ns: Int64s
    submitted_ns: Int64s
    thread: Int64s
    is_known: Bools


def launch_times(linked: LinkedTrace) -> LaunchTimes:
    """Look up the launch of all device work."""
    trace, work = linked.trace, linked.work
    start = trace.start_ns[work.row]
    is_known = work.launch >= 0
    called, submitted = start.copy(), start.copy()
    thread = np.full(len(start), -1, np.int64)
    known = np.flatnonzero(is_known)
    launch = work.launch[known]
    if len(known) < len(is_known):
        called[~is_known] = _latest_calls(linked, is_known)
    called[known] = np.minimum(trace.start_ns[launch], start[known])
    submitted[known] = np.minimum(trace.end_ns[launch], _first_of_launch(launch, start[known]))
    # torch files a call that is linked to no op under the profiler's thread; the file knows better.
    threads = trace.thread.copy()
    threads[linked.host.row] = linked.host.thread
    thread[known] = np.where(trace.external_id[launch] > 0, threads[launch], trace.thread[launch])
    return LaunchTimes(called, np.maximum(submitted, called), thread, is_known)


def _latest_calls(linked: LinkedTrace, is_known: Bools) -> Int64s:
    """For each piece of work of unknown launch the latest instant at which it can have been launched."""
    trace, row = linked.trace, linked.work.row
    called = trace.start_ns[linked.work.launch]
    # Of equal starts the shortest first, for the order in the file must not matter.
    order = np.lexsort((called, is_known, trace.end_ns[row], trace.start_ns[row], trace.thread[row]))
    start, end, stream = trace.start_ns[row[order]], trace.end_ns[row[order]], trace.thread[row[order]]
    call = called[order]
    known = np.flatnonzero(is_known[order])
    place = np.searchsorted(known, np.arange(len(order)))
    before, after = np.append(-1, known)[place], np.append(known, -1)[place]
    is_followed = (after >= 0) & (stream[after] == stream)
    is_first = is_followed & ~((before >= 0) & (stream[before] == stream))
    has_waited = is_followed & (call[after] <= start) & ~is_known[order]
    latest = np.where(has_waited, call[after] - 1, start)
    host = linked.host
    first_call = host.start_ns[trace.in_categories(_CAN_LAUNCH)[host.row]].min(initial=_NEVER)
    is_queued = np.isin(after, after[is_first & has_waited]) | _on_from(first_call, start, end, stream)
    latest[is_first & (is_queued | (start < _waited_until(linked)))] = -1
    result = np.empty_like(latest)
    result[order] = latest
    return result[~is_known]


def _on_from(instant: int, start: Int64s, end: Int64s, stream: Int32s) -> Bools:
    """Which pieces, given by stream and start, run without a break from one that began before an instant."""
    is_break, opens = np.zeros(len(start), np.bool_), np.ones(len(start), np.bool_)
    opens[1:] = np.diff(stream) != 0
    is_break[1:] = start[1:] - end[:-1] > _BREAK_NS
    breaks = np.cumsum(is_break & ~opens)
    first = np.flatnonzero(opens)[np.cumsum(opens) - 1]
    found: Bools = (breaks == breaks[first]) & (start[first] < instant)
    return found


def _waited_until(linked: LinkedTrace) -> int:
    """When the call returns that waits for the device before the host does anything else; 0 without one."""
    trace = linked.trace
    rows = trace.rows({*LAUNCHES, "cpu_op"})
    if not rows.size or len(np.unique(trace.process_of(rows))) > 1:
        return 0
    first = rows[np.argmin(trace.start_ns[rows])]
    return int(trace.end_ns[first]) if _WAIT.search(trace.names[trace.name[first]]) else 0


def _first_of_launch(launch: Int64s, start: Int64s) -> Int64s:
    """For each piece of work the earliest start among those of its launch."""
    if not launch.size:
        return start
    order = np.argsort(launch, kind="stable")
    opens = np.append(True, np.diff(launch[order]) != 0)
    earliest = np.minimum.reduceat(start[order], np.flatnonzero(opens))
    result = np.empty_like(start)
    result[order] = earliest[np.cumsum(opens) - 1]
    return result
