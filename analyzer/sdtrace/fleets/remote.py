"""Stores that are no folder of this machine: s3, gs, abfs, https, sftp and what else fsspec knows."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from functools import cache
from importlib import import_module
from typing import Any, BinaryIO, Final

from sdtrace.errors import UsageError
from sdtrace.fleets.items import Item

_URL: Final = re.compile(r"(?P<protocol>[a-zA-Z][a-zA-Z0-9+.-]+)://")
_MAGIC: Final = re.compile(r"[*?\[]")
_WEB: Final = frozenset({"http", "https"})
_OBJECTS: Final = frozenset({"s3", "s3a", "gs", "gcs", "abfs", "abfss", "az"})
"""What obstore speaks."""
_BLOCK_BYTES: Final = 8 << 20
_STAMPS: Final = ("ETag", "etag", "e_tag", "LastModified", "last_modified", "updated", "mtime")


def protocol_of(text: str) -> str:
    """`s3` of `s3://bucket/key`; '' for a path of this machine."""
    found = _URL.match(text)
    return found["protocol"].lower() if found else ""


def find(text: str, suffixes: tuple[str, ...]) -> list[Item]:
    """The traces that a URL names: a file, a pattern, or a folder with all below it.

    Raises UsageError where a package is missing; OSError and what the store's client raises otherwise.
    """
    protocol = protocol_of(text)
    files = _filesystem(protocol)
    if _MAGIC.search(text):
        found = files.glob(text, detail=True) if protocol in _WEB else _matching(files, text)
    elif text.endswith("/") or (protocol not in _WEB and files.isdir(text)):
        found = files.find(text, detail=True)
        found = {name: facts for name, facts in found.items() if name.endswith(suffixes)}
    elif protocol in _WEB:
        return [Item(text)]
    else:
        found = {text: files.info(text)}
    kept = {name: facts for name, facts in found.items() if facts.get("type", "file") == "file"}
    return [_item(protocol, name, facts) for name, facts in sorted(kept.items())]


def _matching(files: Any, text: str) -> dict[str, Any]:
    """What matches a pattern. Not the client's own `glob`: obstore's finds nothing."""
    pattern = text.partition("://")[2]
    wanted = re.compile(import_module("fsspec.utils").glob_translate(pattern))
    start = pattern[: _first_magic(pattern)].rpartition("/")[0]
    below = files.find(f"{protocol_of(text)}://{start}/", detail=True)
    return {name: facts for name, facts in below.items() if wanted.fullmatch(name)}


def _first_magic(pattern: str) -> int:
    found = _MAGIC.search(pattern)
    return found.start() if found else len(pattern)


def _item(protocol: str, name: str, facts: dict[str, Any]) -> Item:
    source = name if protocol_of(name) else f"{protocol}://{name}"
    size = facts.get("size")
    stamp = next((str(facts[key]) for key in _STAMPS if facts.get(key)), "")
    return Item(source, f"{stamp} {size}" if stamp else "", size if isinstance(size, int) else None)


@contextmanager
def opened(source: str) -> Iterator[BinaryIO]:
    """The bytes of a URL, read in order while they arrive; nothing is kept on this machine."""
    protocol = protocol_of(source)
    how: dict[str, Any] = {"block_size": 0} if protocol in _WEB else {"block_size": _BLOCK_BYTES}
    with _filesystem(protocol).open(source, "rb", **how) as file:
        yield file


@cache
def _filesystem(protocol: str) -> Any:
    """The client of a store: obstore's where it is installed and speaks to such a one, else fsspec's."""
    try:
        fsspec = import_module("fsspec")
    except ImportError as error:
        raise UsageError(f"{protocol}:// needs fsspec; run: pip install 'sdtrace[cluster]'") from error
    if protocol in _OBJECTS:
        with suppress(ImportError):
            return import_module("obstore.fsspec").FsspecStore(protocol)
    try:
        return fsspec.filesystem(protocol)
    except ImportError as error:
        raise UsageError(f"{protocol}:// needs a package more: {error}") from error
    except ValueError as error:
        raise UsageError(f"no store is called {protocol}://: {error}") from error
