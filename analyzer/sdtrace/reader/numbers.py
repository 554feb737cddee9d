"""Decimal numbers inside text, many at a time: eight digits per 64-bit word (SWAR).

A word holds eight bytes of text, the first in the lowest byte. All functions take and return arrays
of one length; nothing loops over rows.
"""

from __future__ import annotations

from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

UInt64s = NDArray[np.uint64]
Int64s = NDArray[np.int64]
Int32s = NDArray[np.int32]
Bools = NDArray[np.bool_]
Bytes = NDArray[np.uint8]

PADDING: Final = b"\0" * 32
"""What must follow a text, so that words may be read past its end."""

_ZEROS = np.uint64(0x3030303030303030)
_WORD = 8
_POWERS = np.array([10**k for k in range(_WORD + 1)], np.int64)


class Text(NamedTuple):
    """A stretch of text as bytes and as overlapping 64-bit words, one starting at every byte."""

    bytes: Bytes
    words: UInt64s


def as_text(data: bytes) -> Text:
    """View `data`, whose last 8 bytes must be padding, without copying it."""
    octets = np.frombuffer(data, np.uint8)
    words = np.ndarray(shape=(len(data) - 7,), dtype="<u8", buffer=data, strides=(1,))
    return Text(octets, words)


def integers(text: Text, at: Int64s, digits: Int32s) -> Int64s:
    """The integers of 0 to 16 `digits` that start at byte offsets `at`; no digits are 0."""
    values = _up_to_eight(text.words[at], np.minimum(digits, _WORD))
    wide = np.flatnonzero(digits > _WORD)
    if wide.size:
        rest = digits[wide] - _WORD
        values[wide] *= _POWERS[rest]
        values[wide] += _up_to_eight(text.words[at[wide] + _WORD], rest)
    return values


def thousandths(text: Text, at: Int64s, digits: Int32s, decimals: Int32s) -> Int64s:
    """Numbers with 0 to 3 `decimals`, times 1000: microseconds in, exact nanoseconds out."""
    values = integers(text, at, digits)
    values *= 1000
    fraction = _up_to_eight(text.words[at + digits + 1], decimals)
    values += fraction * _POWERS[3 - decimals]
    return values


def _up_to_eight(words: UInt64s, digits: Int32s) -> Int64s:
    """The number that the first `digits` of each word make."""
    # Shift the digits to the end of the word, so that zeros stand before them. A shift by 64 is
    # undefined: it is two shifts.
    half = ((_WORD - digits) << 2).astype(np.uint64)
    value = words ^ _ZEROS
    value <<= half
    value <<= half
    value = (value * np.uint64(10) + (value >> np.uint64(8))) & np.uint64(0x00FF00FF00FF00FF)
    value = (value * np.uint64(100) + (value >> np.uint64(16))) & np.uint64(0x0000FFFF0000FFFF)
    value = (value * np.uint64(10000) + (value >> np.uint64(32))) & np.uint64(0xFFFFFFFF)
    return value.view(np.int64)
