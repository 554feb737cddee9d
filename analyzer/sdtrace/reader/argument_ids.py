"""`External id`, `correlation` and `bytes` inside the argument line of Kineto's layout."""

from __future__ import annotations

from typing import Final, NamedTuple

import numpy as np

from sdtrace.reader.heads import Span
from sdtrace.reader.numbers import Bools, Int64s, Text, integers, word

_EXTERNAL, _ID = word(b'"Externa'), word(b'l id": ')
_SEVEN_BYTES: Final = np.uint64(0xFFFFFFFFFFFFFF)
_ANY_ID: Final = b'xternal id"'
_COMMA, _SPACE, _NEWLINE = b", \n"
_MAX_PLACES: Final = 64
"""Kineto writes a field at few distinct distances; lines that fit none of so many are left over."""


class Ids(NamedTuple):
    """Per row: ids (0 when absent), bytes moved (-1 when absent), and whether all could be read."""

    external: Int64s
    correlation: Int64s
    nbytes: Int64s
    valid: Bools


def read_ids(text: Text, data: bytes, lines: Span, named: Bools, linked: Bools, copies: Bools) -> Ids:
    """Read the ids of argument lines.

    `named` rows may have an `External id`, which is valid only where Kineto writes it, in front; `linked`
    rows must have a correlation; `copies` may have bytes.
    """
    n = len(lines.start)
    external, ends, valid = _external_ids(text, data, lines, named)
    correlation, nbytes = np.zeros(n, np.int64), np.full(n, -1, np.int64)
    rows = np.flatnonzero(linked)
    at = _locate(text, data, b'"correlation": ', Span(ends[rows], lines.end[rows]))
    told = integers(text, np.maximum(at, 0))
    correlation[rows] = np.where(at >= 0, told.values, 0)
    valid[rows] &= (at >= 0) & told.valid & _is_over(text, told.ends)
    ends[rows] = np.where(at >= 0, told.ends, ends[rows])
    rows = np.flatnonzero(copies)
    at = _locate(text, data, b'"bytes": ', Span(ends[rows], lines.end[rows]))
    told = integers(text, np.maximum(at, 0))
    nbytes[rows] = np.where(at >= 0, told.values, -1)
    valid[rows] &= (at < 0) | (told.valid & _is_over(text, told.ends))
    return Ids(external, correlation, nbytes, valid)


def _external_ids(text: Text, data: bytes, lines: Span, named: Bools) -> tuple[Int64s, Int64s, Bools]:
    """Values, where each ends (the line's start when it has none), and whether they could be read."""
    key = lines.start + 6
    present = (text.words[key] == _EXTERNAL) & ((text.words[key + 8] & _SEVEN_BYTES) == _ID)
    told = integers(text, key + 15)
    values = np.where(present & named, told.values, 0)
    valid = ~present | (told.valid & _is_over(text, told.ends))
    unsure = np.flatnonzero(named & ~present)
    spans = zip(lines.start[unsure].tolist(), lines.end[unsure].tolist(), strict=True)
    valid[unsure] = [data.find(_ANY_ID, start, end) < 0 for start, end in spans]
    return values, np.where(present, told.ends, lines.start), valid


def _is_over(text: Text, ends: Int64s) -> Bools:
    """Whether what was read up to `ends` is all of a number."""
    after = text.bytes[ends]
    over: Bools = (after == _COMMA) | (after == _SPACE) | (after == _NEWLINE)
    return over


def _locate(text: Text, data: bytes, key: bytes, within: Span) -> Int64s:
    """Offsets just after `key` (9 to 16 bytes long) in each stretch; -1 where it was not found.

    Learns distances by example: the first line not yet matched is searched, and all others are tried
    at the same distance.
    """
    front, back = word(key[:8]), word(key[8:])
    mask = np.uint64((1 << (8 * (len(key) - 8))) - 1)
    found = np.full(len(within.start), -1, np.int64)
    open_rows = np.arange(len(within.start))
    for _ in range(_MAX_PLACES):
        if not open_rows.size:
            break
        sample = open_rows[0]
        place = data.find(key, within.start[sample], within.end[sample])
        if place < 0:
            open_rows = open_rows[1:]
            continue
        at = within.start[open_rows] + (place - within.start[sample])
        fits = at + len(key) < within.end[open_rows]
        at = np.where(fits, at, 0)
        hit = fits & (text.words[at] == front) & ((text.words[at + 8] & mask) == back)
        found[open_rows[hit]] = at[hit] + len(key)
        open_rows = open_rows[~hit]
    return found
