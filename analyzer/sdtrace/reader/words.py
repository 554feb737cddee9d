"""Words of eight bytes, many at a time: decimal numbers in them (SWAR), and hashes of stretches of text.

A word's first byte is its lowest. Nothing loops over events.
"""

from __future__ import annotations

import os
from hashlib import shake_128
from typing import Final

import numpy as np
from numpy.typing import NDArray

UInt64s = NDArray[np.uint64]
Int64s = NDArray[np.int64]
Bools = NDArray[np.bool_]
Bytes = NDArray[np.uint8]

ROW: Final = 64
"""Bytes hashed at once."""
PADDING: Final = b"\0" * ROW
"""What must follow a text, so that words and rows of them may be read past its end."""
_ZEROS = np.uint64(0x3030303030303030)
_WORD = 8
_ROWS: Final = 1 << 15
"""Events read at once: with fewer threads wait for each other."""
_POWERS = np.array([10**k for k in range(_WORD + 1)], np.int64)
_WORDS: Final = ROW // _WORD
_AT_ONCE: Final = 1 << 14
"""Spans hashed at once: more take memory, with fewer threads wait for each other."""
_HALF: Final = np.uint64(32)
_SEED: Final = os.urandom(16)
"""What nobody foresees. Importing numpy's generators takes longer than all keys."""
_OF_LENGTH: Final = np.frombuffer(_SEED, np.uint64)[0] | np.uint64(1)
_SHORT: Final = np.tril(np.full((ROW + 1, ROW), 0xFF, np.uint8), -1).view(np.uint64)
"""For each length below a row, the bits of a row to keep."""


def integers(data: bytes, starts: Int64s, form: Int64s, places: Int64s) -> Int64s:
    """The numbers of all events, one row a field; 0 where an event has none.

    Events of the given `form` start at the byte offsets `starts` of `data`, which ends in `PADDING`. `places`
    (forms, fields, 2) tells where in them a number begins and ends: 16 digits at most, 0 for no number.
    """
    words = np.ndarray(len(data) - _WORD + 1, "<u8", data, strides=(1,))
    offset, end = places.transpose(2, 0, 1)
    digits = end - offset
    high = np.minimum(digits, _WORD)
    offset = np.concatenate((offset, offset + _WORD), axis=1)
    width = np.concatenate((high, digits - high), axis=1)
    unit = np.concatenate((_POWERS[digits - high], np.ones_like(high)), axis=1)
    used = np.flatnonzero(width.any(axis=0))
    offset, width, unit = offset[:, used], width[:, used], unit[:, used]
    values = np.zeros((places.shape[1], len(starts)), np.int64)
    for first in range(0, len(starts), _ROWS):
        rows = slice(first, first + _ROWS)
        at = offset.take(form[rows], axis=0)
        at += starts[rows, np.newaxis]
        numbers = _up_to_eight(words[at], width.take(form[rows], axis=0))
        numbers *= unit.take(form[rows], axis=0)
        for field, part in zip((used % len(values)).tolist(), numbers.T, strict=True):
            values[field, rows] += part
    return values


def _up_to_eight(words: UInt64s, digits: Int64s) -> Int64s:
    """The number that the first `digits` of each word make."""
    # Shift the digits to the end of the word, so that zeros stand before them. A shift by 64 is
    # undefined: it is two shifts.
    half = ((_WORD - digits) << 2).view(np.uint64)
    value = words ^ _ZEROS
    value <<= half
    value <<= half
    value = (value * np.uint64(10) + (value >> np.uint64(8))) & np.uint64(0x00FF00FF00FF00FF)
    value = (value * np.uint64(100) + (value >> np.uint64(16))) & np.uint64(0x0000FFFF0000FFFF)
    value = (value * np.uint64(10000) + (value >> np.uint64(32))) & np.uint64(0xFFFFFFFF)
    return value.view(np.int64)


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
