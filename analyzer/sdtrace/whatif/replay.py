"""Runs a plan again: when the host gets to each call, when the device begins and ends each piece of work.

A piece begins when its launch has arrived and its stream is free. The delays were read off traces of H100s
and H200s; with them the replay of an unchanged plan gives the profiled wall within 1 %.
"""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise
from typing import Final

import numpy as np

from sdtrace.attribution.nesting import Int64s
from sdtrace.whatif.plan import Plan
from sdtrace.whatif.stretches import QUEUE, Device, Stretch, Sums, Timetable, cut

LAUNCH_NS: Final = 1_500
"""From the return of a launch call (of a graph: its start) to the start of its work on an idle stream."""
GAP_NS: Final = 1_600
"""Between two pieces of work of one stream: the mean, of which half is rarer, longer gaps."""
RETURN_NS: Final = 3_600
"""From the end of the work to the return of the call that waits for it."""


def replay(plan: Plan, *, alone: bool = False) -> int:
    """The wall in nanoseconds of an iteration that runs again and again as planned.

    Or `alone`, as whoever waits for an image times it: the device has nothing to do when it begins, and is
    done when it ends. Both are the same where the host waits for the device in the end.
    """
    table = timetable(plan)
    sums = Sums(table)
    runs = [
        Stretch(sums, start, stop).run if at_once else _one_by_one(table, start, stop)
        for start, stop, at_once in cut(table)
    ]
    free = [0] * (int(plan.pieces.stream.max(initial=0)) + 1)
    host = _lap(runs, 0, Device(table, free)) + plan.tail_ns
    done = max(host, *free)
    if alone or done == host:
        # The device is through when the host is: every iteration is like this one.
        return done
    host = _lap(runs, host, Device(table, free)) + plan.tail_ns
    return max(host, *free) - done


_Run = Callable[[int, Device], int]
"""Runs some calls from an instant on; returns when the host is through."""


def _lap(runs: list[_Run], host: int, device: Device) -> int:
    """Runs one iteration from `host` on; returns when the host is through."""
    for run in runs:
        host = run(host, device)
    return host


def timetable(plan: Plan) -> Timetable:
    """The plan ready to run, without pieces that have no duration: they are how a change takes work away."""
    calls, pieces = plan.calls, plan.pieces
    number = np.flatnonzero(pieces.dur_ns > 0)
    number = number[np.argsort(pieces.call[number], kind="stable")]
    place = np.full(len(pieces.call) + 1, -1, np.int64)
    place[number] = np.arange(len(number))
    call = pieces.call[number]
    between = np.where(calls.is_graph[call], _in_graphs(plan, number), GAP_NS)
    pause, lag = pieces.pause_ns[number], pieces.lag_ns[number]
    return Timetable(
        calls.gap_ns,
        calls.own_ns,
        calls.waits,
        np.searchsorted(call, np.arange(len(calls.gap_ns) + 1)),
        call,
        pieces.stream[number],
        pieces.dur_ns[number],
        np.where(lag > 0, lag, LAUNCH_NS),
        np.where(pause > 0, pause, between),
        between,
        place[pieces.after[number]],
        pieces.within[number],
        pieces.blocks[number],
    )


def _in_graphs(plan: Plan, number: Int64s) -> Int64s:
    """How long after its stream's last each of some pieces begins, where a graph launches it."""
    is_kernel = plan.pieces.is_kernel[number]
    follows = np.append(False, (np.diff(plan.pieces.call[number]) == 0) & ~is_kernel[:-1])
    gaps = plan.graph_gaps
    found: Int64s = np.where(is_kernel, np.where(follows, gaps.from_copy, gaps.kernel), gaps.to_copy)
    return found


_Piece = tuple[int, int, int, int, int, int, int, bool, bool]
_Call = tuple[int, int, bool, list[_Piece]]


def _one_by_one(table: Timetable, start: int, stop: int) -> _Run:
    """The calls from `start` to before `stop`, which may wait for what the device does."""
    calls = _calls(table, start, stop)

    def run(host: int, device: Device) -> int:
        free, ended, begun, launched = device.free, device.ended, device.begun, device.launched
        for gap, own, waits, pieces in calls:
            host += gap
            called, host = host, host + own
            for number, stream, dur, lag, pause, between, after, within, blocks in pieces:
                began = max(free[stream] + pause, (called if within else host) + lag)
                if after >= 0:
                    began = max(began, ended[after] + between)
                end = free[stream] = ended[number] = began + dur
                if blocks:
                    host = end + own
            if waits:
                host = max(host, max(free) + RETURN_NS)
            if pieces:
                begun[launched] = began
                launched += 1
                if launched > QUEUE:
                    host = max(host, int(begun[launched - QUEUE - 1]))
        device.launched = launched
        return host

    return run


def _calls(table: Timetable, start: int, stop: int) -> list[_Call]:
    """Each call with its gap, own time, whether it waits, and its pieces."""
    first = table.first[start : stop + 1].tolist()
    mine = slice(first[0], first[-1])
    columns = (
        table.stream,
        table.dur,
        table.lag,
        table.pause,
        table.between,
        table.after,
        table.within,
        table.blocks,
    )
    parts = (column[mine].tolist() for column in columns)
    pieces: list[_Piece] = list(zip(range(first[0], first[-1]), *parts, strict=True))
    times = (column[start:stop].tolist() for column in (table.gap, table.own, table.waits))
    return [
        (gap, own, waits, pieces[begin - first[0] : end - first[0]])
        for gap, own, waits, (begin, end) in zip(*times, pairwise(first), strict=True)
    ]
