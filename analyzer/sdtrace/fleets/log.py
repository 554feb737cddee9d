"""The log of a store: which files are part of it, and what came of every source. One file a batch."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import msgspec

from sdtrace.errors import UsageError
from sdtrace.fleets.items import SETTLED, Status

FOLDER: Final = "log"
_SUFFIX: Final = ".jsonl"
"""Not `.json`: a store may lie in a folder of traces."""


class Batch(msgspec.Struct, frozen=True):
    """The first line of a log file. Files are paths within the store, with slashes."""

    files: list[str] = []
    removed: list[str] = []
    """Files of earlier batches whose rows stand in `files` now."""


class Entry(msgspec.Struct, frozen=True):
    """Each line that follows: a source, and what came of it."""

    source: str
    stamp: str
    status: Status
    digest: str = ""
    reason: str = ""
    at: str = ""
    """When it was read, UTC."""


_encode = msgspec.json.Encoder().encode
_decode_batch = msgspec.json.Decoder(Batch).decode
_decode_entry = msgspec.json.Decoder(Entry).decode


class Log:
    """What the log files of a folder say together."""

    def __init__(self, store: Path) -> None:
        """Raises UsageError where a file of the log is damaged."""
        self._folder = store / FOLDER
        self.files: dict[str, None] = {}
        """All files of the store, in order of their batches."""
        self._last = 0
        gone: set[str] = set()
        for path in self._paths():
            batch = _first(path)
            self.files.update(dict.fromkeys(batch.files))
            gone.update(batch.removed)
            self._last = max(self._last, int(path.name[:8]))
        for name in gone:
            self.files.pop(name, None)

    def entries(self) -> Iterator[Entry]:
        """What came of every source, in the order in which it was read; one source may stand there again."""
        for path in self._paths():
            with path.open("rb") as file:
                next(file)
                for line in file:
                    yield _decode_entry(line)

    def add(self, batch: Batch, entries: list[Entry]) -> None:
        """Make a batch part of the store: from the moment its file has its name, all of it is."""
        self._folder.mkdir(exist_ok=True)
        self._last += 1
        path = self._folder / f"{self._last:08d}-{os.urandom(4).hex()}{_SUFFIX}"
        temporary = path.with_suffix(".tmp")
        with temporary.open("wb") as file:
            file.write(b"".join(_encode(line) + b"\n" for line in (batch, *entries)))
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
        self.files.update(dict.fromkeys(batch.files))
        for name in batch.removed:
            self.files.pop(name, None)

    def _paths(self) -> list[Path]:
        return sorted(self._folder.glob(f"*{_SUFFIX}"))


def _first(path: Path) -> Batch:
    try:
        with path.open("rb") as file:
            return _decode_batch(file.readline())
    except msgspec.DecodeError as error:
        raise UsageError(f"{path}: this file of the store's log is damaged: {error}") from error


def is_settled(entry: Entry) -> bool:
    """Whether reading the source again would bring nothing new."""
    return entry.status in SETTLED and bool(entry.stamp or entry.status != "unreadable")
