"""How to read the events of each form: which of their numbers is what, and where.

The form of an event is its text with `DIGIT` for every digit outside strings. Events of one form are the same
text but for the values of their numbers, which stand at the same offsets.
"""

from __future__ import annotations

import re
from itertools import chain, count
from threading import Lock
from typing import Final

import numpy as np

from sdtrace.reader.columns import Int32s
from sdtrace.reader.hashes import ROW, hash_spans
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
_NO_DIGIT: Final = ord(",")
_RUN: Final = re.compile(b"%c+" % DIGIT)
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
        self._by_skeleton: dict[int, int] = {}
        """Numbers of templates, by a hash of what stands between the runs of digits."""
        self._made: list[Template] = []
        self._runs: list[Int64s] = []
        """For each template the runs and the unit of each of FIELDS, then the runs of its spans."""
        self._lock = Lock()

    def places(self, forms: Int64s) -> tuple[Int64s, Int64s]:
        """For each of the given forms the places of its FIELDS, and where its spans begin and end."""
        rows = b"".join(self._places[form] for form in forms.tolist())
        table = np.frombuffer(rows, np.int32).reshape(-1, _ROW).astype(np.int64)
        return table[:, : -2 * SPANS].reshape(-1, len(FIELDS), 4), table[:, -2 * SPANS :].copy()

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
        numbers = np.array([self._numbers.get(value, _NEW) for value in found.tolist()], np.int32)
        new = np.flatnonzero(numbers == _NEW)
        if new.size and len(self.templates) < _MAX_FORMS:
            numbers[new] = self._learn(split, events[firsts[new]], times[new])
        known = np.flatnonzero(numbers != _NEW)
        self._numbers.update(zip(found[known].tolist(), numbers[known].tolist(), strict=True))
        places = found[known] >> _CACHE_SHIFT
        self._cached[places], self._cached_numbers[places] = found[known], numbers[known]
        return np.maximum(numbers, EXACT)[index]

    def _learn(self, split: Split, events: Int64s, times: Int64s) -> Int32s:
        """Numbers for the forms of `events`, which so many events have; _NEW for those that get none yet.

        A template is made when it is needed for the second time: many are unique.
        """
        lengths = np.diff(split.bounds)[events] + 1
        ends = np.cumsum(lengths)
        begins = ends - lengths
        text = split.form[np.arange(ends[-1]) + np.repeat(split.bounds[events] - begins, lengths)]
        text[ends - 1] = _NO_DIGIT
        edges = np.flatnonzero(np.diff(text == DIGIT, prepend=False))
        kept = text != DIGIT
        kept[edges[::2]] = True
        bounds = np.append(0, np.cumsum(kept)[ends - 1])
        skeletons = hash_spans(np.append(text[kept], np.zeros(ROW, np.uint8)), bounds[:-1], bounds[1:])
        found, firsts, index = np.unique(skeletons, return_index=True, return_inverse=True)
        needed = np.bincount(index, times) > 1
        numbers = [self._by_skeleton.get(skeleton, _NEW) for skeleton in found.tolist()]
        for place, first in enumerate(events[firsts].tolist()):
            if numbers[place] == _SEEN_ONCE or (numbers[place] == _NEW and needed[place]):
                numbers[place] = self._add_template(split.form_of(first))
            self._by_skeleton[int(found[place])] = _SEEN_ONCE if numbers[place] == _NEW else numbers[place]
        of_form = np.array(numbers, np.int32)[index]
        have = np.flatnonzero(of_form > EXACT)
        if have.size:
            of_form[have] = self._add_forms(begins[have, np.newaxis], edges, of_form[have])
        return np.maximum(of_form, _NEW)

    def _add_template(self, form: bytes) -> int:
        """The number of a new template; EXACT when the form has none."""
        numerals = count(1)
        numbered = _RUN.sub(lambda _: b"%d" % next(numerals), form)
        template = make_template(len(self._made), numbered, next(numerals) - 1)
        if template is None:
            return EXACT
        self._made.append(template)
        spans = (*(template.spans or ()), *((0, 0),) * SPANS)[:SPANS]
        self._runs.append(np.array([*chain(*(template.numbers or NO_NUMBERS), *spans)]))
        return len(self._made) - 1

    def _add_forms(self, begins: Int64s, edges: Int64s, templates: Int32s) -> Int32s:
        """The numbers of new forms; EXACT where a number is too long for arrays.

        The forms begin at `begins` (a column) in a text where runs of digits begin and end at `edges`.
        """
        before = np.searchsorted(edges[::2], begins) - 1
        edges = np.append(edges, (0, 0))

        def place(run: Int64s, side: int) -> Int64s:
            """Where the run begins or ends in each form; 0 for no run."""
            return np.where(run, edges[side::2][before + run] - begins, 0)

        used, which = np.unique(templates, return_inverse=True)
        runs = np.stack([self._runs[template] for template in used.tolist()])[which]
        first, last, unit = runs[:, : -2 * SPANS].reshape(-1, len(FIELDS), 3).transpose(2, 0, 1)
        begin, end = place(first, 0), place(first, 1)
        decimals = np.where(last == first, 0, place(last, 1) - place(last, 0))
        is_short = ((end - begin <= _MOST_DIGITS) & (decimals <= _MOST_DECIMALS)).all(axis=1)
        fields = np.stack((begin, end - begin, decimals, unit), axis=2).reshape(len(begins), -1)
        spans = np.stack((place(runs[:, -2 * SPANS :: 2], 0), place(runs[:, 1 - 2 * SPANS :: 2], 1)), axis=2)
        places = np.concatenate((fields, spans.reshape(len(begins), -1)), axis=1).astype(np.int32)[is_short]
        numbers = np.full(len(begins), EXACT, np.int32)
        numbers[is_short] = np.arange(len(places)) + len(self.templates)
        self._places += [row.tobytes() for row in places]
        self.templates += [self._made[template] for template in templates[is_short].tolist()]
        return numbers
