"""The distinct first lines of events: found by hash, each decoded once.

Hashes are 64 bits wide and keyed with random odd multipliers per process, so that two different
lines fall together with a probability below 2**-40 for any file, also one made to collide.
"""

from __future__ import annotations

import secrets
from collections.abc import Collection
from dataclasses import dataclass
from typing import Final, NamedTuple

import msgspec
import numpy as np
from numpy.typing import NDArray

from sdtrace.reader.categories import canonical
from sdtrace.reader.columns import Head, Int32s
from sdtrace.reader.numbers import Bools, Int64s, Text, UInt64s

_MULTIPLIER: Final = np.uint64(secrets.randbits(64) | 1)
_SEED: Final = np.uint64(secrets.randbits(64))
_FOLD: Final = np.uint64(32)
_COMMON_PREFIX: Final = 8
"""Bytes every head starts with (`    "ph"` or `    "cat`), not worth hashing."""


class _HeadLine(msgspec.Struct):
    cat: str
    name: str
    pid: int | str
    tid: int | str


@dataclass(frozen=True)
class Heads:
    """The head of each row: `index` into `heads`, -1 where the line could not be decoded."""

    index: Int32s
    heads: list[Head]

    def category_is(self, categories: Collection[str]) -> Bools:
        """Which rows have one of `categories`."""
        return self._rows([head.category in categories for head in self.heads])

    def name_is(self, names: Collection[str]) -> Bools:
        """Which rows are ops with one of `names`."""
        return self._rows([head.category == "cpu_op" and head.name in names for head in self.heads])

    def _rows(self, chosen: list[bool]) -> Bools:
        return np.array([*chosen, False], np.bool_)[self.index]


class Span(NamedTuple):
    """Where lines stand: the offset of the first byte, and of the newline that ends each."""

    start: Int64s
    end: Int64s


class HeadLines:
    """Decodes first lines; remembers those seen, over all stretches of a file."""

    def __init__(self) -> None:
        self._seen: dict[bytes, Head | None] = {}

    def decode(self, text: Text, data: bytes, lines: Span) -> Heads:
        """The head of every line."""
        hashes = _hash(text, lines)
        _, firsts, inverse = np.unique(hashes, return_index=True, return_inverse=True)
        spans = zip(lines.start[firsts].tolist(), lines.end[firsts].tolist(), strict=True)
        found = [self._head(data[start:end]) for start, end in spans]
        heads = [head for head in found if head is not None]
        numbers = np.cumsum([head is not None for head in found], dtype=np.int32) - 1
        numbers[[head is None for head in found]] = -1
        return Heads(numbers[inverse].astype(np.int32), heads)

    def _head(self, line: bytes) -> Head | None:
        if line not in self._seen:
            self._seen[line] = _parse(line)
        return self._seen[line]


def _parse(line: bytes) -> Head | None:
    try:
        told = msgspec.json.decode(b"{" + line.rstrip(b", ") + b"}", type=_HeadLine)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return None
    return Head(canonical(told.cat), told.name, told.pid, told.tid)


def _hash(text: Text, lines: Span) -> UInt64s:
    """A hash of each line: its length, its words from the front, and its last word."""
    length = lines.end - lines.start
    order = np.argsort(-length, kind="stable")
    start = lines.start[order]
    hashes = _mix(np.full(len(order), _SEED), length[order].astype(np.uint64))
    hashes = _mix(hashes, text.words[lines.end[order] - 8])
    # Longest first: the lines that still have a word at `place` are the first `alive` ones.
    longest = int(length.max(initial=0))
    alive = np.searchsorted(-length[order], -np.arange(_COMMON_PREFIX + 8, longest + 1, 8), side="right")
    for step, count in enumerate(alive.tolist()):
        place = _COMMON_PREFIX + 8 * step
        hashes[:count] = _mix(hashes[:count], text.words[start[:count] + place])
    result: NDArray[np.uint64] = np.empty_like(hashes)
    result[order] = hashes
    return result


def _mix(hashes: UInt64s, words: UInt64s) -> UInt64s:
    """One step, a bijection in either argument: `h = (h ^ w) * odd; h ^= h >> 32`."""
    mixed = (hashes ^ words) * _MULTIPLIER
    return mixed ^ (mixed >> _FOLD)
