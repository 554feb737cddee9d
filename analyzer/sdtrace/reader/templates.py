"""How to read the events of one form: which of their numbers is what, and where.

All events of one form differ in the values of digits alone (see `sdtrace.reader.forms`). So one of them is
decoded, with the offsets at which the decoder finds each field: there it stands in every event of the form.
"""

from __future__ import annotations

import re
from contextlib import suppress
from threading import Lock
from typing import Final, NamedTuple

import msgspec
import numpy as np

from sdtrace.reader.columns import Int32s
from sdtrace.reader.events import (
    ERRORS,
    NAMES_OF_ARGS,
    OWN_IDS,
    Event,
    Ids,
    category_of,
    decode_event,
    ids_of,
    is_memory,
    keeps_args,
    kind_of,
)
from sdtrace.reader.forms import Forms, Runs
from sdtrace.reader.kept_args import EDGES, NO_DIGITS, ArgsOfForms, Edge, KeptArgs, edges_of
from sdtrace.reader.numbers import Int64s, Places, UInt64s
from sdtrace.reader.repair import mask_strings

EXACT: Final = -1
"""The event is decoded by itself."""
_NEW, _SEEN_ONCE = -2, -3
_MAX_FORMS: Final = 1 << 18
"""More are not remembered."""
_CACHE_BITS: Final = 17
_CACHE_SHIFT: Final = np.uint64(64 - _CACHE_BITS)
_TIME: Final = re.compile(rb"()\d+(\.\d+)?")
_INTEGER: Final = re.compile(rb"(-?)\d+()")
_MOST_DIGITS, _MOST_DECIMALS = 15, 3
_NO_ID: Final = (b"", b"null")
_NOTHING: Final = msgspec.Raw(b"")


class Number(NamedTuple):
    """Which run of digits a number is: the index of the run among those of the event, -1 for no number."""

    run: int = -1
    has_decimals: bool = False
    """The next run then is what stands behind the point."""
    unit: int = 1


_ABSENT: Final = Number()
FIELDS: Final = ("ts", "dur", "pid", "tid", "External id", "correlation", "bytes")
"""The numbers of a template, in their order."""
_NO_NUMBERS: Final = (_ABSENT,) * len(FIELDS)


class Template(NamedTuple):
    """What events share that differ in digits alone, also in how many digits a number has."""

    category: str
    """Events that make no row are counted as this."""
    name: str = ""
    pid: str | None = None
    tid: str | None = None
    """Thread and process where they are text; None where they are numbers."""
    numbers: tuple[Number, ...] | None = None
    """One for each of FIELDS; None when the event makes no row."""
    args: tuple[Edge, ...] | None = None
    """Where the digits of the arguments are; None where none are kept."""


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
        for place, (skeleton, first, is_needed) in enumerate(each):
            if numbers[place] == _SEEN_ONCE or (numbers[place] == _NEW and is_needed):
                numbers[place] = self._add_template(forms.event(events[first]), runs, first)
            self._by_skeleton[skeleton] = _SEEN_ONCE if numbers[place] == _NEW else numbers[place]
        of_form = np.array(numbers, np.int32)[index]
        has_template = np.flatnonzero(of_form > EXACT)
        if has_template.size:
            of_form[has_template] = self._add_forms(of_form[has_template], runs, has_template)
        return of_form

    def _add_template(self, event: bytes, runs: Runs, form: int) -> int:
        """The number of a new template; EXACT when the event has none."""
        own = slice(runs.first[form], runs.first[form + 1])
        starts, ends = runs.start[own].tolist(), (runs.start + runs.width)[own].tolist()
        template = make_template(event, starts, ends)
        if template is None:
            return EXACT
        number = len(self.templates)
        self.templates.append(template)
        if number == len(self._template_numbers):
            self._template_numbers = _doubled(self._template_numbers)
            self._template_edges = _doubled(self._template_edges)
        self._template_numbers[number] = template.numbers or _NO_NUMBERS
        self._template_edges[number] = template.args or NO_DIGITS
        return number

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


