"""A plan cut into stretches of calls that are run at once, by arrays, and those that are run one by one.

Nothing in a stretch waits, and all its work is of one stream. Then the host is only held up by a full queue,
and a piece begins when its launch has arrived and the piece before is done: two running maxima.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final, NamedTuple

import numpy as np

from sdtrace.attribution.nesting import Int64s
from sdtrace.intervals import Bools

QUEUE: Final = 1_022
"""So many launches wait at most; the next call is held up until one is taken."""
_SHORTEST: Final = 48
"""Calls from which arrays are quicker than one call after the other."""


class Timetable(NamedTuple):
    """A plan ready to run: its calls, and its pieces that take time in the order of their calls.

    The first four arrays have one entry a call (`first` one more: the pieces of a call are those from its
    entry to the next), the others one a piece. Nanoseconds.
    """

    gap: Int64s
    own: Int64s
    waits: Bools
    first: Int64s
    call: Int64s
    stream: Int64s
    dur: Int64s
    lag: Int64s
    pause: Int64s
    """From the end of the piece before."""
    between: Int64s
    """The same from the end of a piece of another stream."""
    after: Int64s
    """A piece of another stream, -1 for none."""
    within: Bools
    blocks: Bools


class Device:
    """What the device does in an iteration, as far as it is known."""

    def __init__(self, table: Timetable, free: list[int]) -> None:
        self.free = free
        """When each stream is."""
        self.ended = [0] * (len(table.call) + 1)
        """When each piece was done, where a piece of another stream may wait for it."""
        self.begun: list[int] = []
        """When the last piece of each call began that launched any."""


def cut(table: Timetable) -> Iterator[tuple[int, int, bool]]:
    """Ranges of calls, in their order, and whether each is a stretch to be run at once."""
    calls = len(table.gap)
    alone = table.waits.copy()
    alone[table.call[table.blocks | (table.after >= 0)]] = True
    launched = np.cumsum(np.diff(table.first) > 0)
    changes = np.flatnonzero(np.diff(table.stream)) + 1
    alone[table.call[changes[table.call[changes - 1] == table.call[changes]]]] = True
    borders = (
        [0, calls],
        table.call[changes],
        np.flatnonzero(alone),
        np.flatnonzero(alone) + 1,
        np.flatnonzero(np.diff(launched // QUEUE)) + 1,
    )
    edges = np.unique(np.concatenate(borders))
    at = 0
    for index in np.flatnonzero(np.diff(edges) >= _SHORTEST).tolist():
        start, stop = edges[index : index + 2].tolist()
        if start > at:
            yield at, start, False
        yield start, stop, True
        at = stop
    if at < calls:
        yield at, calls, False


class Stretch:
    """The calls of a timetable from `start` to before `stop`, one of those that `cut` says run at once."""

    def __init__(self, table: Timetable, start: int, stop: int) -> None:
        pieces = slice(int(table.first[start]), int(table.first[stop]))
        call = table.call[pieces] - start
        self._spent = np.cumsum(table.gap[start:stop] + table.own[start:stop])
        self._is_last = np.ones(len(call), np.bool_)
        self._is_last[:-1] = np.diff(call) > 0
        self._launch: Int64s = np.cumsum(self._is_last) - self._is_last
        """Of each piece, which of the calls that launch something."""
        self._until = self._spent[call[self._is_last]]
        """What the host spent when each of these calls returns."""
        self._dur = table.dur[pieces]
        self._busy = np.cumsum(table.pause[pieces] + self._dur)
        self._lead = table.lag[pieces] - np.where(table.within[pieces], table.own[start:stop][call], 0)
        self._stream = int(table.stream[pieces.start]) if len(call) else 0
        self._pieces = pieces
        self._is_awaited = bool((table.after >= 0).any())

    def run(self, host: int, device: Device) -> int:
        """When the host is through, if it begins at `host`; `device` gets to know the work."""
        held = self._held(host, device.begun)
        if not len(self._dur):
            return host + int(self._spent[-1])
        returned = self._until + np.append(host, held[:-1])
        arrives = returned[self._launch] + self._lead
        ready = np.maximum.accumulate(arrives + self._dur - self._busy)
        ended = self._busy + np.maximum(ready, device.free[self._stream])
        device.begun += (ended - self._dur)[self._is_last].tolist()
        device.free[self._stream] = int(ended[-1])
        if self._is_awaited:
            device.ended[self._pieces] = ended.tolist()
        return int(self._spent[-1] + held[-1])

    def _held(self, host: int, begun: list[int]) -> Int64s:
        """When the host would have begun, had it lost nothing, after each call that launches: `host`, or
        later once a full queue held it up."""
        held = np.full(len(self._until), host)
        first = max(0, QUEUE - len(begun))
        if first < len(held):
            taken = np.array(begun[len(begun) + first - QUEUE :][: len(held) - first])
            held[first:] = np.maximum(host, np.maximum.accumulate(taken - self._until[first:]))
        return held
