"""Events that Perfetto would drop: it draws a track as a tree, and some events overlap their neighbours.

Kernels overlap by nanoseconds on one stream, Python's view of an annotation by microseconds with
torch's, and compiler spans with dispatch modes. Such an event keeps its times and moves to a track
beside its own.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from sdtrace.intervals import Bools, Int64s
from sdtrace.trace import Trace


class Misfit(NamedTuple):
    """An event to be moved: its track and times (nanoseconds) in the file, and to which lane (1, 2, …)."""

    tid: str
    start_ns: int
    dur_ns: int
    lane: int


def find_misfits(trace: Trace) -> list[Misfit]:
    """The events that do not nest on their track, in the order of the file.

    Of two that overlap the shorter moves. Lanes are filled in order, so that nothing overlaps there.
    """
    lanes = _lanes(trace)
    rows = np.flatnonzero(lanes)
    tids = [str(trace.threads[thread].tid) for thread in trace.thread[rows].tolist()]
    columns = (trace.start_ns[rows] + trace.origin_ns, trace.dur_ns[rows], lanes[rows])
    return [Misfit(*item) for item in zip(tids, *(column.tolist() for column in columns), strict=True)]


def _lanes(trace: Trace) -> Int64s:
    """The lane of every event; 0 is its own track."""
    start_ns = trace.start_ns + trace.origin_ns
    return find_lanes(trace.thread.astype(np.int64), start_ns, trace.dur_ns)


def find_lanes(track: Int64s, start_ns: Int64s, dur_ns: Int64s) -> Int64s:
    """The lane of each event of `track`, so that all nest as Perfetto reads them; 0 is the track itself."""
    return _lanes_of(track, *_as_perfetto_reads(start_ns, dur_ns))


def find_exact_lanes(track: Int64s, start_ns: Int64s, dur_ns: Int64s) -> Int64s:
    """The same where times are read to the nanosecond, as those of Perfetto's own format are."""
    return _lanes_of(track, start_ns, start_ns + dur_ns)


def _lanes_of(track: Int64s, start: Int64s, end: Int64s) -> Int64s:
    lane = np.zeros(len(start), np.int64)
    number, left = 0, np.arange(len(start))
    while left.size:
        order = np.lexsort((-end[left], start[left], track[left]))
        left = left[order]
        left = left[_misfits(track[left], start[left], end[left])]
        number += 1
        lane[left] = number
    return lane


def _as_perfetto_reads(start_ns: Int64s, dur_ns: Int64s) -> tuple[Int64s, Int64s]:
    """Start and end in nanoseconds as Perfetto has them: it reads microseconds into a double.

    Whole ones stay exact. Others lose digits, in traces with stamps of absolute time up to 256 ns.
    """
    whole, fraction = np.divmod(start_ns, 1000)
    value = whole + fraction / 1000
    exact = value == np.floor(value)
    start = np.where(exact, value.astype(np.int64) * 1000, (value * 1000).astype(np.int64))
    return start, start + dur_ns


def _misfits(thread: Int64s, start: Int64s, end: Int64s) -> Bools:
    """Which of the events, sorted by thread, start and falling end, must go so that the others nest."""
    misfit = np.zeros(len(start), np.bool_)
    open_events: list[int] = []
    threads, starts, ends = thread.tolist(), start.tolist(), end.tolist()
    for event, (number, begin, stop) in enumerate(zip(threads, starts, ends, strict=True)):
        while open_events and (threads[open_events[-1]] != number or ends[open_events[-1]] <= begin):
            open_events.pop()
        while open_events and ends[open_events[-1]] < stop:
            other = open_events[-1]
            if ends[other] - starts[other] > stop - begin:
                misfit[event] = True
                break
            misfit[open_events.pop()] = True
        if not misfit[event]:
            open_events.append(event)
    return misfit
