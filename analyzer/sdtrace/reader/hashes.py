"""Hashes of many stretches of a text at once, by arrays."""

from __future__ import annotations

import os
from hashlib import shake_128
from typing import Final

import numpy as np

from sdtrace.reader.numbers import Bytes, Int64s, UInt64s

ROW: Final = 64
"""Bytes hashed at once."""
_WORDS: Final = ROW // 8
_AT_ONCE: Final = 1 << 14
"""Spans hashed at once: more take memory, with fewer threads wait for each other."""
_HALF: Final = np.uint64(32)
_SEED: Final = os.urandom(16)
"""What nobody foresees. Importing numpy's generators takes longer than all keys."""
_OF_LENGTH: Final = np.frombuffer(_SEED, np.uint64)[0] | np.uint64(1)
_SHORT: Final = np.tril(np.full((ROW + 1, ROW), 0xFF, np.uint8), -1).view(np.uint64)
"""For each length below a row, the bits of a row to keep."""


def hash_spans(text: Bytes, starts: Int64s, ends: Int64s) -> UInt64s:
    """A hash of the text from each of `starts` to its end, with random keys per process; no span is empty.

    A key is added to each word of the text, and the sum multiplied by its own upper half. Two given texts get
    the same hash with a probability below 2**-30, and mostly far below. At least `ROW` bytes must follow the
    last span.
    """
    slices = [slice(first, first + _AT_ONCE) for first in range(0, len(starts), _AT_ONCE)]
    parts = [_hash_spans(text, starts[part], ends[part]) for part in slices]
    return np.concatenate(parts) if parts else np.zeros(0, np.uint64)


def _hash_spans(text: Bytes, starts: Int64s, ends: Int64s) -> UInt64s:
    lengths = ends - starts
    counts = (lengths + (ROW - 1)) // ROW
    stops = np.cumsum(counts)
    firsts = stops - counts
    place = np.arange(stops[-1]) - np.repeat(firsts, counts)
    at = np.repeat(starts, counts) + place * ROW
    at[stops - 1] = np.maximum(ends - ROW, starts)
    rows = np.ndarray(len(text) - ROW + 1, f"V{ROW}", text, strides=(1,))[at]
    words = rows.view(np.uint64).reshape(-1, _WORDS)
    short = np.flatnonzero(lengths < ROW)
    words[firsts[short]] &= _SHORT[lengths[short]]
    keys = np.frombuffer(shake_128(_SEED).digest(ROW * int(counts.max())), np.uint64).reshape(-1, _WORDS)
    words += keys.take(place, axis=0)
    words *= words >> _HALF
    hashes: UInt64s = np.add.reduceat(words.ravel(), firsts * _WORDS)
    hashes ^= lengths.astype(np.uint64) * _OF_LENGTH
    return hashes
