"""How to read the events of one skeleton: which of their numbers is what.

A skeleton is an event's text with `0` for each run of digits outside strings (see `sdtrace.reader.split`).
All events of one skeleton differ in those digits alone. So it is decoded once, with the numbers 1, 2, 3, ...
in the place of the digits: what the decoder then finds in a field says which run of digits its value is.
"""

from __future__ import annotations

import re
from itertools import count, repeat
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
from sdtrace.reader.skeletons import Skeletons

EXACT: Final = -1
"""The event is decoded by itself."""
_SEEN_ONCE, _NEW = -2, -3
_MAX_SKELETONS: Final = 1 << 18
"""More are not remembered."""
_STRING_OR_DIGIT: Final = re.compile(rb'"[^"\\]*(?:\\.[^"\\]*)*"|0', re.DOTALL)
_DECIMAL: Final = re.compile(rb"(\d+)(?:\.\d+)?")


class Slots(NamedTuple):
    """Which run of digits in an event is what: 1 is the first, 0 none; negative: a minus stands before it."""

    start: int
    duration: int
    pid: int = 0
    tid: int = 0
    external: int = 0
    correlation: int = 0
    nbytes: int = 0


class Template(NamedTuple):
    """What all events of a skeleton share."""

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
        """By the hash of the skeleton."""
        self._lock = Lock()
        self.templates: list[Template] = []

    def find(self, skeletons: Skeletons) -> Int32s:
        """The number of each skeleton's template; EXACT where there is none."""
        hashes, firsts, index, times = np.unique(
            skeletons.hashes(), return_index=True, return_inverse=True, return_counts=True
        )
        numbers = np.array(list(map(self._numbers.get, hashes.tolist(), repeat(_NEW))), np.int32)
        for place in np.flatnonzero(numbers < EXACT).tolist():
            skeleton = skeletons.one(int(firsts[place]))
            numbers[place] = self._learn(int(hashes[place]), skeleton, is_alone=times[place] == 1)
        return numbers[index]

    def _learn(self, value: int, skeleton: bytes, *, is_alone: bool) -> int:
        """The number of a skeleton; it gets one when it is met for the second time: many are unique."""
        with self._lock:
            number = self._numbers.get(value, _NEW)
            if number >= EXACT or len(self._numbers) >= _MAX_SKELETONS:
                return max(number, EXACT)
            if number == _NEW and is_alone:
                self._numbers[value] = _SEEN_ONCE
                return EXACT
            template = make_template(skeleton, self._keep_args)
            number = EXACT if template is None else len(self.templates)
            self.templates += [template] if template is not None else []
            self._numbers[value] = number
            return number


def make_template(skeleton: bytes, keep_args: frozenset[str]) -> Template | None:
    """The template of a skeleton; None when its events must be decoded one by one."""
    event = decode_event(_numbered(skeleton).rstrip(b"\x01, \t\r\n"))
    if event is None:
        return None
    if event.ph != "X":
        return None if event.ph == "M" or is_memory(event) else Template(kind_of(event))
    slots = _slots(event)
    if slots is None or not isinstance(event.name, str):
        return None
    category = category_of(event)
    pid, tid = (part if isinstance(part, str) else None for part in (event.pid, event.tid))
    keeps_args = category == "cpu_op" and event.name in keep_args
    return Template(category, event.name, pid, tid, slots, keeps_args)


def _numbered(skeleton: bytes) -> bytes:
    """The skeleton with 1, 2, 3, ... for its zeros."""
    numbers = count(1)
    return _STRING_OR_DIGIT.sub(
        lambda found: b"%d" % next(numbers) if found[0] == b"0" else found[0], skeleton
    )


def _slots(event: Event) -> Slots | None:
    """Where the numbers of a complete event are; None when one of them is no plain number."""
    ids = ids_of(event)
    start, duration = (_DECIMAL.fullmatch(bytes(raw)) for raw in (event.ts, event.dur))
    if ids is None or start is None or duration is None:
        return None
    numbers = [0 if isinstance(part, str) else part for part in (event.pid, event.tid)]
    numbers += [0 if value is None else value for value in ids]
    if any(type(number) is not int for number in numbers):
        return None
    return Slots(int(start[1]), int(duration[1]), *numbers)
