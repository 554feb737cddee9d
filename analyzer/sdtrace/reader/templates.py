"""How to read the events of one form: which of their numbers is what.

All events of one form differ in the values of digits alone (see `sdtrace.reader.forms`). So a form is decoded
once, with the numbers 1, 2, 3, ... for its runs of digits: what the decoder then finds in a field says which
run its value is, and with it at which offset it stands in every event of the form.
"""

from __future__ import annotations

import re
from threading import Lock
from typing import Final, NamedTuple

import numpy as np

from sdtrace.reader.columns import Int32s
from sdtrace.reader.events import (
    Event,
    category_of,
    decode_event,
    ids_of,
    is_memory,
    kind_of,
)
from sdtrace.reader.forms import Forms
from sdtrace.reader.numbers import Int64s, UInt64s

EXACT: Final = -1
"""The event is decoded by itself."""
_SEEN_ONCE, _NEW = -2, -3
_MAX_FORMS: Final = 1 << 18
"""More are not remembered."""
_CACHE_BITS: Final = 16
_CACHE_SHIFT: Final = np.uint64(64 - _CACHE_BITS)
_STRING_OR_DIGITS: Final = re.compile(rb'"[^"\\]*(?:\\.[^"\\]*)*"|0+', re.DOTALL)
_DECIMAL: Final = re.compile(rb"(\d+)(?:\.(\d+))?")
_MOST_DIGITS, _MOST_DECIMALS = 15, 3


class Slot(NamedTuple):
    """Where in an event a number stands."""

    offset: int = 0
    digits: int = 0
    """Before the point; 0 when the event has no such number."""
    decimals: int = 0
    sign: int = 1


class Slots(NamedTuple):
    """The numbers of an event."""

    start: Slot = Slot()
    duration: Slot = Slot()
    pid: Slot = Slot()
    tid: Slot = Slot()
    external: Slot = Slot()
    correlation: Slot = Slot()
    nbytes: Slot = Slot()


class Template(NamedTuple):
    """What all events of a form share."""

    category: str
    """Events that make no row are counted as this."""
    name: str = ""
    pid: str | None = None
    tid: str | None = None
    """Thread and process where they are text; None where they are numbers."""
    slots: Slots | None = None
    """None when the event makes no row."""
    keeps_args: bool = False


class Templates:
    """The templates of a file, by number. Threads may share it."""

    def __init__(self, keep_args: frozenset[str]) -> None:
        self._keep_args = keep_args
        self._numbers: dict[int, int] = {}
        """By the hash of the form."""
        self._cached = np.zeros(1 << _CACHE_BITS, np.uint64)
        self._cached_numbers = np.full(1 << _CACHE_BITS, _NEW, np.int32)
        """Hashes and their numbers, at the place that the first bits of the hash say."""
        self._lock = Lock()
        self.templates: list[Template] = []

    def find(self, forms: Forms) -> Int32s:
        """The number of each form's template; EXACT where there is none."""
        hashes = forms.hashes()
        places = hashes >> _CACHE_SHIFT
        with self._lock:
            numbers = self._cached_numbers[places]
            numbers[self._cached[places] != hashes] = _NEW
            missing = np.flatnonzero(numbers < EXACT)
            if missing.size:
                self._find_missing(forms, hashes, missing, numbers)
        return numbers

    def _find_missing(self, forms: Forms, hashes: UInt64s, missing: Int64s, numbers: Int32s) -> None:
        """Put the numbers of forms that are not in the cache."""
        found, firsts, index, times = np.unique(
            hashes[missing], return_index=True, return_inverse=True, return_counts=True
        )
        learnt = [
            self._learn(value, forms, first, is_alone=count == 1)
            for value, first, count in zip(
                found.tolist(), missing[firsts].tolist(), times.tolist(), strict=True
            )
        ]
        numbers[missing] = np.array(learnt, np.int32)[index]
        known = missing[[self._numbers.get(value, _NEW) >= EXACT for value in hashes[missing].tolist()]]
        places = hashes[known] >> _CACHE_SHIFT
        self._cached[places] = hashes[known]
        self._cached_numbers[places] = numbers[known]

    def _learn(self, value: int, forms: Forms, index: int, *, is_alone: bool) -> int:
        """The number of a form; it gets one when it is met for the second time: many are unique."""
        number = self._numbers.get(value, _NEW)
        if number >= EXACT or len(self._numbers) >= _MAX_FORMS:
            return max(number, EXACT)
        if number == _NEW and is_alone:
            self._numbers[value] = _SEEN_ONCE
            return EXACT
        template = make_template(forms.one(index), self._keep_args)
        number = EXACT if template is None else len(self.templates)
        self.templates += [template] if template is not None else []
        self._numbers[value] = number
        return number


def make_template(form: bytes, keep_args: frozenset[str]) -> Template | None:
    """The template of a form; None when its events must be decoded one by one."""
    runs: list[Slot] = []
    event = decode_event(_numbered(form, runs).rstrip(b", \t\r\n"))
    if event is None:
        return None
    if event.ph != "X":
        return None if event.ph == "M" or is_memory(event) else Template(kind_of(event))
    slots = _slots(event, runs)
    if slots is None or not isinstance(event.name, str):
        return None
    category = category_of(event)
    pid, tid = (part if isinstance(part, str) else None for part in (event.pid, event.tid))
    keeps_args = category == "cpu_op" and event.name in keep_args
    return Template(category, event.name, pid, tid, slots, keeps_args)


def _numbered(form: bytes, runs: list[Slot]) -> bytes:
    """The form with 1, 2, 3, ... for its runs of digits, which are added to `runs`."""

    def number(found: re.Match[bytes]) -> bytes:
        if not found[0].startswith(b"0"):
            return found[0]
        runs.append(Slot(found.start(), len(found[0])))
        return b"%d" % len(runs)

    return _STRING_OR_DIGITS.sub(number, form)


def _slots(event: Event, runs: list[Slot]) -> Slots | None:
    """Where the numbers of a complete event are; None when one of them is no plain number."""
    ids = ids_of(event)
    times = [_time(bytes(raw), runs) for raw in (event.ts, event.dur)]
    parts = (0 if isinstance(part, str) else part for part in (event.pid, event.tid))
    numbers = [_integer(value, runs) for value in (*parts, *(ids or ()))]
    found = [slot for slot in (*times, *numbers) if slot is not None]
    return Slots(*found) if ids is not None and len(found) == len(Slots._fields) else None


def _time(raw: bytes, runs: list[Slot]) -> Slot | None:
    """A time, given as the numbers of its runs; None when it is not exact in nanoseconds."""
    decimal = _DECIMAL.fullmatch(raw)
    if decimal is None:
        return None
    whole = runs[int(decimal[1]) - 1]
    decimals = runs[int(decimal[2]) - 1].digits if decimal[2] else 0
    if whole.digits > _MOST_DIGITS or decimals > _MOST_DECIMALS:
        return None
    return whole._replace(decimals=decimals)


def _integer(value: object, runs: list[Slot]) -> Slot | None:
    """An integer, given as the number of its run, 0 or None where there is none; None for anything else."""
    if value is None or (type(value) is int and value == 0):
        return Slot()
    if type(value) is not int:
        return None
    run = runs[abs(value) - 1]
    return run._replace(sign=1 if value > 0 else -1) if run.digits <= _MOST_DIGITS else None
