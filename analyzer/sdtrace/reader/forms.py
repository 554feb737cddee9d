"""How to read the events of each form: which of their numbers is what, and where.

The form of an event is its text with `DIGIT` for every digit outside strings. Events of one form are the same
text but for the values of their numbers, which stand at the same offsets.
"""

from __future__ import annotations

from collections import Counter
from threading import Lock
from typing import Final

import numpy as np

from sdtrace.reader.split import DIGIT, Split
from sdtrace.reader.template import FIELDS, SPANS, Template, make_template
from sdtrace.reader.words import Int64s, hash_spans

EXACT: Final = -1
"""The event is decoded by itself."""
_MAX_FORMS: Final = 1 << 18
"""More are not remembered."""
_MOST_DIGITS: Final = np.array([16, 16, 15, 16, *[15] * (FIELDS - 4)])
"""Numbers with more are too long for arrays."""
_LATEST: Final = ord("3")
"""A time of so many digits that begins with a higher one may be too late: they count from 1970."""

_ROW: Final = 2 * (FIELDS + SPANS) + FIELDS


class Forms:
    """The forms of a file by number. Threads may share it."""

    def __init__(self) -> None:
        self.templates: list[Template] = []
        """For each form its template, which others may have too."""
        self.args: dict[int, str | None] = {}
        """The kept arguments by a hash of what they depend on; None where no argument remains."""
        self._places: list[bytes] = []
        """For each form where its FIELDS and spans begin and end, and their signs: 32-bit integers."""
        self._numbers: dict[int, int] = {}
        """Of forms, by their hash."""
        self._late: dict[int, int] = {}
        """Where the time begins, by the number of the form, if it has as many digits as can be read."""
        self._made: dict[int, Template | None] = {}
        """Templates by a hash of the form with one `DIGIT` for every run of them."""
        self._needed: Counter[int] = Counter()
        """How many events could have used each of these templates."""
        self._lock = Lock()

    def places(self, forms: Int64s) -> tuple[Int64s, Int64s, Int64s]:
        """For each form where its FIELDS begin and end, where its spans do, and the signs of FIELDS."""
        rows = b"".join(self._places[form] for form in forms.tolist())
        table = np.frombuffer(rows, np.int32).reshape(-1, _ROW).astype(np.int64)
        at = table[:, :-FIELDS].reshape(-1, FIELDS + SPANS, 2)
        return at[:, :FIELDS], at[:, FIELDS:], table[:, -FIELDS:]

    def find(self, split: Split) -> Int64s:
        """The number of each event's form; EXACT where it has none."""
        hashes = hash_spans(split.form, split.bounds[:-1], split.bounds[1:])
        found, firsts, index, times = np.unique(
            hashes, return_index=True, return_inverse=True, return_counts=True
        )
        values = found.tolist()
        with self._lock:
            new = [place for place, value in enumerate(values) if value not in self._numbers]
            if new and len(self.templates) < _MAX_FORMS:
                forms = [b",%b," % split.form_of(event) for event in firsts[new].tolist()]
                self._learn([values[place] for place in new], forms, times[new].tolist())
            numbers = [self._numbers.get(value, EXACT) for value in values]
            late = np.array([self._late.get(number, 0) for number in numbers], np.int32)[index]
        form = np.array(numbers, np.int64)[index]
        rows = np.flatnonzero(late)
        form[rows[split.text[split.bounds[rows] + late[rows]] > _LATEST]] = EXACT
        return form

    def _learn(self, values: list[int], forms: list[bytes], times: list[int]) -> None:
        """Number new forms, which have the hashes `values`, between commas; so many events have each.

        A template is made when it is needed for the second time: many are unique.
        """
        skeletons = [DIGIT.join(filter(None, form.split(DIGIT))) for form in forms]
        for skeleton, count in zip(skeletons, times, strict=True):
            self._needed[hash(skeleton)] += count
        learned: list[tuple[int, bytes, Template]] = []
        for value, form, skeleton in zip(values, forms, skeletons, strict=True):
            if self._needed[hash(skeleton)] > 1:
                if hash(skeleton) not in self._made:
                    self._made[hash(skeleton)] = make_template(len(self._made), skeleton)
                self._numbers[value] = EXACT
                if template := self._made[hash(skeleton)]:
                    learned.append((value, form, template))
        if learned:
            self._add(*zip(*learned, strict=True))

    def _add(
        self, values: tuple[int, ...], forms: tuple[bytes, ...], templates: tuple[Template, ...]
    ) -> None:
        """Number the forms of these templates, but for those where a number is too long for arrays."""
        starts = np.cumsum([0, *map(len, forms[:-1])])[:, np.newaxis, np.newaxis]
        is_digit = np.frombuffer(b"".join(forms), np.uint8) == ord(DIGIT)
        edges = np.append(np.flatnonzero(np.diff(is_digit, prepend=False)), (0, 0))
        runs = np.stack([template.runs for template in templates])
        edge = np.searchsorted(edges[:-2], starts) + 2 * runs - (2, 1)
        at = np.where(runs > 0, edges[edge] - starts - 1, 0)
        digits = np.diff(at[:, :FIELDS])[..., 0]
        signs = np.array([template.signs for template in templates])
        rows = np.concatenate((at.reshape(len(forms), -1), signs), axis=1).astype(np.int32)
        for place in np.flatnonzero((digits <= _MOST_DIGITS).all(axis=1)).tolist():
            self._numbers[values[place]] = len(self.templates)
            if digits[place, 0] == _MOST_DIGITS[0]:
                self._late[len(self.templates)] = int(at[place, 0, 0])
            self.templates.append(templates[place])
            self._places.append(rows[place].tobytes())
