"""Tell apart the forms of events: a hash of each, found by arrays.

The form of an event is its text with `DIGIT` for every digit outside strings. Events of one form are the same
text but for the values of their numbers, which stand at the same offsets.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np

from sdtrace.reader.numbers import Bytes, Int64s, UInt64s

DIGIT: Final = 1
"""A byte that JSON has nowhere, not even in a string."""
ROW: Final = 64
"""Bytes hashed at once."""
_WORDS: Final = ROW // 8
_HALF: Final = np.uint64(32)
_MOST_ROWS: Final = 1 << 13
"""The pieces of text that are split have fewer."""
_random: Final = np.random.default_rng()
_LOW, _HIGH = (_random.integers(0, 1 << 64, _WORDS, np.uint64) for _ in range(2))
_PER_ROW: Final = _random.integers(0, 1 << 64, _MOST_ROWS, np.uint64) | np.uint64(1)
_SHORT: Final = np.tril(np.full((ROW + 1, ROW), 0xFF, np.uint8), -1).view(np.uint64)
"""For each length below a row, the bits of a row to keep."""


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

    def one(self, index: int) -> bytes:
        """One of the forms."""
        return self.text[self.bounds[index] : self.bounds[index + 1]].tobytes()

    def event(self, index: int) -> bytes:
        """The text of one event."""
        return self.source[self.bounds[index] : self.bounds[index + 1]].tobytes()

    def hashes(self) -> UInt64s:
        """A hash of each form, with random multipliers per process.

        Two given forms get the same hash with a probability below 2**-32, and mostly far below.
        """
        if not len(self):
            return np.zeros(0, np.uint64)
        starts, lengths = self.bounds[:-1], np.diff(self.bounds)
        counts = (lengths + (ROW - 1)) // ROW
        ends = np.cumsum(counts)
        firsts = ends - counts
        place = np.arange(ends[-1]) - np.repeat(firsts, counts)
        at = np.repeat(starts, counts) + place * ROW
        at[ends - 1] = np.maximum(self.bounds[1:] - ROW, starts)
        rows = self._rows(at)
        short = np.flatnonzero(lengths < ROW)
        rows[firsts[short]] &= _SHORT[lengths[short]]
        mixed = rows @ _LOW
        rows >>= _HALF
        mixed += rows @ _HIGH
        mixed ^= mixed >> _HALF
        mixed *= _PER_ROW[place]
        hashes: UInt64s = np.add.reduceat(mixed, firsts)
        hashes ^= lengths.astype(np.uint64) * _PER_ROW[-1]
        return hashes

    def _rows(self, at: Int64s) -> UInt64s:
        """The row of text at each offset, as words."""
        places = np.ndarray(len(self.text) - ROW + 1, f"V{ROW}", self.text, strides=(1,))
        return places[at].view(np.uint64).reshape(-1, _WORDS)
