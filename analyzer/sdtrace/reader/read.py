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
from sdtrace.reader.columns import EventColumns, EventKey, Events, MemoryEvent, Metadata
from sdtrace.reader.envelope import parse_object, read_beginning
from sdtrace.reader.foreign import recognise
from sdtrace.reader.forms import Forms
from sdtrace.reader.streams import open_blocks


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
    read = Events()
    with open_blocks(path, file) as blocks:
        beginning = read_beginning(path, blocks)
        events = ChunkPass(beginning, partial(decode_chunk, forms=Forms()), read.merge, threads)
        events.run(blocks)
    top_level, is_whole = beginning.top_level, events.is_whole and events.tail is not None
    if events.tail is not None and not beginning.is_array:
        values = parse_object(b"{" + events.tail.lstrip(b","))
        is_whole &= values is not None
        if values and "traceEvents" in values:
            raise UnreadableTrace(f"{path}: has `traceEvents` twice; give each its own file")
        top_level |= values or {}
    columns = read.take_columns()
    keys = recognise(path, list(read.keys), read.metadata, read.counts, top_level)
    for key, count in zip(keys, np.bincount(columns.key, minlength=len(keys)).tolist(), strict=True):
        read.counts[key.category or "(no category)"] += count
    if not sum(read.counts.values()):
        detail = f"; {read.skipped} could not be read" if read.skipped else ""
        raise UnreadableTrace(f"{path}: holds no events{detail}")
    rest = read.memory, read.metadata, top_level, read.counts, read.skipped
    return RawTrace(columns, keys, list(read.args), *rest, salvaged=not is_whole)
