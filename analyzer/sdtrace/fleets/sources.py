"""Which traces the user means: files, folders, patterns, lists of them, here or in a store."""

from __future__ import annotations

import glob
import os
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO, Final

from sdtrace.errors import UnreadableTrace, UsageError
from sdtrace.fleets import remote
from sdtrace.fleets.items import Item
from sdtrace.reader.sources import SUFFIXES, is_companion

_LIST: Final = "@"
_COMMENT: Final = "#"


def resolve(sources: Sequence[str]) -> list[Item | UnreadableTrace]:
    """Each source as traces, without repeats; an error stands where a source gives none.

    A folder stands for all traces below it, `@file` for the sources in its lines, a URL for what
    `sdtrace.fleets.remote` finds. Raises UsageError where a package for a store is missing.
    """
    found: dict[str, Item | UnreadableTrace] = {}
    for text in _spelled(sources):
        for item in _one(text):
            found.setdefault(item.source if isinstance(item, Item) else str(item), item)
    return list(found.values())


def _spelled(sources: Iterable[str]) -> Iterator[str]:
    """The sources, lists replaced by their lines."""
    for text in sources:
        if not text.startswith(_LIST):
            yield text
            continue
        try:
            with opened(text[1:]) as file:
                lines = file.read().decode("utf-8").splitlines()
        except (OSError, UnicodeDecodeError) as error:
            raise UsageError(f"cannot read the list {text[1:]}: {error}") from error
        yield from (line.strip() for line in lines if line.strip() and not line.startswith(_COMMENT))


def _one(text: str) -> list[Item | UnreadableTrace]:
    try:
        found = _in_store(text) if remote.protocol_of(text) else [*_local(text)]
    except UsageError:
        raise
    except Exception as error:  # noqa: BLE001  # each client of a store has exceptions of its own
        first = (str(error).splitlines() or [""])[0]
        return [UnreadableTrace(f"{text}: cannot be looked at: {type(error).__name__}: {first}")]
    return [*found] or [UnreadableTrace(f"{text}: no traces there; looked for {', '.join(SUFFIXES)}")]


def _in_store(text: str) -> list[Item]:
    return [item for item in remote.find(text, SUFFIXES) if not is_companion(Path(item.source))]


def _local(text: str) -> Iterator[Item]:
    path = Path(text)
    if path.is_dir():
        yield from _below(path)
    elif not path.exists() and glob.has_magic(text):
        for match in sorted(glob.glob(text, recursive=True)):  # noqa: PTH207  # pathlib refuses absolute patterns
            if Path(match).is_file() and not is_companion(Path(match)):
                yield _stamped(Path(match))
    else:
        yield _stamped(path)


def _below(folder: Path) -> Iterator[Item]:
    for inside, folders, files in os.walk(folder):
        folders.sort()
        for name in sorted(files):
            if name.endswith(SUFFIXES) and not is_companion(Path(name)):
                yield _stamped(Path(inside, name))


def _stamped(path: Path) -> Item:
    about = path.stat()
    return Item(str(path.absolute()), f"{about.st_mtime_ns} {about.st_size}", about.st_size)


@contextmanager
def opened(source: str) -> Iterator[BinaryIO]:
    """The bytes of a path or URL, to be read in order. Raises what opening it raises."""
    if remote.protocol_of(source):
        with remote.opened(source) as file:
            yield file
    else:
        with Path(source).open("rb") as file:
            yield file
