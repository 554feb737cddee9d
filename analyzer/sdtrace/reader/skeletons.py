"""Tell apart the skeletons of events: a hash of each, found by arrays.

Hashes are 64 bits wide, with random multipliers per process: two different skeletons fall together with a
probability below 2**-39 in any file, also one made to collide.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np

from sdtrace.reader.numbers import PADDING, Bytes, Int64s, UInt64s, as_text

_FOLD: Final = np.uint64(32)
_WORD: Final = 8
_LONGEST: Final = 1 << 16
"""Words; the pieces of text that are split have fewer."""
_MULTIPLIERS: Final = np.random.default_rng().integers(0, 1 << 64, _LONGEST, np.uint64) | np.uint64(1)


@dataclass(frozen=True)
class Skeletons:
    """Texts one after the other. `bounds` (int64) are offsets in `text`, one more than there are texts."""

    text: Bytes
    bounds: Int64s

    def __len__(self) -> int:
        return len(self.bounds) - 1

    def one(self, index: int) -> bytes:
        """One of the texts."""
        return self.text[self.bounds[index] : self.bounds[index + 1]].tobytes()

    def hashes(self) -> UInt64s:
        """A hash of each text, by its words from the front, its last word and its length."""
        words = as_text(self.text.tobytes() + PADDING).words
        starts, lengths = self.bounds[:-1], np.diff(self.bounds)
        counts = lengths // _WORD + 1
        firsts = np.cumsum(counts) - counts
        place = np.arange(int(counts.sum())) - np.repeat(firsts, counts)
        at = np.repeat(starts, counts) + place * _WORD
        at[firsts + counts - 1] = np.maximum(self.bounds[1:] - _WORD, 0)
        word = words[at]
        word ^= word >> _FOLD
        word *= _MULTIPLIERS[place]
        hashes: UInt64s = np.add.reduceat(word, firsts) if len(firsts) else np.zeros(0, np.uint64)
        hashes ^= lengths.astype(np.uint64) * _MULTIPLIERS[-1]
        return hashes
