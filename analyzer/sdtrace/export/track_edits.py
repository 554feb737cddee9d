"""Give chosen events another track, in the text of a trace as it streams by; the rest stays as it is."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from typing import Final

from sdtrace.export.overlaps import Misfit

_NUMBER: Final = rb"(-?\d+(?:\.\d+)?)"
_TIMES: Final = re.compile(
    rb'"tid"\s*:\s*("[^"\\]{0,200}"|-?\d+)\s*,\s*"ts"\s*:\s*' + _NUMBER + rb'\s*,\s*"dur"\s*:\s*' + _NUMBER
)
"""As Kineto writes them in all its versions: track, start and duration, one after the other."""
_LONGEST_MATCH: Final = 512


def move_events(blocks: Iterable[bytes], misfits: Sequence[Misfit]) -> Iterator[bytes]:
    """The text of `blocks` with `misfits` on other tracks: `"tid": 7` becomes `"tid": "7 overlap 1"`."""
    lanes = {(item.tid.encode(), item.start_ns, item.dur_ns): item.lane for item in misfits}
    starts = {text for item in misfits for text in _spellings(item.start_ns)}
    carry = b""
    for block in blocks:
        text = carry + block
        done = 0
        for match in _TIMES.finditer(text):
            if match[2] not in starts:
                continue
            tid = match[1].strip(b'"')
            lane = lanes.get((tid, _nanoseconds(match[2]), _nanoseconds(match[3])))
            if lane is not None:
                yield text[done : match.start(1)]
                yield b'"%s overlap %d"' % (tid, lane)
                done = match.end(1)
        keep = max(done, len(text) - _LONGEST_MATCH)
        yield text[done:keep]
        carry = text[keep:]
    yield carry


def _spellings(ns: int) -> set[bytes]:
    """How a file may write so many nanoseconds in microseconds."""
    exact = f"{ns // 1000}.{ns % 1000:03d}"
    short = exact.rstrip("0")
    return {exact.encode(), short.encode(), short.rstrip(".").encode(), f"{short}0".encode()}


def _nanoseconds(microseconds: bytes) -> int:
    whole, _, fraction = microseconds.partition(b".")
    return int(whole + fraction[:3].ljust(3, b"0"))
