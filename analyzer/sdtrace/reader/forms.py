"""How to read the events of each form: which of their numbers is what, and where.

The form of an event is its text with `DIGIT` for every digit outside strings. Events of one form are the same
text but for the values of their numbers, which stand at the same offsets.
"""

from __future__ import annotations

import re
from itertools import accumulate
from threading import Lock
from typing import Final

import numpy as np

from sdtrace.reader.columns import Int32s
from sdtrace.reader.hashes import hash_spans
from sdtrace.reader.kept_args import KeptArgs
from sdtrace.reader.numbers import Int64s, UInt64s
from sdtrace.reader.split import DIGIT, Split
from sdtrace.reader.template import FIELDS, NO_NUMBERS, SPANS, Template, make_template

EXACT: Final = -1
"""The event is decoded by itself."""
_NEW, _SEEN_ONCE = -2, -3
_MAX_FORMS: Final = 1 << 18
"""More are not remembered."""
_CACHE_BITS: Final = 17
_CACHE_SHIFT: Final = np.uint64(64 - _CACHE_BITS)
_MOST_DIGITS, _MOST_DECIMALS = 15, 3
_RUN: Final = re.compile(b"(%c+)" % DIGIT)
_ROW: Final = 4 * len(FIELDS) + 2 * SPANS


class Forms:
    """The forms of a file by number. Threads may share it."""

    def __init__(self) -> None:
        self.templates: list[Template] = []
        """For each form its template, which others may have too."""
        self._places: list[bytes] = []
        """Offset, digits, decimals and unit of each of FIELDS, then the spans: 32-bit integers."""
        self.args = KeptArgs()
        self._numbers: dict[int, int] = {}
        """Of forms, by their hash."""
        self._cached = np.zeros(1 << _CACHE_BITS, np.uint64)
        self._cached_numbers = np.full(1 << _CACHE_BITS, _NEW, np.int32)
        """Hashes and their numbers, at the place that the first bits of the hash say."""
        self._by_text: dict[bytes, Template | None] = {}
        """Templates by the text that they are made of."""
        self._numerals: list[bytes] = []
        self._lock = Lock()

    def places(self, forms: Int64s) -> tuple[Int64s, Int64s]:
        """For each of the given forms the places of its FIELDS, and where its spans begin and end."""
        rows = b"".join(self._places[form] for form in forms.tolist())
        table = np.frombuffer(rows, np.int32).reshape(-1, _ROW).astype(np.int64)
        return table[:, : -2 * SPANS].reshape(-1, len(FIELDS), 4), table[:, -2 * SPANS :]

    def find(self, split: Split) -> Int32s:
        """The number of each event's form; EXACT where it has none."""
        hashes = hash_spans(split.form, split.bounds[:-1], split.bounds[1:])
        places = hashes >> _CACHE_SHIFT
        with self._lock:
            numbers: Int32s = self._cached_numbers[places]
            numbers[self._cached[places] != hashes] = _NEW
            missing = np.flatnonzero(numbers == _NEW)
            if missing.size:
                numbers[missing] = self._find_missing(split, hashes[missing], missing)
        return numbers

    def _find_missing(self, split: Split, hashes: UInt64s, events: Int64s) -> Int32s:
        """The numbers of forms that are not in the cache."""
        found, firsts, index, times = np.unique(
            hashes, return_index=True, return_inverse=True, return_counts=True
        )
        numbers = np.full(len(found), EXACT, np.int32)
        each = zip(found.tolist(), events[firsts].tolist(), times.tolist(), strict=True)
        for place, (value, event, count) in enumerate(each):
            number = self._numbers.get(value, _NEW)
            if number <= _NEW and len(self.templates) < _MAX_FORMS:
                # A form is learnt when it is needed for the second time: many are unique.
                is_needed = number == _SEEN_ONCE or count > 1
                number = self._learn(split.form_of(event)) if is_needed else _SEEN_ONCE
                self._numbers[value] = number
            numbers[place] = number
        known = np.flatnonzero(numbers >= EXACT)
        places = found[known] >> _CACHE_SHIFT
        self._cached[places], self._cached_numbers[places] = found[known], numbers[known]
        return np.maximum(numbers, EXACT)[index]

    def _learn(self, form: bytes) -> int:
        """The number of a new form; EXACT where arrays cannot read it."""
        parts = _RUN.split(form)
        edges = [0, 0, *accumulate(map(len, parts))]
        runs = len(parts) // 2
        self._numerals += (b"%d" % number for number in range(len(self._numerals) + 1, runs + 1))
        parts[1::2] = self._numerals[:runs]
        numbered = b"".join(parts)
        if numbered not in self._by_text:
            self._by_text[numbered] = make_template(len(self._by_text), numbered, runs)
        template = self._by_text[numbered]
        places = None if template is None else _places(template, edges)
        if template is None or places is None:
            return EXACT
        self.templates.append(template)
        self._places.append(places)
        return len(self.templates) - 1


def _places(template: Template, edges: list[int]) -> bytes | None:
    """Where the numbers of a form are, as 32-bit integers; run `i` goes from `edges[2 * i]` to the next edge.

    None when a number is too long for arrays.
    """
    places: list[int] = []
    for run, last, unit in template.numbers or NO_NUMBERS:
        start, end = edges[2 * run : 2 * run + 2]
        decimals = edges[2 * last + 1] - edges[2 * last] if last != run else 0
        if end - start > _MOST_DIGITS or decimals > _MOST_DECIMALS:
            return None
        places += start, end - start, decimals, unit
    for first, last in template.spans or ():
        places += edges[2 * first], edges[2 * last + 1]
    return np.array(places + [0] * (_ROW - len(places)), np.int32).tobytes()
