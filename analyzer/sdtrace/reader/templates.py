"""How to read the events of one form: which of their numbers is what, and where.

All events of one form differ in the values of digits alone (see `sdtrace.reader.forms`). So one of them is
decoded, with the offsets at which the decoder finds each field: there it stands in every event of the form.
"""

from __future__ import annotations

import re
from itertools import accumulate
from threading import Lock
from typing import Final, NamedTuple

import msgspec
import numpy as np

from sdtrace.reader.columns import Int32s
from sdtrace.reader.events import (
    NAMES_OF_ARGS,
    Event,
    Ids,
    category_of,
    decode_event,
    ids_of,
    is_memory,
    kind_of,
)
from sdtrace.reader.forms import DIGIT, Forms
from sdtrace.reader.numbers import Int64s, UInt64s

EXACT: Final = -1
"""The event is decoded by itself."""
_NEW, _SEEN_ONCE = -2, -3
_MAX_FORMS: Final = 1 << 18
"""More are not remembered."""
_CACHE_BITS: Final = 17
_CACHE_SHIFT: Final = np.uint64(64 - _CACHE_BITS)
_RUN: Final = re.compile(rb"%c+" % DIGIT)
_RUNS: Final = re.compile(rb"(%c+)" % DIGIT)
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
    sign: int = 1


_ABSENT: Final = Number()
FIELDS: Final = ("ts", "dur", "pid", "tid", "External id", "correlation", "bytes")
"""The numbers of a template, in their order."""


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
    keeps_args: bool = False


class Places(NamedTuple):
    """Where the numbers of forms are: arrays (int32), one row for each of FIELDS, one column a form."""

    offset: Int32s
    """In the event's text."""
    digits: Int32s
    """Before the point; 0 where the event has no such number."""
    decimals: Int32s
    sign: Int32s


class Templates:
    """The templates of a file and the forms that have them, by number. Threads may share it."""

    def __init__(self, keep_args: frozenset[str]) -> None:
        self._keep_args = keep_args
        self._numbers: dict[int, int] = {}
        """Of forms, by their hash."""
        self._cached = np.zeros(1 << _CACHE_BITS, np.uint64)
        self._cached_numbers = np.full(1 << _CACHE_BITS, _NEW, np.int32)
        """Hashes and their numbers, at the place that the first bits of the hash say."""
        self._by_skeleton: dict[int, int] = {}
        """Numbers of templates, by a hash of what stands between the runs of digits."""
        self._lock = Lock()
        self._places = np.zeros((1 << 10, len(FIELDS), len(Places._fields)), np.int32)
        self._of_form: list[int] = []
        self.templates: list[Template] = []

    def of(self, forms: Int64s) -> tuple[Int32s, Places]:
        """The number of each form's template, and where the form has its numbers."""
        of_form = np.array([self._of_form[form] for form in forms.tolist()], np.int32)
        return of_form, Places(*self._places[forms].transpose(2, 1, 0).copy())

    def find(self, forms: Forms) -> Int32s:
        """The number of each form; EXACT where it has no template."""
        hashes = forms.hashes()
        places = hashes >> _CACHE_SHIFT
        with self._lock:
            numbers: Int32s = self._cached_numbers[places]
            numbers[self._cached[places] != hashes] = _NEW
            missing = np.flatnonzero(numbers == _NEW)
            if missing.size:
                self._find_missing(forms, hashes, missing, numbers)
        return numbers

    def _find_missing(self, forms: Forms, hashes: UInt64s, missing: Int64s, numbers: Int32s) -> None:
        """Put the numbers of forms that are not in the cache."""
        found, firsts, index, times = np.unique(
            hashes[missing], return_index=True, return_inverse=True, return_counts=True
        )
        each = zip(found.tolist(), missing[firsts].tolist(), times.tolist(), strict=True)
        learnt = np.array([self._form(value, forms, first, count) for value, first, count in each], np.int32)
        numbers[missing] = np.maximum(learnt, EXACT)[index]
        known = np.flatnonzero(learnt >= EXACT)
        places = found[known] >> _CACHE_SHIFT
        self._cached[places], self._cached_numbers[places] = found[known], learnt[known]

    def _form(self, value: int, forms: Forms, index: int, times: int) -> int:
        """The number of a form by its hash; _NEW when it gets none yet."""
        number = self._numbers.get(value, _NEW)
        if number != _NEW or len(self._numbers) >= _MAX_FORMS:
            return max(number, EXACT)
        parts = _RUNS.split(forms.one(index))
        template = self._template(hash(tuple(parts[::2])), forms, index, times)
        if template == _NEW:
            return _NEW
        number = EXACT if template == EXACT else self._add_form(template, parts)
        self._numbers[value] = number
        return number

    def _template(self, skeleton: int, forms: Forms, index: int, times: int) -> int:
        """The number of a template; it gets one when it is needed for the second time: many are unique."""
        number = self._by_skeleton.get(skeleton, _NEW)
        if number == _NEW:
            self._by_skeleton[skeleton] = _SEEN_ONCE
        if number == _SEEN_ONCE or (number == _NEW and times > 1):
            template = make_template(forms.event(index), forms.one(index), self._keep_args)
            number = EXACT if template is None else len(self.templates)
            self.templates += [template] if template is not None else []
            self._by_skeleton[skeleton] = number
        return number

    def _add_form(self, template: int, parts: list[bytes]) -> int:
        """The number of a new form, cut into texts and runs; EXACT when a number is too long for arrays."""
        numbers = self.templates[template].numbers
        places = [] if numbers is None else _places(numbers, parts)
        if any(digits > _MOST_DIGITS or decimals > _MOST_DECIMALS for _, digits, decimals, _ in places):
            return EXACT
        number = len(self._of_form)
        if number == len(self._places):
            self._places = np.concatenate((self._places, np.zeros_like(self._places)))
        if places:
            self._places[number] = places
        self._of_form.append(template)
        return number


