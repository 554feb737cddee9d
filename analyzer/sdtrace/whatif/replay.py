"""Runs a plan again: when the host gets to each call, when the device begins and ends each piece of work.

A piece begins when its launch has arrived and its stream is free. The delays were read off traces of H100s
and H200s; with them the replay of an unchanged plan gives the profiled wall within 1 %.
"""

from __future__ import annotations

from typing import Final

import numpy as np

from sdtrace.whatif.plan import Plan

LAUNCH_NS: Final = 1_500
"""From the return of a launch call (of a graph: its start) to the start of its work on an idle stream."""
GAP_NS: Final = 1_600
"""Between two pieces of work of one stream: the mean, of which half is rarer, longer gaps."""
GRAPH_GAP_NS: Final = 850
"""The same inside a CUDA graph."""
RETURN_NS: Final = 3_600
"""From the end of the work to the return of the call that waits for it."""
QUEUE: Final = 1_022
"""So many launches wait at most; the next call is held up until one is taken."""


def replay(plan: Plan) -> int:
    """The wall in nanoseconds of an iteration that runs again and again as planned."""
    streams = int(plan.pieces.stream.max(initial=0)) + 1
    steps = _steps(plan)
    free = [0] * streams
    host = _lap(steps, 0, free, len(plan.pieces.call)) + plan.tail_ns
    done = max(host, *free)
    if done == host:
        # The device is through when the host is: every iteration is like this one.
        return done
    host = _lap(steps, host, free, len(plan.pieces.call)) + plan.tail_ns
    return max(host, *free) - done


_Piece = tuple[int, int, int, int, int, int, bool, bool]
_Step = tuple[int, int, bool, int, list[_Piece]]


def _steps(plan: Plan) -> list[_Step]:
    """Each call with its gap, own time, whether it waits, the gap between its pieces, and its pieces.

    Pieces without duration are left out: they are how a change takes work away.
    """
    calls, pieces = plan.calls, plan.pieces
    number = np.flatnonzero(pieces.dur_ns > 0)
    number = number[np.argsort(pieces.call[number], kind="stable")]
    columns = (
        pieces.stream[number],
        pieces.dur_ns[number],
        np.where(pieces.lag_ns > 0, pieces.lag_ns, LAUNCH_NS)[number],
        pieces.pause_ns[number],
        pieces.after[number],
        pieces.within[number],
        pieces.blocks[number],
    )
    rows: list[_Piece] = list(zip(number.tolist(), *(column.tolist() for column in columns), strict=True))
    bounds = np.searchsorted(pieces.call[number], np.arange(len(calls.gap_ns) + 1)).tolist()
    between = np.where(calls.is_graph, GRAPH_GAP_NS, GAP_NS).tolist()
    times = zip(calls.gap_ns.tolist(), calls.own_ns.tolist(), calls.waits.tolist(), between, strict=True)
    return [
        (gap, own, waits, pause, rows[first:last])
        for (gap, own, waits, pause), first, last in zip(times, bounds[:-1], bounds[1:], strict=True)
    ]


def _lap(steps: list[_Step], host: int, free: list[int], size: int) -> int:
    """Runs one iteration from `host` on; brings `free` up to date and returns when the host is through."""
    ended = [0] * (size + 1)
    begun: list[int] = []
    for gap, own, waits, between, pieces in steps:
        host += gap
        called, host = host, host + own
        for number, stream, dur, lag, pause, after, within, blocks in pieces:
            start = free[stream] + (pause or between)
            arrives = (called if within else host) + lag
            start = max(start, arrives)
            if after >= 0 and ended[after] + between > start:
                start = ended[after] + between
            end = free[stream] = ended[number] = start + dur
            if blocks:
                host = end + own
        if waits:
            host = max(host, max(free) + RETURN_NS)
        if pieces:
            begun.append(start)
            if len(begun) > QUEUE and begun[-QUEUE - 1] > host:
                host = begun[-QUEUE - 1]
    return host