def make_template(text: bytes, starts: list[int], ends: list[int]) -> Template | None:
    """The template of an event with runs of digits from `starts` to `ends`.

    None when such events must be decoded one by one.
    """
    text = text.rstrip(b", \t\r\n")
    event = decode_event(text)
    if event is None:
        return None
    if event.ph != "X":
        return None if event.ph == "M" or is_memory(event) else Template(kind_of(event))
    numbers, valid = None, text
    for same_length in (bytes, mask_strings):
        with suppress(*ERRORS):
            valid = same_length(text)
            numbers = _numbers(event, valid, starts)
            break
    if numbers is None or not isinstance(event.name, str):
        return None
    category = category_of(event)
    pid, tid = (part if isinstance(part, str) else None for part in (event.pid, event.tid))
    args = _args_edges(valid, starts, ends) if keeps_args(event) else None
    return Template(category, event.name, pid, tid, numbers, args)


def _args_edges(text: bytes, starts: list[int], ends: list[int]) -> tuple[Edge, ...] | None:
    """Where the digits of the arguments are; None when they hold the event's own ids alone."""
    args = _decode_fields(text).args
    own = [raw for raw in msgspec.structs.astuple(_decode_own_ids(args)) if len(raw)]
    if bytes(args).count(b'"') <= 2 * len(own):
        return None
    origin = _address(text)
    begin, *places = (_address(view) - origin for view in (args, *own))
    return edges_of(begin, begin + len(args), places, dict(zip(starts, ends, strict=True)))


class _Fields(msgspec.Struct):
    """The fields of an event that may be numbers, each a view of its text."""

    ts: msgspec.Raw = _NOTHING
    dur: msgspec.Raw = _NOTHING
    pid: msgspec.Raw = _NOTHING
    tid: msgspec.Raw = _NOTHING
    args: msgspec.Raw = _NOTHING


class _Args(msgspec.Struct, rename=NAMES_OF_ARGS):
    """The ids in an event's arguments, each a view of its text."""

    external_id: msgspec.Raw = _NOTHING
    old_external_id: msgspec.Raw = _NOTHING
    correlation: msgspec.Raw = _NOTHING
    nbytes: msgspec.Raw = _NOTHING


class _OwnIds(msgspec.Struct, rename=OWN_IDS):
    """The ids that each event has of its own, each a view of its text."""

    external_id: msgspec.Raw = _NOTHING
    record_function: msgspec.Raw = _NOTHING
    number: msgspec.Raw = _NOTHING


_decode_fields = msgspec.json.Decoder(_Fields).decode
_decode_own_ids = msgspec.json.Decoder(_OwnIds).decode
_decode_args = msgspec.json.Decoder(_Args).decode


def _numbers(event: Event, text: bytes, runs: list[int]) -> tuple[Number, ...] | None:
    """Which runs are the numbers of a complete event; None when one of them is no plain number.

    Raises one of ERRORS when the text is not valid JSON.
    """
    fields = _decode_fields(text)
    ids = _id_fields(event, fields)
    if ids is None or not len(fields.ts) or not len(fields.dur):
        return None
    parts = ((event.pid, fields.pid), (event.tid, fields.tid))
    threads = [_NOTHING if isinstance(value, str) else raw for value, raw in parts]
    begin = _address(text)
    times = [_number(raw, _TIME, begin, runs, 1000) for raw in (fields.ts, fields.dur)]
    rest = [_number(raw, _INTEGER, begin, runs, 1) for raw in (*threads, *ids)]
    found = tuple(number for number in (*times, *rest) if number is not None)
    return found if len(found) == len(FIELDS) else None


def _id_fields(event: Event, fields: _Fields) -> list[msgspec.Raw] | None:
    """The ids that the event's category gives a meaning, empty where it has none; None without an object."""
    ids = ids_of(event)
    if ids is None or ids == Ids(None, None, None):
        return None if ids is None else [_NOTHING] * len(ids)
    args = _decode_args(fields.args)
    external = args.old_external_id if bytes(args.external_id) in _NO_ID else args.external_id
    views = (external, args.correlation, args.nbytes)
    return [_NOTHING if value is None else view for value, view in zip(ids, views, strict=True)]


def _number(
    raw: msgspec.Raw, kind: re.Pattern[bytes], begin: int, runs: list[int], unit: int
) -> Number | None:
    """Which run a field of the text at address `begin` is; None when arrays cannot read it."""
    if not len(raw):
        return _ABSENT
    found = kind.fullmatch(bytes(raw))
    if found is None:
        return None
    sign, decimals = found.groups()
    return Number(runs.index(_address(raw) - begin + len(sign)), bool(decimals), -unit if sign else unit)


def _address(view: bytes | msgspec.Raw) -> int:
    """Where in memory the bytes of `view` begin."""
    address: int = np.frombuffer(view, np.uint8).__array_interface__["data"][0]
    return address
