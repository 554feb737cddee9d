"""Close a trace that was cut off while it was written."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Final

import msgspec

from sdtrace.errors import UnreadableTrace

_TAIL_BYTES: Final = 8 << 20
"""The last whole event ends within so much of the end."""
_MOST_WITHIN: Final = 100
"""Objects side by side within one event."""
_BETWEEN: Final = re.compile(rb"\}\s*,\s*(?=\{)")


def close_cut(blocks: Iterable[bytes], path: Path, *, is_array: bool) -> Iterator[bytes]:
    """The events of `blocks` up to the last whole one, and what closes the file.

    Raises UnreadableTrace when no event ends near the end.
    """
    tail = b""
    for block in blocks:
        tail += block
        if len(tail) > 2 * _TAIL_BYTES:
            yield tail[:-_TAIL_BYTES]
            tail = tail[-_TAIL_BYTES:]
    end = _last_event_end(tail)
    if end is None:
        raise UnreadableTrace(f"{path}: is cut within an event of more than {_TAIL_BYTES >> 20} MiB")
    yield tail[:end]
    yield b"\n]" if is_array else b"\n]}"


def _last_event_end(text: bytes) -> int | None:
    """Where the last whole event ends: from some place before, it decodes as one."""
    between = list(_BETWEEN.finditer(text))
    starts = [0, *(found.end() for found in between)]
    ends = [*(found.start() + 1 for found in between), len(text.rstrip(b", \r\n\t"))]
    for last in range(len(ends) - 1, -1, -1):
        # An event may hold objects side by side, so that it began earlier.
        for start in reversed(starts[max(0, last - _MOST_WITHIN) : last + 1]):
            if _is_event(text[start : ends[last]]):
                return ends[last]
    return None


def _is_event(text: bytes) -> bool:
    try:
        value = msgspec.json.decode(text)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return False
    return isinstance(value, dict) and "ph" in value
