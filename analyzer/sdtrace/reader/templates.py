"""How to read the events of each form: which of their numbers is what, and where."""

from __future__ import annotations

from threading import Lock
from typing import Final

import numpy as np

from sdtrace.reader.columns import Int32s
from sdtrace.reader.forms import Forms, Runs
from sdtrace.reader.kept_args import EDGES, NO_DIGITS, ArgsOfForms, Edge, KeptArgs
from sdtrace.reader.numbers import Int64s, Places, UInt64s
from sdtrace.reader.template import FIELDS, NO_NUMBERS, Number, Template, make_template

EXACT: Final = -1
"""The event is decoded by itself."""
_NEW, _SEEN_ONCE = -2, -3
_MAX_FORMS: Final = 1 << 18
"""More are not remembered."""
_CACHE_BITS: Final = 17
_CACHE_SHIFT: Final = np.uint64(64 - _CACHE_BITS)
_MOST_DIGITS, _MOST_DECIMALS = 15, 3


class Templates:
    """The templates of a file and the forms that have them, by number. Threads may share it."""

    def __init__(self) -> None:
        self._numbers: dict[int, int] = {}
        """Of forms, by their hash."""
        self._cached = np.zeros(1 << _CACHE_BITS, np.uint64)
        self._cached_numbers = np.full(1 << _CACHE_BITS, _NEW, np.int32)
        """Hashes and their numbers, at the place that the first bits of the hash say."""
        self._by_skeleton: dict[int, int] = {}
        """Numbers of templates, by a hash of what stands between the runs of digits."""
        self._lock = Lock()
        self._places = np.zeros((1 << 10, len(FIELDS), len(Places._fields)), np.int32)
        self._edges = np.zeros((1 << 10, EDGES), np.int32)
        """The same of the edges in arguments."""
        self._template_numbers = np.zeros((1 << 10, len(FIELDS), len(Number._fields)), np.int32)
        self._template_edges = np.zeros((1 << 10, EDGES, len(Edge._fields)), np.int32)
        self.args = KeptArgs()
        self._of_form: list[int] = []
        self.templates: list[Template] = []

    def of(self, forms: Int64s) -> tuple[Int32s, list[Places]]:
        """The number of each form's template, and the places of each of FIELDS in the forms."""
        of_form = np.array([self._of_form[form] for form in forms.tolist()], np.int32)
        fields = self._places[forms].transpose(1, 2, 0).astype(np.int64)
        return of_form, [Places(*field) for field in fields]

    def args_of(self, forms: Int64s) -> ArgsOfForms:
        """Where the digits of the arguments of each form's events are."""
        of_form = [self._of_form[form] for form in forms.tolist()]
        template = [-1 if self.templates[number].args is None else number for number in of_form]
        return ArgsOfForms(self._edges[forms].astype(np.int64), np.array(template, np.int64))

    def find(self, forms: Forms) -> Int32s:
        """The number of each form; EXACT where it has no template."""
        hashes = forms.hashes()
        places = hashes >> _CACHE_SHIFT
        with self._lock:
            numbers: Int32s = self._cached_numbers[places]
            numbers[self._cached[places] != hashes] = _NEW
            missing = np.flatnonzero(numbers == _NEW)
            if missing.size:
                numbers[missing] = self._find_missing(forms, hashes[missing], missing)
        return numbers

    def _find_missing(self, forms: Forms, hashes: UInt64s, events: Int64s) -> Int32s:
        """The numbers of forms that are not in the cache."""
        found, firsts, index, times = np.unique(
            hashes, return_index=True, return_inverse=True, return_counts=True
        )
        numbers = np.array([self._numbers.get(value, _NEW) for value in found.tolist()], np.int32)
        new = np.flatnonzero(numbers == _NEW)
        if new.size and len(self._numbers) < _MAX_FORMS:
            numbers[new] = self._learn(forms, events[firsts[new]], times[new])
            learnt = new[numbers[new] != _NEW]
            self._numbers.update(zip(found[learnt].tolist(), numbers[learnt].tolist(), strict=True))
        known = np.flatnonzero(numbers != _NEW)
        places = found[known] >> _CACHE_SHIFT
        self._cached[places], self._cached_numbers[places] = found[known], numbers[known]
        return np.maximum(numbers, EXACT)[index]

    def _learn(self, forms: Forms, events: Int64s, times: Int64s) -> Int32s:
        """Numbers for the forms of `events`, which so many events have; _NEW for those that get none yet.

        A template is made when it is needed for the second time: many are unique.
        """
        runs = forms.runs(events)
        skeletons, firsts, index = np.unique(runs.skeleton, return_index=True, return_inverse=True)
        needed = np.bincount(index, times) > 1
        each = zip(skeletons.tolist(), firsts.tolist(), needed.tolist(), strict=True)
        numbers = [self._by_skeleton.get(skeleton, _NEW) for skeleton in skeletons.tolist()]
        first_new = len(self.templates)
        for place, (skeleton, first, is_needed) in enumerate(each):
            if numbers[place] == _SEEN_ONCE or (numbers[place] == _NEW and is_needed):
                numbers[place] = self._add_template(forms.event(events[first]), runs, first)
            self._by_skeleton[skeleton] = _SEEN_ONCE if numbers[place] == _NEW else numbers[place]
        if len(self.templates) > first_new:
            self._add_places(first_new)
        of_form = np.array(numbers, np.int32)[index]
        has_template = np.flatnonzero(of_form > EXACT)
        if has_template.size:
            of_form[has_template] = self._add_forms(of_form[has_template], runs, has_template)
        return of_form

    def _add_template(self, event: bytes, runs: Runs, form: int) -> int:
        """The number of a new template; EXACT when the event has none."""
        own = slice(runs.first[form], runs.first[form + 1])
        start, width = runs.start[own], runs.width[own]
        template = make_template(event, start.tolist(), (start + width).tolist())
        if template is None:
            return EXACT
        self.templates.append(template)
        return len(self.templates) - 1

    def _add_places(self, first: int) -> None:
        """Where numbers and arguments are in the templates from number `first` on."""
        new = self.templates[first:]
        while len(self.templates) > len(self._template_numbers):
            self._template_numbers = _doubled(self._template_numbers)
            self._template_edges = _doubled(self._template_edges)
        rows = slice(first, len(self.templates))
        self._template_numbers[rows] = [template.numbers or NO_NUMBERS for template in new]
        self._template_edges[rows] = [template.args or NO_DIGITS for template in new]

    def _add_forms(self, templates: Int32s, runs: Runs, forms: Int64s) -> Int32s:
        """The numbers of new forms; EXACT where a number is too long for arrays."""
        run, has_decimals, unit = self._template_numbers[templates].transpose(2, 0, 1)
        no_run = len(runs.start)
        run = np.where(run < 0, no_run, runs.first[forms, np.newaxis] + run)
        starts, widths = np.append(runs.start, 0), np.append(runs.width, 0)
        decimals = np.where(has_decimals, widths[np.minimum(run + 1, no_run)], 0)
        is_short = ((widths[run] <= _MOST_DIGITS) & (decimals <= _MOST_DECIMALS)).all(axis=1)
        places = np.stack((starts[run], widths[run], decimals, unit), axis=2)[is_short]
        first = len(self._of_form)
        self._of_form += templates[is_short].tolist()
        while len(self._of_form) > len(self._places):
            self._places, self._edges = _doubled(self._places), _doubled(self._edges)
        self._places[first : len(self._of_form)] = places
        self._edges[first : len(self._of_form)] = self._form_edges(templates, runs, forms)[is_short]
        numbers = np.full(len(forms), EXACT, np.int32)
        numbers[is_short] = np.arange(first, len(self._of_form))
        return numbers

    def _form_edges(self, templates: Int32s, runs: Runs, forms: Int64s) -> Int64s:
        run, past = self._template_edges[templates].transpose(2, 0, 1)
        run = np.where(run < 0, len(runs.start), runs.first[forms, np.newaxis] + run)
        offsets: Int64s = np.append(runs.start + runs.width, 0)[run] + past
        return offsets


def _doubled(table: Int32s) -> Int32s:
    """The table with room for twice as many rows."""
    return np.concatenate((table, np.zeros_like(table)))
