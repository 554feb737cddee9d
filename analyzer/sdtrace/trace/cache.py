"""What was read of traces, kept in a folder: a second look at a file need not decode it again.

An entry is a zip archive of arrays. Its name is a hash of the file's bytes and of the reader's own source, so
an entry never answers for another file or another version. It is renamed to its name once it is whole; one
that is damaged later fails its checksums and is made again.
"""

from __future__ import annotations

import hashlib
import os
import time
import zipfile
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import fields
from functools import cache, partial
from pathlib import Path
from typing import IO, Any, Final, cast

import msgspec
import numpy as np

from sdtrace.atomic_files import TEMPORARY, Write, staged
from sdtrace.errors import OutputError, UnreadableTrace
from sdtrace.reader import STDIN, RawTrace, read_raw
from sdtrace.reader.columns import EventColumns, EventKey, MemoryEvent, Metadata

_SUFFIX: Final = ".columns"
_BLOCK: Final = 32 << 20
_THREADS: Final = 2
_MOST_BYTES: Final = 4 << 30
"""What all entries may take: columns of a trace are about a ninth of its plain text."""
_DAY_S: Final = 86_400
_REST: Final = "rest"
_DAMAGED: Final = (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile, msgspec.MsgspecError)
_UNSTORABLE: Final = (TypeError, ValueError, OverflowError, RecursionError)


class _Rest(msgspec.Struct):
    """A `RawTrace` without its columns."""

    keys: list[EventKey]
    args: list[str]
    memory: list[MemoryEvent]
    metadata: list[Metadata]
    top_level: dict[str, Any]
    counts: dict[str, int]
    skipped: int
    salvaged: bool


def cache_folder() -> Path:
    """`sdtrace` in the user's folder for caches: `$XDG_CACHE_HOME`, else `~/.cache`."""
    base = os.environ.get("XDG_CACHE_HOME", "")
    return (Path(base) if base else Path.home() / ".cache") / "sdtrace"


def read_cached(path: Path, folder: Path) -> RawTrace:
    """As `read_raw`, from the entry in `folder` where the same bytes were read before; else it makes one.

    Standard input is read without it. Entries not used for longest are removed beyond 4 GiB in all.
    Raises UnreadableTrace as `read_raw` does, OutputError when the folder cannot be written.
    """
    if path == STDIN:
        return read_raw(path)
    before = _state(path)
    entry = folder / (_key(path) + _SUFFIX)
    found = _load(entry)
    if found is not None:
        return found
    raw = read_raw(path)
    if _state(path) == before:
        _store(entry, raw)
    return raw


def _state(path: Path) -> tuple[int, int]:
    """Size and time of the last change. Raises UnreadableTrace."""
    try:
        status = path.stat()
    except OSError as error:
        raise UnreadableTrace(f"{path}: cannot be opened: {error.strerror}") from error
    return status.st_size, status.st_mtime_ns


def _key(path: Path) -> str:
    """A hash of the file's blocks, two at a time, and of what else the columns depend on."""
    try:
        with path.open("rb") as file, ThreadPoolExecutor(_THREADS) as pool:
            place = partial(os.pread, file.fileno(), _BLOCK)
            starts = range(0, path.stat().st_size, _BLOCK)
            digests = list(pool.map(lambda start: hashlib.sha256(place(start)).digest(), starts))
    except OSError as error:
        raise UnreadableTrace(f"{path}: cannot be read: {error.strerror}") from error
    return hashlib.sha256(b"".join(digests) + _reader_version().encode()).hexdigest()


@cache
def _reader_version() -> str:
    """A hash of the source of the reader and of this module."""
    source = hashlib.sha256()
    here = Path(__file__)
    for module in (*sorted((here.parents[1] / "reader").glob("*.py")), here):
        source.update(module.read_bytes())
    return source.hexdigest()


def _load(entry: Path) -> RawTrace | None:
    """The entry, marked as used now; None when there is none, or not a whole one."""
    try:
        with entry.open("rb") as file, np.load(file) as arrays:
            columns = EventColumns(*(arrays[name] for name in EventColumns._fields))
            rest = msgspec.msgpack.decode(arrays[_REST].tobytes(), type=_Rest)
        os.utime(entry)
    except _DAMAGED:
        return None
    values = {name: getattr(rest, name) for name in _Rest.__struct_fields__}
    return RawTrace(columns=columns, **values | {"counts": Counter(rest.counts)})


def _store(entry: Path, raw: RawTrace) -> None:
    """Write the entry, and make room for it. What no entry can hold, such as an id of 80 bits, makes none."""
    values = {field.name: getattr(raw, field.name) for field in fields(raw) if field.name != "columns"}
    try:
        rest = msgspec.msgpack.encode(_Rest(**values))
    except _UNSTORABLE:
        return
    arrays = {**raw.columns._asdict(), _REST: np.frombuffer(rest, np.uint8)}
    try:
        entry.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        with staged(entry, force=True) as write, zipfile.ZipFile(_stream(write), "w") as archive:
            for name, array in arrays.items():
                with archive.open(f"{name}.npy", "w", force_zip64=True) as member:
                    np.lib.format.write_array(member, array, allow_pickle=False)
        _make_room(entry)
    except (OSError, OutputError) as error:
        system = error if isinstance(error, OSError) else error.__cause__
        reason = getattr(system, "strerror", None) or error
        raise OutputError(
            f"the cache {entry.parent} cannot be written: {reason}; "
            "run without --cache, or name another folder in XDG_CACHE_HOME"
        ) from error


class _Stream:
    """The little of a file that an archive needs to be written from start to end."""

    def __init__(self, write: Write) -> None:
        self._write = write

    def write(self, data: bytes) -> int:
        self._write(data)
        return len(data)

    def flush(self) -> None:
        """Nothing waits here."""


def _stream(write: Write) -> IO[bytes]:
    return cast(IO[bytes], _Stream(write))


def _make_room(newest: Path) -> None:
    """Remove the entries not used for longest, never the newest, until the rest is small enough.

    What a run that was killed has left half-written goes after a day.
    """
    for left in newest.parent.glob(TEMPORARY):
        with suppress(FileNotFoundError):
            if time.time() - left.stat().st_mtime > _DAY_S:
                left.unlink()
    known = [(entry.stat().st_mtime_ns, entry) for entry in newest.parent.glob(f"*{_SUFFIX}")]
    total = sum(entry.stat().st_size for _, entry in known)
    for _, entry in sorted(known):
        if total <= _MOST_BYTES:
            return
        if entry != newest:
            with suppress(FileNotFoundError):
                total -= entry.stat().st_size
                entry.unlink()
