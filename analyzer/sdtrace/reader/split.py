"""Find the events in JSON text of any layout, by arrays.

A quote opens or closes a string, so a byte is inside one where the quotes before it are odd in number. Braces
outside strings give the depth, and with it where each event starts. No Python runs per byte or per event.
"""

from __future__ import annotations

from typing import Final, NamedTuple

import numpy as np

from sdtrace.reader.numbers import Bools, Bytes, Int64s
from sdtrace.reader.skeletons import Skeletons

_QUOTE, _BACKSLASH, _ZERO, _POINT, _COMMA, _PLUS, _MINUS, _EXPONENT = b'"\\0.,+-e'
_LOWER: Final = 0x20
"""The bit that makes `E` an `e`."""
_OPEN, _CLOSE = b"{}"
_SPACE: Final = 32
_BRACE_BITS: Final = np.uint8(0x06)
"""With these bits set both braces are DEL: `y` is too, which JSON has outside strings nowhere."""
_DELETE: Final = 0x7F
_SEPARATOR: Final = 1
"""A byte that JSON has nowhere, not even in a string."""
_DOUBLINGS: Final = tuple(np.uint64(1 << k) for k in range(6))


class Split(NamedTuple):
    """The events of a stretch of text.

    An event's text goes to the start of the next one, what separates them included. `starts` (int64) are
    offsets, one more than there are events: the last is where the text was left. `skeletons` are the
    events' texts with each run of digits outside strings replaced by one `0`. `digits` (int64) are the
    offsets of those runs, `first` (int64) is the index into `digits` of each event's first. Events whose
    index is in `odd` (int64) are not valid JSON, though their skeleton may be.
    """

    starts: Int64s
    skeletons: Skeletons
    digits: Int64s
    first: Int64s
    odd: Int64s


def split_events(text: Bytes, *, is_all: bool) -> Split:
    """Split text that begins between two events.

    The last event is left out, unless the text `is_all` there is and the event is closed.
    """
    outside = ~_inside_strings(text)
    offset = text - np.uint8(_ZERO)
    digit = (offset < 10) & outside
    kept = np.ones(len(text), np.bool_)
    np.logical_and(digit[1:], digit[:-1], out=kept[1:])
    np.logical_not(kept[1:], out=kept[1:])
    first_digit = digit & kept

    opens, closed = _event_starts(text, outside)
    odd = np.concatenate((_zeros_in_front(text, digit, first_digit), _separators_in_text(text)))
    starts = np.concatenate(([0], opens[1:], [len(text)]))
    if not (is_all and closed):
        starts = starts[:-1]
    skeleton = text - (offset & (np.uint8(0) - digit.view(np.uint8)))
    mark = starts[1:][starts[1:] < len(text)] - 1
    skeleton[odd] = _SPACE
    skeleton[mark] = _SEPARATOR
    kept[mark] = True
    skeleton = skeleton[: starts[-1]][kept[: starts[-1]]]
    bounds = np.concatenate(([0], np.flatnonzero(skeleton == _SEPARATOR) + 1, [len(skeleton)]))
    skeletons = Skeletons(skeleton, bounds[: len(starts)])
    digits = np.flatnonzero(first_digit[: starts[-1]])
    first = np.searchsorted(digits, starts[:-1])
    return Split(starts, skeletons, digits, first, np.searchsorted(starts, odd, side="right") - 1)


def _inside_strings(text: Bytes) -> Bools:
    """Whether each byte belongs to a string: its opening quote does, its closing quote does not."""
    quotes = text == _QUOTE
    quotes[_escaped(text)] = False
    bits = np.packbits(quotes, bitorder="little")
    words = np.zeros(-(-len(bits) // 8), np.uint64)
    words.view(np.uint8)[: len(bits)] = bits
    for doubling in _DOUBLINGS:
        words ^= words << doubling
    odd = np.bitwise_xor.accumulate((words >> np.uint64(63)).astype(np.uint8))
    words[1:] ^= np.uint64(0) - odd[:-1].astype(np.uint64)
    return np.unpackbits(words.view(np.uint8), bitorder="little", count=len(text)).view(np.bool_)


def _escaped(text: Bytes) -> Int64s:
    """Offsets of the bytes that an odd number of backslashes stands before."""
    at = np.flatnonzero(text == _BACKSLASH)
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
    braces = np.flatnonzero(((text | _BRACE_BITS) == _DELETE) & outside)
    kinds = text[braces]
    step = (kinds == _OPEN).astype(np.int32) - (kinds == _CLOSE)
    depth = np.cumsum(step)
    opens = braces[(depth == 1) & (step == 1)]
    before = text[opens - 1]
    apart = (before == _COMMA) | (before <= _SPACE) | (opens == 0)
    apart[:1] = True
    return opens[apart], bool(len(depth)) and depth[-1] == 0


def _zeros_in_front(text: Bytes, digit: Bools, first_digit: Bools) -> Int64s:
    """Offsets of numbers such as 012, which JSON has not: fractions and exponents may start with a zero."""
    zero = first_digit & (text == _ZERO)
    zero[:-1] &= digit[1:]
    zero[-1:] = False
    at = np.flatnonzero(zero)
    signed = (text[at - 1] == _PLUS) | (text[at - 1] == _MINUS)
    before = text[at - 1 - signed] | _LOWER
    whole: Int64s = at[(text[at - 1] != _POINT) & (before != _EXPONENT)]
    return whole


def _separators_in_text(text: Bytes) -> Int64s:
    return np.flatnonzero(text == _SEPARATOR)
