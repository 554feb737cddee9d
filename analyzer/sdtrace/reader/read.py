"""From a file to columns: read, decompress, decode on threads, gather."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

from sdtrace.errors import UnreadableTrace
from sdtrace.reader.chunk import decode_chunk
from sdtrace.reader.chunk_pass import THREADS, ChunkPass
from sdtrace.reader.columns import Decoded, EventColumns, EventKey, GrowingColumns, MemoryEvent, Metadata
from sdtrace.reader.envelope import Beginning, parse_object, read_beginning
from sdtrace.reader.foreign import recognise
from sdtrace.reader.sources import STDIN
from sdtrace.reader.streams import open_blocks
from sdtrace.reader.templates import Templates


@dataclass(frozen=True)
class RawTrace:
    """All events of a file as columns, and everything said about them.

    `columns.key` indexes `keys`, `columns.args` indexes `args`. Rows stand in the file's order.
    """

    columns: EventColumns
    keys: list[EventKey]
    args: list[str]
    memory: list[MemoryEvent]
    metadata: list[Metadata]
    top_level: dict[str, Any]
    """What stands beside `traceEvents` in the file."""
    counts: Counter[str]
    skipped: int
    salvaged: bool


def read_raw(path: Path, file: BinaryIO | None = None, threads: int = THREADS) -> RawTrace:
    """Read a trace.

    `file` is what to read instead of the file at `path`, which then only names it. With one of `threads`
    everything runs in the caller's own.
    Raises UnreadableTrace, one line long, when the file is missing or no trace.
    """
    with open_blocks(path, file) as blocks:
        beginning = read_beginning(path, blocks)
        size = 0 if file is not None or path == STDIN else path.stat().st_size
        gathered = _Gathered(path, size, beginning)
        work = partial(decode_chunk, templates=Templates())
        events = ChunkPass(beginning, work, gathered.add, threads)
        events.run(blocks)
    return gathered.result(is_whole=gathered.add_tail(events.tail) and events.is_whole)


class _Gathered:
    """What was read so far."""

    def __init__(self, path: Path, size: int, beginning: Beginning) -> None:
        self._path = path
        self._top_level, self._is_array = beginning.top_level, beginning.is_array
        self._keys: dict[EventKey, int] = {}
        self._args: dict[str, int] = {}
        self._columns = GrowingColumns()
        self._size = size
        self._done = 1
        self._memory: list[MemoryEvent] = []
        self._metadata: list[Metadata] = []
        self._counts: Counter[str] = Counter()
        self._skipped = 0

    def add_tail(self, tail: bytes | None) -> bool:
        """Add the keys after the events, such as `traceName`; False when they are damaged or missing."""
        if self._is_array or tail is None:
            return tail is not None
        values = parse_object(b"{" + tail.lstrip(b","))
        self._top_level.update(values or {})
        return values is not None

    def add(self, decoded: Decoded, size: int) -> None:
        """Keep what was decoded from `size` bytes."""
        columns = decoded.columns
        keys = np.array(
            [self._keys.setdefault(key, len(self._keys)) for key in decoded.keys] + [-1], np.int32
        )
        args = np.array([self._args.setdefault(a, len(self._args)) for a in decoded.args] + [-1], np.int32)
        self._done += size
        self._columns.append(
            columns._replace(key=keys[columns.key], args=args[columns.args]),
            done=self._done / max(self._done, self._size),
        )
        self._memory += decoded.memory
        self._metadata += decoded.metadata
        self._counts += decoded.counts
        self._skipped += decoded.skipped

    def result(self, *, is_whole: bool) -> RawTrace:
        """Everything read. Raises UnreadableTrace when no event was, or another tool wrote the file."""
        columns = self._columns.result()
        keys = recognise(self._path, list(self._keys), self._metadata, self._counts, self._top_level)
        per_key = np.bincount(columns.key, minlength=len(keys)).tolist()
        for key, count in zip(keys, per_key, strict=True):
            self._counts[key.category or "(no category)"] += count
        if not sum(self._counts.values()):
            detail = f"; {self._skipped} could not be read" if self._skipped else ""
            raise UnreadableTrace(f"{self._path}: holds no events{detail}")
        rest = self._memory, self._metadata, self._top_level, self._counts, self._skipped
        return RawTrace(columns, keys, list(self._args), *rest, salvaged=not is_whole)
