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
        self.begun = np.empty(len(table.gap), np.int64)
        """When the last piece of each call began that launched any: the first `launched` of these."""
        self.launched = 0


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


class Sums:
    """A timetable added up, of which stretches take their parts."""

    def __init__(self, table: Timetable) -> None:
        self.table = table
        self.spent: Int64s = np.append(0, np.cumsum(table.gap + table.own))
        """By the host before each call, had it never waited."""
        self.busy: Int64s = np.append(0, np.cumsum(table.pause + table.dur))
        """By the device before each piece, had it never waited."""
        self.lead = table.lag - np.where(table.within, table.own[table.call], 0)
        self.is_last = np.ones(len(table.call), np.bool_)
        self.is_last[:-1] = table.call[1:] != table.call[:-1]
        self.launches: Int64s = np.append(0, np.cumsum(self.is_last))
        """Calls that launch something whose pieces all stand before each piece."""
        self.until = self.spent[1:][table.call[self.is_last]]
        """What the host spent when each of these calls returns."""
        self.is_awaited = bool((table.after >= 0).any())


class Stretch:
    """The calls of a timetable from `start` to before `stop`, one of those that `cut` says run at once."""

    def __init__(self, sums: Sums, start: int, stop: int) -> None:
        table = sums.table
        begin, end = int(table.first[start]), int(table.first[stop])
        first, last = int(sums.launches[begin]), int(sums.launches[end])
        self._pieces = pieces = slice(begin, end)
        self._spent = int(sums.spent[stop] - sums.spent[start])
        self._until = sums.until[first:last] - sums.spent[start]
        self._launch = sums.launches[pieces] - first
        """Of each piece, which of the calls that launch something."""
        self._is_last = sums.is_last[pieces]
        self._dur = table.dur[pieces]
        self._busy = sums.busy[begin + 1 : end + 1] - sums.busy[begin]
        self._lead = sums.lead[pieces]
        self._stream = int(table.stream[begin]) if end > begin else 0
        self._is_awaited = sums.is_awaited

    def run(self, host: int, device: Device) -> int:
        """When the host is through, if it begins at `host`; `device` gets to know the work."""
        if not len(self._dur):
            return host + self._spent
        returned = self._until + host
        lost = self._lost(host, device)
        if lost is not None:
            returned[1:] += lost[:-1]
        arrives = returned[self._launch] + self._lead
        ready = np.maximum.accumulate(arrives + self._dur - self._busy)
        ended = self._busy + np.maximum(ready, device.free[self._stream])
        launched = device.launched + len(self._until)
        device.begun[device.launched : launched] = (ended - self._dur)[self._is_last]
        device.launched = launched
        device.free[self._stream] = int(ended[-1])
        if self._is_awaited:
            device.ended[self._pieces] = ended.tolist()
        return host + self._spent + (0 if lost is None else int(lost[-1]))

    def _lost(self, host: int, device: Device) -> Int64s | None:
        """How long a full queue held the host up until after each call that launches; None where none did."""
        first = max(0, QUEUE - device.launched)
        if first >= len(self._until):
            return None
        lost = np.zeros(len(self._until), np.int64)
        taken = device.begun[device.launched + first - QUEUE :][: len(lost) - first]
        lost[first:] = np.maximum(0, np.maximum.accumulate(taken - self._until[first:]) - host)
        return lost
