"""Find the events in JSON text of any layout, by arrays.

A quote opens or closes a string, so a byte is inside one where the quotes before it are odd in number. Braces
outside strings give the depth, and with it where each event starts. No Python runs per byte or per event.
"""

from __future__ import annotations

from typing import Final, NamedTuple

import numpy as np

from sdtrace.reader.hashes import ROW
from sdtrace.reader.numbers import Bytes, Int64s, UInt64s

DIGIT: Final = 0
"""A byte that JSON has nowhere, not even in a string."""
_QUOTE, _ZERO, _POINT, _COMMA, _PLUS, _MINUS, _EXPONENT = b'"0.,+-e'
_BACKSLASH: Final = b"\\"
_LOWER: Final = 0x20
"""The bit that makes `E` an `e`."""
_OPEN, _CLOSE = b"{}"
_SPACE: Final = 32
_STRETCH: Final = 1 << 21
"""Bytes compared at once: with fewer threads wait for each other."""
_ONE: Final = np.uint64(1)
_TOP: Final = np.uint64(63)
_DOUBLINGS: Final = tuple(np.uint64(1 << k) for k in range(6))


class Split(NamedTuple):
    """The events of a stretch of text.

    An event's text goes to the start of the next one, what separates them included. `bounds` (int64) are
    where they start, one more than there are events: the last is where the text was left. `form` is the text
    with `DIGIT` for every digit outside strings, and `ROW` bytes more. Events whose index is in `odd` (int64)
    are not valid JSON, though their form may be.
    """

    form: Bytes
    bounds: Int64s
    odd: Int64s

    def form_of(self, event: int) -> bytes:
        """The form of one event."""
        return self.form[self.bounds[event] : self.bounds[event + 1]].tobytes()


def split_events(chunk: bytes, start: int, stop: int, *, is_all: bool) -> Split:
    """Split the text from `start` to `stop` of a chunk; it begins between two events.

    The last event is left out, unless the text `is_all` there is and the event is closed.
    """
    text = np.frombuffer(chunk, np.uint8, stop - start, start)
    quotes, digits, zeros, braces = _bits(text)
    if chunk.find(_BACKSLASH, start, stop) >= 0:
        at = _escaped(text)
        np.bitwise_and.at(quotes, at >> 6, ~(_ONE << (at & 63).astype(np.uint64)))
    outside = _outside_strings(quotes)
    digits &= outside
    opens, closed = _event_starts(text, _positions(braces & outside))
    starts = np.concatenate(([0], opens[1:], [len(text)]))
    if not (is_all and closed):
        starts = starts[:-1]
    invalid = _zeros_in_front(text, zeros, digits)
    if chunk.find(DIGIT, start, stop) >= 0:
        invalid = np.concatenate((invalid, np.flatnonzero(text == DIGIT)))
    odd = np.searchsorted(starts, invalid, side="right") - 1
    return Split(_form(text, digits), starts, odd)


def _bits(text: Bytes) -> UInt64s:
    """Four rows, a bit for each byte of the text, the first the lowest: whether it is a quote, a digit, a
    zero, a brace. (A bar or a tilde counts as a brace; neither stands outside strings.)"""
    packed = np.zeros((4, -(-len(text) // 64) * 8), np.uint8)
    for first in range(0, len(text), _STRETCH):
        part = text[first : first + _STRETCH]
        is_digit = (part - np.uint8(_ZERO)) < 10
        for row, is_one in zip(packed, (part == _QUOTE, is_digit, part == _ZERO, part >= _OPEN), strict=True):
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
    """The text with `DIGIT` for every digit, and a row more."""
    form = np.empty(len(text) + ROW, np.uint8)
    form[len(text) :] = DIGIT
    octets = digits.view(np.uint8)
    for first in range(0, len(text), _STRETCH):
        part = text[first : first + _STRETCH]
        bits = octets[first // 8 : (first + _STRETCH) // 8]
        kept = np.unpackbits(bits, count=len(part), bitorder="little")
        kept -= np.uint8(1)
        np.bitwise_and(part, kept, out=form[first : first + len(part)])
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
    at = np.flatnonzero(text == ord(_BACKSLASH))
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


def _zeros_in_front(text: Bytes, zeros: UInt64s, digits: UInt64s) -> Int64s:
    """Offsets of numbers such as 012, which JSON has not: fractions and exponents may start with a zero."""
    after, before = digits >> _ONE, digits << _ONE
    after[:-1] |= digits[1:] << _TOP
    before[1:] |= digits[:-1] >> _TOP
    at = _positions(zeros & digits & after & ~before)
    at = at[text[at - 1] != _POINT]
    signed = (text[at - 1] == _PLUS) | (text[at - 1] == _MINUS)
    exponent = text[at - 1 - signed] | _LOWER
    whole: Int64s = at[exponent != _EXPONENT]
    return whole