def _places(numbers: tuple[Number, ...], parts: list[bytes]) -> list[tuple[int, int, int, int]]:
    """For each number its offset, digits, decimals and sign."""
    widths = list(map(len, parts))
    ends = list(accumulate(widths))
    return [
        (ends[2 * run], widths[2 * run + 1], widths[2 * run + 3] if has_decimals else 0, sign)
        if run >= 0
        else (0, 0, 0, 1)
        for run, has_decimals, sign in numbers
    ]


def make_template(text: bytes, form: bytes, keep_args: frozenset[str]) -> Template | None:
    """The template of an event; None when such events must be decoded one by one."""
    text = text.rstrip(b", \t\r\n")
    event = decode_event(text)
    if event is None:
        return None
    if event.ph != "X":
        return None if event.ph == "M" or is_memory(event) else Template(kind_of(event))
    numbers = _numbers(event, text, form)
    if numbers is None or not isinstance(event.name, str):
        return None
    category = category_of(event)
    pid, tid = (part if isinstance(part, str) else None for part in (event.pid, event.tid))
    keeps_args = category == "cpu_op" and event.name in keep_args
    return Template(category, event.name, pid, tid, numbers, keeps_args)


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


_decode_fields = msgspec.json.Decoder(_Fields).decode
_decode_args = msgspec.json.Decoder(_Args).decode


def _numbers(event: Event, text: bytes, form: bytes) -> tuple[Number, ...] | None:
    """Which runs are the numbers of a complete event; None when one of them is no plain number."""
    try:
        fields = _decode_fields(text)
        ids = _id_fields(event, fields)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return None
    if ids is None or not len(fields.ts) or not len(fields.dur):
        return None
    parts = ((event.pid, fields.pid), (event.tid, fields.tid))
    threads = [_NOTHING if isinstance(value, str) else raw for value, raw in parts]
    runs, begin = [run.start() for run in _RUN.finditer(form)], _address(text)
    times = [_number(raw, _TIME, begin, runs) for raw in (fields.ts, fields.dur)]
    rest = [_number(raw, _INTEGER, begin, runs) for raw in (*threads, *ids)]
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


def _number(raw: msgspec.Raw, kind: re.Pattern[bytes], begin: int, runs: list[int]) -> Number | None:
    """Which run a field of the text at address `begin` is; None when arrays cannot read it."""
    if not len(raw):
        return _ABSENT
    found = kind.fullmatch(bytes(raw))
    if found is None:
        return None
    sign, decimals = found.groups()
    return Number(runs.index(_address(raw) - begin + len(sign)), bool(decimals), -1 if sign else 1)


def _address(view: bytes | msgspec.Raw) -> int:
    """Where in memory the bytes of `view` begin."""
    address: int = np.frombuffer(view, np.uint8).__array_interface__["data"][0]
    return address
