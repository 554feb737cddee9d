"""Reads a trace from the worker while torch writes it, adds the run facts and writes it to its file.

Kineto drops metadata added after the profiler stopped, and turns a backslash in its values into a slash. The
run facts, some known only later, therefore become the first key of the trace's top level here.
"""

from __future__ import annotations

import os
import select
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from sdtrace.atomic_files import Write, staged
from sdtrace.errors import OutputError
from sdtrace_collector.errors import VariantFailed

_CHUNK = 1 << 20


def chunks_of(paths: list[str], writer_lives: Callable[[], bool]) -> Iterator[bytes]:
    """The bytes of the one of these pipes that gets written to, or of a plain file."""
    if Path(paths[0]).is_fifo():
        yield from _piped(paths, writer_lives)
        return
    with Path(paths[0]).open("rb") as file:
        while chunk := file.read(_CHUNK):
            yield chunk


def with_facts(chunks: Iterator[bytes], facts: bytes) -> Iterator[bytes]:
    """A JSON object's bytes with `"sdtrace": facts` as its first key."""
    head = b""
    for chunk in chunks:
        head += chunk
        brace = head.find(b"{")
        if brace >= 0:
            yield head[: brace + 1] + b'\n    "sdtrace": ' + facts + b"," + head[brace + 1 :]
            yield from chunks


@contextmanager
def pending(path: Path, *, force: bool = False) -> Iterator[Callable[[Iterator[bytes]], None]]:
    """A function that writes chunks under a temporary name, gzipped if `path` ends in .gz.

    Leaving the block well gives the file its name; leaving it by an exception leaves nothing.

    Raises:
        VariantFailed: the disk is full, the folder cannot be written, or `path` came to exist
            meanwhile and `force` is off.
    """
    try:
        with staged(path, force=force) as write:
            yield lambda chunks: _write_each(write, chunks)
    except OutputError as error:
        raise VariantFailed(f"{error}; nothing of this run was kept") from error


def _write_each(write: Write, chunks: Iterator[bytes]) -> None:
    for chunk in chunks:
        write(chunk)


def _piped(paths: list[str], writer_lives: Callable[[], bool]) -> Iterator[bytes]:
    # In this order: torch removes the first once it has written the second.
    pipes = [os.open(path, os.O_RDONLY | os.O_NONBLOCK) for path in paths]
    try:
        poller = select.poll()
        for pipe in pipes:
            poller.register(pipe, select.POLLIN)
        written = None
        while True:
            ready = poller.poll(500)
            if not ready and not writer_lives():
                return
            for pipe, _ in ready:
                chunk = os.read(pipe, _CHUNK)
                if chunk:
                    written = pipe
                    yield chunk
                elif pipe == written:
                    return
    finally:
        for pipe in pipes:
            os.close(pipe)
