"""Decimal numbers inside text, many at a time: eight digits per 64-bit word (SWAR).

A word holds eight bytes of text, the first in the lowest byte. All functions take and return arrays
of one length; nothing loops over rows.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

UInt64s = NDArray[np.uint64]
Int64s = NDArray[np.int64]
Bools = NDArray[np.bool_]
Bytes = NDArray[np.uint8]

PADDING: Final = b"\0" * 64
"""What must follow a text, so that words and rows of them may be read past its end."""

_ZEROS = np.uint64(0x3030303030303030)
_WORD = 8
_ROWS: Final = 1 << 15
"""Events read at once: with fewer threads wait for each other."""
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


class Places(NamedTuple):
    """How a number stands in the events of each form: arrays (int64), one entry a form."""

    offset: Int64s
    """From the start of the event."""
    digits: Int64s
    """Before the point, at most 16; 0 where such events have no number."""
    decimals: Int64s
    """At most 3."""
    unit: Int64s
    """What the number is multiplied by: 1, or 1000, or -1 for a minus before it."""


def integers(text: Text, starts: Int64s, form: Int64s, fields: list[Places]) -> Int64s:
    """For each of `fields` the numbers of all events, one row a field; 0 where an event has none.

    Events of the given `form` start at the byte offsets `starts`.
    """
    values = np.zeros((len(fields), len(starts)), np.int64)
    parts = [(field, *part) for field, places in enumerate(fields) for part in _parts(places)]
    owners, offsets, widths, units = zip(*parts, strict=True)
    offset, width, unit = (np.stack(column, axis=1) for column in (offsets, widths, units))
    for first in range(0, len(starts), _ROWS):
        rows = slice(first, first + _ROWS)
        at = offset.take(form[rows], axis=0)
        at += starts[rows, np.newaxis]
        numbers = _up_to_eight(text.words[at], width.take(form[rows], axis=0))
        numbers *= unit.take(form[rows], axis=0)
        for field, part in zip(owners, numbers.T, strict=True):
            values[field, rows] += part
    return values


def _parts(places: Places) -> Iterator[tuple[Int64s, Int64s, Int64s]]:
    """Up to eight digits of a number at a time: their offset, how many they are, and their unit."""
    offset, digits, decimals, unit = places
    high = np.minimum(digits, _WORD)
    yield offset, high, unit * _POWERS[digits - high]
    if (digits > _WORD).any():
        yield offset + _WORD, digits - high, unit
    if decimals.any():
        yield offset + digits + 1, decimals, unit // _POWERS[decimals]


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
