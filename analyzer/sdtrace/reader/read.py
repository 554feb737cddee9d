"""One pass over a file: read, decompress, cut between events, decode on two threads, gather."""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Iterator
from concurrent.futures import Executor, Future, ThreadPoolExecutor
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import Any, BinaryIO, Final

import numpy as np

from sdtrace.errors import UnreadableTrace
from sdtrace.reader.chunk import decode_chunk
from sdtrace.reader.columns import Decoded, EventColumns, EventKey, GrowingColumns, MemoryEvent, Metadata
from sdtrace.reader.envelope import Beginning, parse_object, read_beginning
from sdtrace.reader.foreign import recognise
from sdtrace.reader.numbers import PADDING
from sdtrace.reader.salvage import Walk, last_boundary
from sdtrace.reader.sources import STDIN
from sdtrace.reader.streams import open_blocks
from sdtrace.reader.templates import Templates

_MAX_EVENT_BYTES: Final = 64 << 20
_MAX_TAIL_BYTES: Final = 64 << 20
_WORKERS: Final = 2
_IN_FLIGHT: Final = 3


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


def read_raw(path: Path, keep_args: frozenset[str] = frozenset(), file: BinaryIO | None = None) -> RawTrace:
    """Read a trace; `keep_args` names the ops whose argument text is kept.

    `file` is what to read instead of the file at `path`, which then only names it.
    Raises UnreadableTrace, one line long, when the file is missing or no trace.
    """
    with open_blocks(path, file) as blocks:
        beginning = read_beginning(path, blocks)
        size = 0 if file is not None or path == STDIN else path.stat().st_size
        reading = _Reading(path, size, beginning, keep_args)
        reading.run(chain([beginning.events], blocks))
    return reading.result()


class _Reading:
    """The state of one pass."""

    def __init__(self, path: Path, size: int, beginning: Beginning, keep_args: frozenset[str]) -> None:
        self._path, self._keep_args = path, keep_args
        self._top_level, self._is_array = beginning.top_level, beginning.is_array
        self._templates = Templates(keep_args)
        self._keys: dict[EventKey, int] = {}
        self._args: dict[str, int] = {}
        self._columns = GrowingColumns()
        self._size = size
        self._done = 1
        self._memory: list[MemoryEvent] = []
        self._metadata: list[Metadata] = []
        self._counts: Counter[str] = Counter()
        self._skipped = 0
        self._waiting: deque[tuple[bytes, Future[tuple[Decoded, Walk]]]] = deque()
        self._carry = b""
        """Text between two events on, not yet given to a worker."""
        self._ended = self._stopped = False
        self._cut = beginning.is_damaged

    def run(self, blocks: Iterator[bytes]) -> None:
        """Decode all events of the blocks on worker threads, then read what follows them."""
        with ThreadPoolExecutor(_WORKERS) as pool:
            for block in blocks:
                cut = last_boundary(block)
                if not cut:
                    self._collect(0)
                if self._stopped:
                    self._carry += block
                    break
                self._submit(pool, memoryview(block)[: cut or len(block)], block[cut:] if cut else b"")
                self._collect(_IN_FLIGHT if cut else 0)
            self._collect(0)
            if not self._stopped:
                self._submit(pool, memoryview(b""), b"", final=True)
                self._collect(0)
        if self._ended:
            self._read_tail(blocks)

    def _submit(self, pool: Executor, text: memoryview, carry: bytes, *, final: bool = False) -> None:
        """Let a worker decode what was carried and `text`; `carry` is what follows."""
        chunk = b"".join((self._carry, text, PADDING))
        work = pool.submit(decode_chunk, chunk, self._templates, self._keep_args, final=final)
        self._waiting.append((chunk, work))
        self._carry = carry

    def _collect(self, most: int) -> None:
        """Gather chunks in their order until at most so many are waiting, or the events end."""
        while len(self._waiting) > most and not self._stopped:
            text, work = self._waiting.popleft()
            decoded, walked = work.result()
            self._gather(decoded, walked.end)
            if walked.end < len(text) - len(PADDING) or walked.is_over:
                # The chunk was not cut between two events, so those after it were not either.
                following = [waiting[: -len(PADDING)] for waiting, _ in self._waiting]
                left = text[walked.end : -len(PADDING)]
                self._carry = b"".join((left, *following, self._carry))
                self._waiting.clear()
            is_cut = walked.is_cut or len(self._carry) > _MAX_EVENT_BYTES
            self._ended = walked.is_over
            self._cut |= is_cut and not walked.is_over
            self._stopped = walked.is_over or is_cut

    def _read_tail(self, blocks: Iterator[bytes]) -> None:
        """Read the keys after the events, such as `traceName`."""
        parts = [self._carry]
        for block in blocks:
            parts.append(block)
            if sum(map(len, parts)) > _MAX_TAIL_BYTES:
                self._cut = True
                return
        tail = b"".join(parts).strip()
        if self._is_array:
            return
        values = parse_object(b"{" + tail.lstrip(b","))
        self._cut |= values is None
        self._top_level.update(values or {})

    def _gather(self, decoded: Decoded, size: int) -> None:
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

    def result(self) -> RawTrace:
        """Everything read. Raises UnreadableTrace when no event was, or another tool wrote the file."""
        columns = self._columns.result()
        keys = recognise(self._path, list(self._keys), self._metadata)
        per_key = np.bincount(columns.key, minlength=len(keys)).tolist()
        for key, count in zip(keys, per_key, strict=True):
            self._counts[key.category or "(no category)"] += count
        if not sum(self._counts.values()):
            detail = f"; {self._skipped} could not be read" if self._skipped else ""
            raise UnreadableTrace(f"{self._path}: holds no events{detail}")
        rest = self._memory, self._metadata, self._top_level, self._counts, self._skipped
        return RawTrace(columns, keys, list(self._args), *rest, salvaged=self._cut or not self._ended)
