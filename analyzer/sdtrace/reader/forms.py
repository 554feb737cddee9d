"""Tell apart the forms of events: a hash of each, found by arrays.

The form of an event is its text with `DIGIT` for every digit outside strings. Events of one form are the same
text but for the values of their numbers, which stand at the same offsets.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from functools import cache
from typing import Final, NamedTuple

import numpy as np

from sdtrace.reader.numbers import Bytes, Int64s, UInt64s

DIGIT: Final = 0
"""A byte that JSON has nowhere, not even in a string."""
_NO_DIGIT: Final = ord(",")
ROW: Final = 64
"""Bytes hashed at once."""
_WORDS: Final = ROW // 8
_AT_ONCE: Final = 1 << 14
"""Spans hashed at once: more take memory, with fewer threads wait for each other."""
_NONE: Final = np.zeros(0, np.uint64)
_HALF: Final = np.uint64(32)
_GOLDEN: Final = 0x9E3779B97F4A7C15
_MIX: Final = ((30, 0xBF58476D1CE4E5B9), (27, 0x94D049BB133111EB), (31, 1))


def _random_word() -> int:
    """A word that nobody foresees. Importing numpy's generators takes longer than all keys."""
    return int.from_bytes(os.urandom(8), "little")


_SEED: Final = np.uint64(_random_word())
_OF_LENGTH: Final = np.uint64(_random_word() | 1)


@cache
def _keys(doublings: int) -> UInt64s:
    """Keys of the first `2**doublings` rows: SplitMix64 (Steele, Lea and Flood 2014)."""
    words: UInt64s = np.arange(_WORDS << doublings, dtype=np.uint64) * np.uint64(_GOLDEN) + _SEED
    for shift, odd in _MIX:
        words ^= words >> np.uint64(shift)
        words *= np.uint64(odd)
    return words.reshape(-1, _WORDS)


_SHORT: Final = np.tril(np.full((ROW + 1, ROW), 0xFF, np.uint8), -1).view(np.uint64)
"""For each length below a row, the bits of a row to keep."""


class Runs(NamedTuple):
    """The runs of digits of some forms, one form after the other."""

    first: Int64s
    """The index of each form's first run, one more than there are forms."""
    start: Int64s
    """Its offset in the event."""
    width: Int64s
    skeleton: UInt64s
    """For each form a hash of what stands between its runs."""


@dataclass(frozen=True)
class Forms:
    """The events of `source` and their forms in `text`, one after the other.

    `bounds` (int64) are offsets in both, one more than there are events; no event is empty. At least `ROW`
    bytes more must follow in `text`.
    """

    source: Bytes
    text: Bytes
    bounds: Int64s

    def __len__(self) -> int:
        return len(self.bounds) - 1

    def event(self, index: int) -> bytes:
        """The text of one event."""
        return self.source[self.bounds[index] : self.bounds[index + 1]].tobytes()

    def hashes(self) -> UInt64s:
        """A hash of each form, as `hash_spans` gives it."""
        return hash_spans(self.text, self.bounds[:-1], self.bounds[1:])

    def runs(self, events: Int64s) -> Runs:
        """The runs of digits of the given events, and what stands between them."""
        lengths = np.diff(self.bounds)[events] + 1
        ends = np.cumsum(lengths)
        firsts = ends - lengths
        text = self.text[np.arange(ends[-1]) + np.repeat(self.bounds[events] - firsts, lengths)]
        text[ends - 1] = _NO_DIGIT
        is_digit = text == DIGIT
        edges = np.flatnonzero(np.diff(is_digit, prepend=False))
        begins, widths = edges[::2], np.diff(edges)[::2]
        kept = ~is_digit
        kept[begins] = True
        bounds = np.concatenate(([0], np.cumsum(kept)[ends - 1]))
        between = np.concatenate((text[kept], np.full(ROW, _NO_DIGIT, np.uint8)))
        index = np.searchsorted(begins, np.append(firsts, ends[-1]))
        starts = begins - np.repeat(firsts, np.diff(index))
        return Runs(index, starts, widths, Forms(between, between, bounds).hashes())


def hash_spans(text: Bytes, starts: Int64s, ends: Int64s) -> UInt64s:
    """A hash of the text from each of `starts` to its end, with random keys per process; no span is empty.

    A key is added to each word of the text, and the sum multiplied by its own upper half. Two given texts get
    the same hash with a probability below 2**-30, and mostly far below. At least `ROW` bytes must follow the
    last span.
    """
    slices = (slice(first, first + _AT_ONCE) for first in range(0, len(starts), _AT_ONCE))
    return np.concatenate([_NONE, *(_hash_spans(text, starts[part], ends[part]) for part in slices)])


def _hash_spans(text: Bytes, starts: Int64s, ends: Int64s) -> UInt64s:
    lengths = ends - starts
    counts = (lengths + (ROW - 1)) // ROW
    stops = np.cumsum(counts)
    firsts = stops - counts
    place = np.arange(stops[-1]) - np.repeat(firsts, counts)
    at = np.repeat(starts, counts) + place * ROW
    at[stops - 1] = np.maximum(ends - ROW, starts)
    rows = _rows(text, at)
    short = np.flatnonzero(lengths < ROW)
    rows[firsts[short]] &= _SHORT[lengths[short]]
    rows += _keys(int(counts.max()).bit_length()).take(place, axis=0)
    rows *= rows >> _HALF
    hashes: UInt64s = np.add.reduceat(rows.ravel(), firsts * _WORDS)
    hashes ^= lengths.astype(np.uint64) * _OF_LENGTH
    return hashes


def _rows(text: Bytes, at: Int64s) -> UInt64s:
    """The row of text at each offset, as words."""
    places = np.ndarray(len(text) - ROW + 1, f"V{ROW}", text, strides=(1,))
    return places[at].view(np.uint64).reshape(-1, _WORDS)
