"""One pass over a file: read, decompress, cut at events, decode on two threads, gather."""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Final

import numpy as np

from sdtrace.errors import UnreadableTrace
from sdtrace.reader.columns import (
    Decoded,
    EventColumns,
    GrowingColumns,
    Head,
    MemoryEvent,
    Metadata,
    concatenate,
)
from sdtrace.reader.envelope import Beginning, parse_object, read_beginning
from sdtrace.reader.events import EventTable
from sdtrace.reader.heads import HeadLines
from sdtrace.reader.layout import BOUNDARY_CUT, EVENT_BOUNDARY, PADDING, decode_layout
from sdtrace.reader.shapes import Shape, shape_of
from sdtrace.reader.sources import STDIN
from sdtrace.reader.streams import open_blocks
from sdtrace.reader.walk import decode_block, decode_single

_MAX_EVENT_BYTES: Final = 64 << 20
_MAX_TAIL_BYTES: Final = 64 << 20
_WORKERS: Final = 2
_IN_FLIGHT: Final = 3


@dataclass(frozen=True)
class RawTrace:
    """All events of a file as columns, and everything said about them.

    `columns.head` indexes `heads`, `columns.args` indexes `args`. Rows stand in the file's order.
    """

    columns: EventColumns
    heads: list[Head]
    args: list[str]
    memory: list[MemoryEvent]
    metadata: list[Metadata]
    top_level: dict[str, Any]
    """What stands beside `traceEvents` in the file."""
    counts: Counter[str]
    skipped: int
    salvaged: bool


def read_raw(path: Path, keep_args: frozenset[str] = frozenset()) -> RawTrace:
    """Read a trace; `keep_args` names the ops whose argument text is kept.

    Raises UnreadableTrace, one line long, when the file is missing or no trace.
    """
    with open_blocks(path) as blocks:
        beginning = read_beginning(path, blocks)
        reading = _Reading(path, beginning, keep_args)
        reading.run(beginning.events, blocks)
    return reading.result()


