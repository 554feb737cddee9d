"""What every decoder produces, and where it is gathered."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

Int64s = NDArray[np.int64]
Int32s = NDArray[np.int32]


class EventKey(NamedTuple):
    """What repeats from event to event; stored once."""

    category: str
    name: str
    pid: int | str
    tid: int | str


class EventColumns(NamedTuple):
    """Complete events (`"ph": "X"`), one row each; all arrays are of one length.

    `key` (int32) and `args` (int32) index tables kept beside; `args` is -1 where nothing was kept.
    `start_ns` and `dur_ns` (int64) are exact: the file's decimal microseconds times 1000, not rebased.
    `external_id` and `correlation` (int64) are 0 and `nbytes` (int64) is -1 where the file has none.
    """

    key: Int32s
    start_ns: Int64s
    dur_ns: Int64s
    external_id: Int64s
    correlation: Int64s
    nbytes: Int64s
    args: Int32s

    def take(self, rows: Int64s) -> EventColumns:
        """The given rows, in the order given."""
        return EventColumns._make(column[rows] for column in self)


class MemoryEvent(NamedTuple):
    """One allocation or free as `profile_memory` records it; `nbytes` is negative for a free.

    `total_reserved` is -1, `address` 0 where it is not told.
    """

    time_ns: int
    tid: int | str
    nbytes: int
    total_allocated: int
    total_reserved: int
    device_type: int
    device_id: int
    address: int = 0


class Metadata(NamedTuple):
    """A `"ph": "M"` event: the name of a process or thread."""

    kind: str
    pid: int | str
    tid: int | str
    value: str


class Events:
    """Events collected: complete ones as columns, all others as small Python values."""

    def __init__(self) -> None:
        self.keys: dict[EventKey, int] = {}
        self.args: dict[str, int] = {}
        """Distinct argument texts (JSON objects) and keys, and the indexes that stand in columns for them."""
        self.memory: list[MemoryEvent] = []
        self.metadata: list[Metadata] = []
        self.counts: Counter[str] = Counter()
        """Events of every kind by category, also those kept nowhere (flows, counters, instants)."""
        self.skipped = 0
        self._parts: list[EventColumns] = []

    def extend(self, columns: EventColumns, keys: Iterable[EventKey], args: Iterable[str]) -> None:
        """Add rows that index `keys` and `args`."""
        key = np.array([self.keys.setdefault(k, len(self.keys)) for k in keys], np.int32)
        text = np.array([*(self.args.setdefault(a, len(self.args)) for a in args), -1], np.int32)
        self._parts.append(columns._replace(key=key[columns.key], args=text[columns.args]))

    def merge(self, other: Events) -> None:
        """Add all that `other` collected, which then has no rows any more."""
        self.extend(other.take_columns(), other.keys, other.args)
        self.memory += other.memory
        self.metadata += other.metadata
        self.counts += other.counts
        self.skipped += other.skipped

    def take_columns(self) -> EventColumns:
        """All rows, which are collected no longer: so no more than one column is there twice."""
        parts, self._parts = self._parts or [from_rows([])], []
        if len(parts) == 1:
            return parts[0]
        columns = [*zip(*parts, strict=True)]
        parts.clear()
        return EventColumns._make(np.concatenate(columns.pop(0)) for _ in EventColumns._fields)


def from_rows(rows: list[tuple[int, int, int, int, int, int, int]]) -> EventColumns:
    """Columns from rows in the order of the fields."""
    table = np.array(rows, np.int64).reshape(-1, len(EventColumns._fields)).T
    key, start_ns, dur_ns, external_id, correlation, nbytes, args = table
    return EventColumns(
        key.astype(np.int32), start_ns, dur_ns, external_id, correlation, nbytes, args.astype(np.int32)
    )
