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
Bools = NDArray[np.bool_]
Bytes = NDArray[np.uint8]

PADDING: Final = b"\0" * 32
"""What must follow a text, so that words may be read past its end."""

_ZEROS = np.uint64(0x3030303030303030)
_ABOVE_NINE = np.uint64(0x7676767676767676)
_HIGH_BITS = np.uint64(0x8080808080808080)
_ONE = np.uint64(1)
_POWERS = np.array([10**k for k in range(9)], np.uint64)
_POINT = 46


class Text(NamedTuple):
    """A stretch of text as bytes and as overlapping 64-bit words, one starting at every byte."""

    bytes: Bytes
    words: UInt64s


def as_text(data: bytes) -> Text:
    """View `data`, whose last 8 bytes must be padding, without copying it."""
    octets = np.frombuffer(data, np.uint8)
    words = np.ndarray(shape=(len(data) - 7,), dtype="<u8", buffer=data, strides=(1,))
    return Text(octets, words)


class Integers(NamedTuple):
    """Non-negative integers read at given places: their values, where they end, and which are valid."""

    values: Int64s
    ends: Int64s
    valid: Bools


def integers(text: Text, at: Int64s) -> Integers:
    """Integers of 1 to 15 digits that start at byte offsets `at`; longer ones are not valid."""
    high, high_width = _digits(text.words[at])
    values = high.astype(np.int64)
    widths = high_width.astype(np.int64)
    wide = np.flatnonzero(widths == 8)
    if wide.size:
        low, low_width = _digits(text.words[at[wide] + 8])
        values[wide] = values[wide] * _POWERS[low_width].astype(np.int64) + low.astype(np.int64)
        widths[wide] += low_width.astype(np.int64)
    return Integers(values, at + widths, (widths > 0) & (widths < 16))


def thousandths(text: Text, at: Int64s) -> Integers:
    """Numbers with at most three decimals, times 1000: microseconds in, exact nanoseconds out."""
    whole = integers(text, at)
    fraction, width = _digits(text.words[whole.ends + 1])
    has_point = text.bytes[whole.ends] == _POINT
    exact = ~has_point | ((width > 0) & (width < 4))
    decimals = fraction * _POWERS[3 - np.minimum(width, 3)]
    values = whole.values * 1000 + np.where(has_point, decimals.astype(np.int64), 0)
    ends = np.where(has_point, whole.ends + 1 + width.astype(np.int64), whole.ends)
    return Integers(values, ends, whole.valid & exact)


def _digits(words: UInt64s) -> tuple[UInt64s, UInt64s]:
    """The number that the leading digits of each word make, and how many digits those are (0 to 8)."""
    plain = words ^ _ZEROS
    stops = ((plain + _ABOVE_NINE) | plain) & _HIGH_BITS
    first_stop = stops & (~stops + _ONE)
    width = (np.bitwise_count(first_stop - _ONE) >> 3).astype(np.uint64)
    # Shift the digits to the end of the word, so that zeros stand before them. A shift by 64 is
    # undefined: it is two shifts.
    half = (np.uint64(8) - width) << np.uint64(2)
    aligned = (plain << half) << half
    pairs = (aligned * np.uint64(10) + (aligned >> np.uint64(8))) & np.uint64(0x00FF00FF00FF00FF)
    quads = (pairs * np.uint64(100) + (pairs >> np.uint64(16))) & np.uint64(0x0000FFFF0000FFFF)
    value = (quads * np.uint64(10000) + (quads >> np.uint64(32))) & np.uint64(0xFFFFFFFF)
    return value, width
