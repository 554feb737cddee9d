"""How to read the events of each form: which of their numbers is what, and where.

The form of an event is its text with `DIGIT` for every digit outside strings. Events of one form are the same
text but for the values of their numbers, which stand at the same offsets.
"""

from __future__ import annotations

import re
from collections import Counter
from itertools import accumulate
from threading import Lock
from typing import Final

import numpy as np

from sdtrace.reader.columns import Int32s
from sdtrace.reader.hashes import hash_spans
from sdtrace.reader.numbers import Int64s
from sdtrace.reader.split import DIGIT, Split
from sdtrace.reader.template import FIELDS, NO_NUMBERS, SPANS, Template, make_template

EXACT: Final = -1
"""The event is decoded by itself."""
_MAX_FORMS: Final = 1 << 18
"""More are not remembered."""
_MOST_DIGITS, _MOST_DECIMALS = 15, 3
_RUN: Final = re.compile(b"(%s+)" % DIGIT)
_ROW: Final = 4 * len(FIELDS) + 2 * SPANS


class Forms:
    """The forms of a file by number. Threads may share it."""

    def __init__(self) -> None:
        self.templates: list[Template] = []
        """For each form its template, which others may have too."""
        self.args: dict[int, str | None] = {}
        """The kept arguments by a hash of what they depend on; None where no argument remains."""
        self._places: list[bytes] = []
        """For each form a row of `places`: 32-bit integers."""
        self._numbers: dict[int, int] = {}
        """Of forms, by their hash."""
        self._made: dict[int, Template | None] = {}
        """Templates by a hash of the form with one `DIGIT` for every run of them."""
        self._needed: Counter[int] = Counter()
        """How many events could have used each of these templates."""
        self._lock = Lock()

    def places(self, forms: Int64s) -> tuple[Int64s, Int64s]:
        """For each form the places of its FIELDS (see `integers`), and where its spans begin and end."""
        rows = b"".join(self._places[form] for form in forms.tolist())
        table = np.frombuffer(rows, np.int32).reshape(-1, _ROW).astype(np.int64)
        return table[:, : -2 * SPANS].reshape(-1, len(FIELDS), 4), table[:, -2 * SPANS :]

    def find(self, split: Split) -> Int32s:
        """The number of each event's form; EXACT where it has none."""
        hashes = hash_spans(split.form, split.bounds[:-1], split.bounds[1:])
        found, firsts, index, times = np.unique(
            hashes, return_index=True, return_inverse=True, return_counts=True
        )
        values = found.tolist()
        with self._lock:
            new = [place for place, value in enumerate(values) if value not in self._numbers]
            forms = [_RUN.split(split.form_of(event)) for event in firsts[new].tolist()]
            skeletons = [hash(DIGIT.join(form[::2])) for form in forms]
            for skeleton, count in zip(skeletons, times[new].tolist(), strict=True):
                self._needed[skeleton] += count
            for place, form, skeleton in zip(new, forms, skeletons, strict=True):
                # Many are unique: a template is made when it is needed for the second time.
                if self._needed[skeleton] > 1 and len(self.templates) < _MAX_FORMS:
                    self._numbers[values[place]] = self._add(form, skeleton)
            numbers = [self._numbers.get(value, EXACT) for value in values]
        return np.array(numbers, np.int32)[index]

    def _add(self, form: list[bytes], skeleton: int) -> int:
        """The number of a new form, given as its runs of digits and what is around each; EXACT for none."""
        if skeleton not in self._made:
            self._made[skeleton] = make_template(len(self._made), form[::2])
        template = self._made[skeleton]
        row = None if template is None else _places(form, template)
        if template is None or row is None:
            return EXACT
        self._places.append(np.array(row, np.int32).tobytes())
        self.templates.append(template)
        return len(self.templates) - 1


def _places(form: list[bytes], template: Template) -> list[int] | None:
    """Where the numbers and then the spans of a template are in a form; None where a number is too long."""
    edges = [0, 0, *accumulate(map(len, form))]
    row: list[int] = []
    for run, last, unit in template.numbers or NO_NUMBERS:
        digits = len(form[2 * run - 1]) if run else 0
        decimals = len(form[2 * last - 1]) if last != run else 0
        if digits > _MOST_DIGITS or decimals > _MOST_DECIMALS:
            return None
        row += edges[2 * run], digits, decimals, unit
    for first, last in (*(template.spans or ()), *((0, 0),) * SPANS)[:SPANS]:
        row += edges[2 * first], edges[2 * last + 1]
    return row
