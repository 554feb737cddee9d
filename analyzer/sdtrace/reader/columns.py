"""What every decoder produces: duration events as columns, everything else as small Python values."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

Int64s = NDArray[np.int64]
Int32s = NDArray[np.int32]
AnyInts = NDArray[np.signedinteger[Any]]
_MARGIN: Final = 1.1
_MOST_AT_ONCE: Final = 1 << 24
"""Rows, 0.7 GB: a size alone promises no more."""


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


@dataclass
class Decoded:
    """A stretch of the file, decoded."""

    columns: EventColumns
    keys: list[EventKey]
    args: list[str]
    """Distinct argument texts (JSON objects) that `columns.args` points into."""
    memory: list[MemoryEvent] = field(default_factory=list)
    metadata: list[Metadata] = field(default_factory=list)
    counts: Counter[str] = field(default_factory=Counter)
    """Events of every kind by category, also those kept nowhere (flows, counters, instants)."""
    skipped: int = 0


def from_rows(rows: list[tuple[int, int, int, int, int, int, int]]) -> EventColumns:
    """Columns from rows in the order of the fields."""
    table = np.array(rows, np.int64).reshape(-1, len(EventColumns._fields)).T
    key, start_ns, dur_ns, external_id, correlation, nbytes, args = table
    return EventColumns(
        key.astype(np.int32), start_ns, dur_ns, external_id, correlation, nbytes, args.astype(np.int32)
    )


def concatenate(parts: list[EventColumns]) -> EventColumns:
    """Columns one after the other; at least one."""
    return EventColumns._make(np.concatenate(column) for column in zip(*parts, strict=True))


class GrowingColumns:
    """Columns that parts are appended to, in the memory where they stay.

    Room not written to costs no memory, so there may be more than is needed.
    """

    def __init__(self) -> None:
        self._columns = from_rows([])
        self._rows = 0

    def append(self, part: EventColumns, done: float) -> None:
        """Put the rows of `part` behind those there are; `done` is the share of all that this makes.

        Room for the rows that this share predicts is made at once, and doubled where it was too little.
        """
        end = self._rows + len(part.key)
        if end > len(self._columns.key):
            expected = min(_MARGIN * end / done, _MOST_AT_ONCE)
            rows = max(2 * end if self._rows else end, int(expected))
            larger = EventColumns._make(np.empty(rows, column.dtype) for column in part)
            _fill(larger, 0, self.result())
            self._columns = larger
        _fill(self._columns, self._rows, part)
        self._rows = end

    def result(self) -> EventColumns:
        """All rows, as views of the room."""
        return EventColumns._make(column[: self._rows] for column in self._columns)


def _fill(room: EventColumns, at: int, rows: EventColumns) -> None:
    columns: Iterator[tuple[AnyInts, AnyInts]] = zip(room, rows, strict=True)
    for column, values in columns:
        column[at : at + len(values)] = values