class _Reading:
    """The state of one pass."""

    def __init__(self, path: Path, beginning: Beginning, keep_args: frozenset[str]) -> None:
        self._path, self._keep_args = path, keep_args
        self._top_level, self._is_array = beginning.top_level, beginning.is_array
        self._head_lines = HeadLines()
        self._heads: dict[Head, int] = {}
        self._args: dict[str, int] = {}
        self._columns = GrowingColumns()
        self._size = 0 if path == STDIN else path.stat().st_size
        self._done = 1
        self._memory: list[MemoryEvent] = []
        self._metadata: list[Metadata] = []
        self._counts: Counter[str] = Counter()
        self._skipped = 0
        self._ended = False
        self._cut = beginning.is_damaged

    def run(self, text: bytes, blocks: Iterator[bytes]) -> None:
        """Decode all events of `text` and of the blocks after it."""
        if not text.strip():
            text += next(blocks, b"")
        shape = shape_of(text)
        if shape is not None:
            text = self._run_layout(shape, text[text.index(b"\n  {") + 1 :], blocks)
        self._run_general(text, blocks)

    def _run_layout(self, shape: Shape, block: bytes, blocks: Iterator[bytes]) -> bytes:
        """Decode on worker threads what is in Kineto's layout; what is left at the end."""
        carry = b""
        decode = partial(_decode_chunk, shape=shape, head_lines=self._head_lines, keep_args=self._keep_args)
        with ThreadPoolExecutor(_WORKERS) as pool:
            waiting: deque[tuple[Future[Decoded], int]] = deque()
            while block and len(carry) < _MAX_EVENT_BYTES:
                cut = block.rfind(EVENT_BOUNDARY) + BOUNDARY_CUT
                if cut < BOUNDARY_CUT:
                    carry += block
                else:
                    chunk = b"".join((carry, memoryview(block)[:cut], PADDING))
                    carry = block[cut:]
                    waiting.append((pool.submit(decode, chunk), len(chunk)))
                if len(waiting) > _IN_FLIGHT:
                    future, size = waiting.popleft()
                    self._gather(future.result(), size)
                block = next(blocks, b"")
            for future, size in waiting:
                self._gather(future.result(), size)
        return carry + block

    def _run_general(self, text: bytes, blocks: Iterator[bytes]) -> None:
        """Decode one block after the other, whatever the layout."""
        final, blank = False, 0
        while not final:
            block = next(blocks, b"")
            final = not block
            table = EventTable(self._keep_args)
            walked = decode_block(text, table, final=final)
            self._gather(table.decoded(), len(text) - len(walked.carry))
            if walked.rest is not None:
                self._ended = True
                self._read_tail(walked.rest.encode() + block, blocks)
                return
            blank = 0 if not table.is_empty else blank + len(text) - len(walked.carry)
            if walked.cut or max(blank, len(walked.carry)) > _MAX_EVENT_BYTES:
                self._cut = True
                return
            text = walked.carry + block

    def _read_tail(self, tail: bytes, blocks: Iterator[bytes]) -> None:
        """Keys after the events, such as `traceName`."""
        parts = [tail]
        for block in blocks:
            parts.append(block)
            if sum(map(len, parts)) > _MAX_TAIL_BYTES:
                self._cut = True
                return
        tail = b"".join(parts).strip()
        if self._is_array:
            return
        told = parse_object(b"{" + tail.lstrip(b","))
        self._cut |= told is None
        self._top_level.update(told or {})

    def _gather(self, decoded: Decoded, size: int) -> None:
        """Keep what was decoded from `size` bytes."""
        columns = decoded.columns
        heads = np.array(
            [self._heads.setdefault(h, len(self._heads)) for h in decoded.heads] + [-1], np.int32
        )
        args = np.array([self._args.setdefault(a, len(self._args)) for a in decoded.args] + [-1], np.int32)
        self._done += size
        self._columns.append(
            columns._replace(head=heads[columns.head], args=args[columns.args]),
            done=self._done / max(self._done, self._size),
        )
        self._memory += decoded.memory
        self._metadata += decoded.metadata
        self._counts += decoded.counts
        self._skipped += decoded.skipped

    def result(self) -> RawTrace:
        """Everything read. Raises UnreadableTrace when there was not one event."""
        columns = self._columns.result()
        heads = list(self._heads)
        per_head = np.bincount(columns.head, minlength=len(heads)).tolist()
        for head, count in zip(heads, per_head, strict=True):
            self._counts[head.category or "(no category)"] += count
        if not sum(self._counts.values()):
            detail = f"; {self._skipped} could not be read" if self._skipped else ""
            raise UnreadableTrace(f"{self._path}: holds no events{detail}")
        return RawTrace(
            columns,
            heads,
            list(self._args),
            self._memory,
            self._metadata,
            self._top_level,
            self._counts,
            self._skipped,
            salvaged=self._cut or not self._ended,
        )


def _decode_chunk(data: bytes, shape: Shape, head_lines: HeadLines, keep_args: frozenset[str]) -> Decoded:
    """A stretch in Kineto's layout; events that deviate from it are decoded one by one."""
    chunk = decode_layout(data, shape, head_lines, keep_args)
    table = EventTable(keep_args)
    places: list[int] = []
    for text, place in zip(chunk.leftover, chunk.leftover_places.tolist(), strict=True):
        before = table.rows
        decode_single(text, table)
        places += [place] * (table.rows - before)
    rest = table.decoded()
    rest.counts += chunk.counts
    if not places:
        rest.columns, rest.heads, rest.args = chunk.columns, chunk.heads, chunk.args
        return rest
    moved = rest.columns._replace(
        head=rest.columns.head + len(chunk.heads),
        args=np.where(rest.columns.args < 0, -1, rest.columns.args + len(chunk.args)),
    )
    order = np.argsort(np.concatenate((chunk.places, np.array(places, np.int64))), kind="stable")
    merged = concatenate([chunk.columns, moved])
    rest.columns = merged.take(order)
    rest.heads, rest.args = chunk.heads + rest.heads, chunk.args + rest.args
    return rest
