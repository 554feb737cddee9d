"""Find the events in JSON text of any layout, by arrays.

A quote opens or closes a string, so a byte is inside one where the quotes before it are odd in number. Braces
outside strings give the depth, and with it where each event starts. No Python runs per byte or per event.
"""

from __future__ import annotations

from typing import Final, NamedTuple

import numpy as np

from sdtrace.reader.words import ROW, Bytes, Int64s, UInt64s

DIGIT: Final = b"\0"
"""A byte that JSON has nowhere, not even in a string."""
_QUOTE, _ZERO, _COMMA, _BACKSLASH = b'"0,\\'
_OPEN, _CLOSE = b"{}"
_NO_EVENT: Final = ord("!")
"""What no event begins with."""
_SPACE: Final = 32
_STRETCH: Final = 1 << 20
"""Bytes compared at once: with fewer threads wait for each other."""
_ONE: Final = np.uint64(1)
_TOP: Final = np.uint64(63)
_DOUBLINGS: Final = tuple(np.uint64(1 << k) for k in range(6))


class Split(NamedTuple):
    """The events of a stretch of `text`.

    The text of an event goes to the start of the next one, what separates them included. `bounds` (int64) are
    where they start, one more than there are events: the last is where the text was left. `form` is the text
    with `DIGIT` for every digit outside strings, and `ROW` bytes more. An event that holds `DIGIT` itself,
    so is no JSON, has the form of none that is.
    """

    text: Bytes
    form: Bytes
    bounds: Int64s

    def form_of(self, event: int) -> bytes:
        """The form of one event."""
        return self.form[self.bounds[event] : self.bounds[event + 1]].tobytes()


def split_events(chunk: bytes, start: int, stop: int, *, is_all: bool) -> Split:
    """Split the text from `start` to `stop` of a chunk; it begins between two events.

    The last event is left out, unless the text `is_all` there is and the event is closed.
    """
    text = np.frombuffer(chunk, np.uint8, stop - start, start)
    quotes, digits, braces = _bits(text)
    if chunk.find(_BACKSLASH, start, stop) >= 0:
        at = _escaped(text)
        np.bitwise_and.at(quotes, at >> 6, ~(_ONE << (at & 63).astype(np.uint64)))
    outside = _outside_strings(quotes)
    digits &= outside
    opens, closed = _event_starts(text, _positions(braces & outside))
    bounds = np.concatenate(([0], opens[1:], [len(text)]))
    form = _form(text, digits)
    if chunk.find(DIGIT, start, stop) >= 0:
        events = np.searchsorted(bounds, np.flatnonzero(text == ord(DIGIT)), side="right") - 1
        form[bounds[events]] = _NO_EVENT
    return Split(text, form, bounds if is_all and closed else bounds[:-1])


def _bits(text: Bytes) -> UInt64s:
    """Three rows, a bit for each byte of the text, the first the lowest: whether it is a quote, a digit, a
    brace. (A bar or a tilde counts as a brace; neither stands outside strings.)"""
    packed = np.zeros((3, (len(text) + ROW) // 64 * 8 + 8), np.uint8)
    for first in range(0, len(text), _STRETCH):
        part = text[first : first + _STRETCH]
        is_digit = (part - np.uint8(_ZERO)) < 10
        for row, is_one in zip(packed, (part == _QUOTE, is_digit, part >= _OPEN), strict=True):
            bits = np.packbits(is_one, bitorder="little")
            row[first // 8 : first // 8 + len(bits)] = bits
    return packed.view(np.uint64)


def _positions(bits: UInt64s) -> Int64s:
    """Where the ones are."""
    octets = bits.view(np.uint8)
    filled = np.flatnonzero(octets != 0)
    ones = np.flatnonzero(np.unpackbits(octets[filled], bitorder="little"))
    places: Int64s = filled[ones >> 3] * 8 + (ones & 7)
    return places


def _form(text: Bytes, digits: UInt64s) -> Bytes:
    form = np.unpackbits(digits.view(np.uint8), bitorder="little")
    form -= np.uint8(1)
    form[: len(text)] &= text
    return form


def _outside_strings(quotes: UInt64s) -> UInt64s:
    """Whether each byte belongs to no string: an opening quote belongs to one, a closing quote does not."""
    words = quotes.copy()
    for doubling in _DOUBLINGS:
        words ^= words << doubling
    odd = np.bitwise_xor.accumulate((words >> _TOP).astype(np.uint8))
    words[1:] ^= np.uint64(0) - odd[:-1].astype(np.uint64)
    return np.invert(words, out=words)


def _escaped(text: Bytes) -> Int64s:
    """Offsets of the bytes that an odd number of backslashes stands before."""
    at = np.flatnonzero(text == _BACKSLASH)
    begins = np.flatnonzero(np.diff(at, prepend=-2) != 1)
    lengths = np.diff(begins, append=len(at))
    after = (at[begins] + lengths)[lengths % 2 == 1]
    inside: Int64s = after[after < len(text)]
    return inside


def _event_starts(text: Bytes, braces: Int64s) -> tuple[Int64s, bool]:
    """Where each event opens, and whether the last one is closed.

    A brace that neither a comma nor a blank stands before starts no event: it remains with the one before it.
    """
    kinds = text[braces]
    step = (kinds == _OPEN).view(np.int8) - (kinds == _CLOSE).view(np.int8)
    depth = np.cumsum(step, dtype=np.int32)
    opens = braces[(depth == 1) & (step == 1)]
    before = text[opens - 1]
    apart = (before == _COMMA) | (before <= _SPACE) | (opens == 0)
    apart[:1] = True
    return opens[apart], bool(len(depth)) and depth[-1] == 0
