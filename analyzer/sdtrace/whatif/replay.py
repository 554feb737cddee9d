"""Runs a plan again: when the host gets to each call, when the device begins and ends each piece of work.

A piece begins when its launch has arrived and its stream is free. The delays are medians of some 30 traces of
H100s and H200s; a prototype found the same on others.
"""

from __future__ import annotations

from typing import Final, NamedTuple

import numpy as np

from sdtrace.attribution.nesting import Int64s
from sdtrace.whatif.plan import Plan

LAUNCH_NS: Final = 1_500
"""From the return of a launch call (of a graph: from its start) to the start of its work on an idle stream."""
GAP_NS: Final = 1_600
"""Between two pieces of work of one stream."""
GRAPH_GAP_NS: Final = 850
"""The same inside a CUDA graph."""
RETURN_NS: Final = 3_600
"""From the end of the work to the return of the call that waits for it."""
QUEUE: Final = 1_022
"""So many launches wait at most; the next call is held up until one is taken."""
_LAPS: Final = 2


class Replay(NamedTuple):
    """How long the iteration takes when it runs again and again; times in int64 nanoseconds.

    `start_ns` and `end_ns` of each piece, and `called_ns`, the return of each call, are of the last lap.
    """

    wall_ns: int
    called_ns: Int64s
    start_ns: Int64s
    end_ns: Int64s
    lap_ns: int
    """When the last lap began on the host."""


def replay(plan: Plan, host_ns: tuple[Int64s, Int64s, int] | None = None) -> Replay:
    """Replay an iteration, with the plan's host times or others: gaps, calls, and the tail."""
    gap, own, tail = (
        host_ns if host_ns is not None else (plan.calls.gap_ns, plan.calls.own_ns, plan.tail_ns)
    )
    machine = _Machine(plan, gap.tolist(), own.tolist(), tail)
    done = wall = 0
    for _ in range(_LAPS):
        ended = machine.lap()
        wall, done = ended - done, ended
    return Replay(
        wall, np.array(machine.called), np.array(machine.started), np.array(machine.ended), machine.lap_ns
    )


class _Machine:
    """The state of host and streams from lap to lap."""

    def __init__(self, plan: Plan, gap: list[int], own: list[int], tail: int) -> None:
        calls, pieces = plan.calls, plan.pieces
        self.calls = list(zip(gap, own, calls.is_graph.tolist(), calls.waits.tolist(), strict=True))
        self.tail = tail
        bounds = np.searchsorted(pieces.call, np.arange(len(self.calls) + 1))
        self.bounds = bounds.tolist()
        columns = (
            pieces.stream,
            pieces.dur_ns,
            pieces.lag_ns,
            pieces.pause_ns,
            pieces.after,
            pieces.within,
            pieces.blocks,
        )
        self.pieces = list(zip(*(column.tolist() for column in columns), strict=True))
        self.free = [0] * (int(pieces.stream.max(initial=0)) + 1)
        self.host = 0
        self.called = [0] * len(self.calls)
        self.started = [0] * len(self.pieces)
        self.ended = [0] * len(self.pieces)
        self.lap_ns = 0

    def lap(self) -> int:
        """One iteration; returns when host and device are through."""
        self.lap_ns = self.host
        history: list[int] = []
        for number, (gap, own, is_graph, waits) in enumerate(self.calls):
            self.host += gap
            first, last = self.bounds[number], self.bounds[number + 1]
            if first == last:
                self.host += own
                if waits:
                    self.host = max(self.host, max(self.free) + RETURN_NS)
            else:
                self._launch(first, last, own, is_graph)
                history.append(self.started[first])
                if len(history) > QUEUE:
                    self.host = max(self.host, history[-QUEUE - 1])
            self.called[number] = self.host
        self.host += self.tail
        return max(self.host, *self.free)

    def _launch(self, first: int, last: int, own: int, is_graph: bool) -> None:
        free = self.free
        begun, returned = self.host, self.host + own
        between = GRAPH_GAP_NS if is_graph else GAP_NS
        for number in range(first, last):
            stream, dur, lag, pause, after, within, blocks = self.pieces[number]
            arrives = begun if within else returned
            start = max(arrives + (lag or LAUNCH_NS), free[stream] + (pause or between))
            if after >= 0:
                start = max(start, self.ended[after] + between)
            self.started[number] = start
            self.ended[number] = free[stream] = start + dur
            if blocks:
                returned = max(begun, start + dur) + own
        self.host = returned
