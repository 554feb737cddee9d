"""Find the events in JSON text of any layout, by arrays.

A quote opens or closes a string, so a byte is inside one where the quotes before it are odd in number. Braces
outside strings give the depth, and with it where each event starts. No Python runs per byte or per event.
"""

from __future__ import annotations

from typing import Final, NamedTuple

import numpy as np

from sdtrace.reader.forms import DIGIT, ROW, Forms
from sdtrace.reader.numbers import Bools, Bytes, Int64s

_QUOTE, _BACKSLASH, _ZERO, _POINT, _COMMA, _PLUS, _MINUS, _EXPONENT = b'"\\0.,+-e'
_LOWER: Final = 0x20
"""The bit that makes `E` an `e`."""
_OPEN, _CLOSE = b"{}"
_SPACE: Final = 32
_POINT_TO_NINE: Final = 12
"""The point, the slash and the ten digits, in the order of ASCII. JSON has no slash outside strings."""
_DOUBLINGS: Final = tuple(np.uint64(1 << k) for k in range(6))


class Split(NamedTuple):
    """The events of a stretch of text.

    An event's text goes to the start of the next one, what separates them included. `forms.bounds` are where
    they start, one more than there are events: the last is where the text was left. Events whose index is
    in `odd` (int64) are not valid JSON, though their form may be.
    """

    forms: Forms
    odd: Int64s


def split_events(text: Bytes, *, is_all: bool) -> Split:
    """Split text that begins between two events.

    The last event is left out, unless the text `is_all` there is and the event is closed.
    """
    outside = _outside_strings(text)
    digit = (text - np.uint8(_ZERO)) < 10
    digit &= outside
    opens, closed = _event_starts(text, outside)
    starts = np.concatenate(([0], opens[1:], [len(text)]))
    if not (is_all and closed):
        starts = starts[:-1]
    invalid = np.concatenate((_zeros_in_front(text, digit), _offsets(text == DIGIT)))
    odd = np.searchsorted(starts, invalid, side="right") - 1
    return Split(Forms(text, _form(text, digit), starts), odd)


def _form(text: Bytes, digit: Bools) -> Bytes:
    """The text with `DIGIT` for every digit, and a row more."""
    form = np.empty(len(text) + ROW, np.uint8)
    form[len(text) :] = DIGIT
    kept = np.subtract(digit.view(np.uint8), 1, out=form[: len(text)])
    np.bitwise_and(text, kept, out=kept)
    return form


def _outside_strings(text: Bytes) -> Bools:
    """Whether each byte belongs to no string: an opening quote belongs to one, a closing quote does not."""
    quotes = text == _QUOTE
    quotes[_escaped(text)] = False
    bits = np.packbits(quotes, bitorder="little")
    words = np.zeros(-(-len(bits) // 8), np.uint64)
    words.view(np.uint8)[: len(bits)] = bits
    for doubling in _DOUBLINGS:
        words ^= words << doubling
    odd = np.bitwise_xor.accumulate((words >> np.uint64(63)).astype(np.uint8))
    words[1:] ^= np.uint64(0) - odd[:-1].astype(np.uint64)
    np.invert(words, out=words)
    return np.unpackbits(words.view(np.uint8), bitorder="little", count=len(text)).view(np.bool_)


def _escaped(text: Bytes) -> Int64s:
    """Offsets of the bytes that an odd number of backslashes stands before."""
    at = _offsets(text == _BACKSLASH)
    if not at.size:
        return at
    begins = np.flatnonzero(np.diff(at, prepend=-2) != 1)
    lengths = np.diff(begins, append=len(at))
    after = (at[begins] + lengths)[lengths % 2 == 1]
    inside: Int64s = after[after < len(text)]
    return inside


def _event_starts(text: Bytes, outside: Bools) -> tuple[Int64s, bool]:
    """Where each event opens, and whether the last one is closed.

    A brace that neither a comma nor a blank stands before starts no event: it remains with the one before it.
    """
    brace = text >= _OPEN
    brace &= outside
    braces = np.flatnonzero(brace)
    kinds = text[braces]
    step = (kinds == _OPEN).view(np.int8) - (kinds == _CLOSE).view(np.int8)
    depth = np.cumsum(step, dtype=np.int32)
    opens = braces[(depth == 1) & (step == 1)]
    before = text[opens - 1]
    apart = (before == _COMMA) | (before <= _SPACE) | (opens == 0)
    apart[:1] = True
    return opens[apart], bool(len(depth)) and depth[-1] == 0


def _zeros_in_front(text: Bytes, digit: Bools) -> Int64s:
    """Offsets of numbers such as 012, which JSON has not: fractions and exponents may start with a zero."""
    zero = text[1:-1] == _ZERO
    zero &= digit[2:]
    zero &= (text[:-2] - np.uint8(_POINT)) >= _POINT_TO_NINE
    at = _offsets(zero) + 1
    signed = (text[at - 1] == _PLUS) | (text[at - 1] == _MINUS)
    before = text[at - 1 - signed] | _LOWER
    whole: Int64s = at[before != _EXPONENT]
    return whole


def _offsets(rare: Bools) -> Int64s:
    """Where something is that most texts have nowhere."""
    return np.flatnonzero(rare) if rare.any() else np.zeros(0, np.int64)
