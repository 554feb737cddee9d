"""What events share that differ in the values of numbers alone, made of one of them.

Each run of digits is replaced by its number before the event is decoded. So the decoder itself tells which
run a field is; it stands at the same place in every event of the form (see `sdtrace.reader.forms`).
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from itertools import pairwise
from typing import Final, NamedTuple

import msgspec
import numpy as np

from sdtrace.reader.categories import NAMED
from sdtrace.reader.columns import EventKey
from sdtrace.reader.events import (
    MOST_OWN_IDS,
    Event,
    arguments,
    category_of,
    decode_event,
    ids_of,
    is_memory,
    keeps_args,
    kind_of,
    own_ids,
    sizes_of,
)
from sdtrace.reader.split import DIGIT
from sdtrace.reader.words import Int64s

_TIME: Final = re.compile(rb"(-?\d+)(?:\.(\d+))?")
SPANS: Final = MOST_OWN_IDS + 1
"""Stretches of digits before, between and after the ids in the arguments."""
FIELDS: Final = 9
"""The numbers of a row: `ts` and its decimals, `dur` and its decimals, `pid`, `tid`, and `ids_of` it.

Of an allocation they are `ts` and its decimals, `tid`, and `sizes_of` it.
"""
_OF_EVENT: Final = slice(6)
"""Those of a row that are not in its arguments."""


class Template(NamedTuple):
    """What events share that differ in digits alone, also in how many digits a number has."""

    number: int
    """Among the templates of a file."""
    key: EventKey
    """Process and thread are 0 where they are numbers. An event that makes no row counts as its category."""
    is_row: bool = False
    keeps_args: bool = False
    is_memory: bool = False
    """Whether it is of allocations, which count as their category and are no rows."""
    signs: tuple[int, ...] = (1,) * FIELDS
    """-1 for a minus before one of FIELDS."""
    runs: Int64s = np.zeros((FIELDS + SPANS, 2), np.int64)
    """The first and last run of digits of each of FIELDS, which are the same, and of each span.

    Runs are counted from 1; 0 is for none. The kept arguments depend on the digits in spans.
    """


def make_template(number: int, skeleton: bytes) -> Template | None:
    """The template of events, given their text with one `DIGIT` for each run of digits.

    None when such events must be decoded one by one.
    """
    *pieces, rest = skeleton.split(DIGIT)
    numbered = [b"%b%d" % (piece, run) for run, piece in enumerate(pieces, 1)]
    event = decode_event(b"".join((*numbered, rest)).strip(b", \t\r\n"))
    if event is None:
        return None
    if is_memory(event):
        return _of_memory(number, event)
    if event.ph != "X":
        return None if event.ph == "M" else Template(number, EventKey(kind_of(event), "", 0, 0))
    category = category_of(event)
    args = arguments(event) if category in NAMED else {}
    if args is None or not isinstance(event.name, str):
        return None
    pid, tid = (part if isinstance(part, str) else 0 for part in (event.pid, event.tid))
    threads = (0 if isinstance(part, str) else part for part in (event.pid, event.tid))
    numbers = [*_time(event.ts), *_time(event.dur), *threads, *ids_of(category, args)]
    keeps = keeps_args(category, event.name, args)
    own = [one for one in (*numbers[_OF_EVENT], *own_ids(args).values()) if type(one) is int]
    spans = _spans(own, len(pieces)) if keeps else []
    made = Template(number, EventKey(category, event.name, pid, tid), is_row=True, keeps_args=keeps)
    return _with_runs(made, numbers, spans)


def _of_memory(number: int, event: Event) -> Template | None:
    args, tid = arguments(event), event.tid
    if args is None:
        return None
    key = EventKey(kind_of(event), "", 0, tid if isinstance(tid, str) else 0)
    numbers = [*_time(event.ts), 0 if isinstance(tid, str) else tid, *sizes_of(args)]
    return _with_runs(Template(number, key, is_memory=True), numbers, [])


def _with_runs(
    template: Template, numbers: Sequence[object], spans: list[tuple[int, int]]
) -> Template | None:
    """The template with the runs that its FIELDS and spans are; None when arrays cannot read them."""
    told = [0 if one is None else one for one in numbers]
    ints = [one for one in told if type(one) is int]
    if len(ints) < FIELDS or len(spans) > SPANS:
        return None
    each = [(abs(one), abs(one)) for one in ints] + spans + [(0, 0)] * (SPANS - len(spans))
    signs = tuple(-1 if one < 0 else 1 for one in ints)
    return template._replace(runs=np.array(each), signs=signs)


def _time(raw: msgspec.Raw) -> tuple[int, ...]:
    """Which run a time is, and which its decimals are; nothing where arrays cannot read it."""
    found = _TIME.fullmatch(raw)
    return () if found is None else (int(found[1]), int(found[2] or 0))


def _spans(own: list[int], runs: int) -> list[tuple[int, int]]:
    """The first and last of the runs between those that every event has its own of; minus signs count not."""
    edges = sorted({0, *map(abs, own), runs + 1})
    return [(one + 1, other - 1) for one, other in pairwise(edges) if other - one > 1]
