"""What events share that differ in the values of numbers alone, made of one of them.

Each run of digits is replaced by its number before the event is decoded. So the decoder itself tells which
run a field is; it stands at the same place in every event of the form (see `sdtrace.reader.forms`).
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from itertools import pairwise
from typing import Final, NamedTuple

import msgspec

from sdtrace.reader.categories import NAMED
from sdtrace.reader.columns import EventKey
from sdtrace.reader.events import (
    MOST_OWN_IDS,
    arguments,
    category_of,
    decode_event,
    ids_of,
    is_memory,
    keeps_args,
    kind_of,
    own_ids,
)

_TIME: Final = re.compile(rb"(\d+)(?:\.(\d+))?")
SPANS: Final = MOST_OWN_IDS + 1
"""Stretches of digits before, between and after the ids in the arguments."""
FIELDS: Final = ("ts", "dur", "pid", "tid", "External id", "correlation", "bytes")
"""The numbers of a template, in their order."""


class Number(NamedTuple):
    """Which run of digits a number is, counted from 1; 0 for no number."""

    run: int
    last: int
    """The run behind the point; where there is none, the same."""
    unit: int = 1


NO_NUMBERS: Final = (Number(0, 0),) * len(FIELDS)


class Template(NamedTuple):
    """What events share that differ in digits alone, also in how many digits a number has."""

    number: int
    """Among the templates of a file."""
    key: EventKey
    """Process and thread are 0 where they are numbers. An event that makes no row counts as its category."""
    numbers: tuple[Number, ...] = ()
    """One for each of FIELDS; none when the event makes no row."""
    spans: tuple[tuple[int, int], ...] | None = None
    """First and last runs of digits that the kept arguments depend on; None where none are kept."""


def make_template(number: int, pieces: list[bytes]) -> Template | None:
    """The template of an event, given as the pieces of its text between the runs of digits.

    None when such events must be decoded one by one.
    """
    numbered = [b"%s%d" % (piece, run) for run, piece in enumerate(pieces[:-1], 1)]
    event = decode_event(b"".join((*numbered, pieces[-1])).rstrip(b", \t\r\n"))
    if event is None:
        return None
    if event.ph != "X":
        return (
            None
            if event.ph == "M" or is_memory(event)
            else Template(number, EventKey(kind_of(event), "", 0, 0))
        )
    category = category_of(event)
    args = arguments(event) if category in NAMED else {}
    if args is None or not isinstance(event.name, str):
        return None
    pid, tid = (part if isinstance(part, str) else 0 for part in (event.pid, event.tid))
    threads = (0 if isinstance(part, str) else part for part in (event.pid, event.tid))
    ids = (one or 0 for one in ids_of(category, args))
    each = (_time(event.ts), _time(event.dur), *map(_integer, (*threads, *ids)))
    numbers = tuple(one for one in each if one is not None)
    if len(numbers) < len(FIELDS):
        return None
    spans = _spans(own_ids(args).values(), numbers, len(pieces)) if keeps_args(event, args) else None
    if spans is not None and len(spans) > SPANS:
        return None
    return Template(number, EventKey(category, event.name, pid, tid), numbers, spans)


def _time(raw: msgspec.Raw) -> Number | None:
    """Which runs a time is; None when arrays cannot read it."""
    found = _TIME.fullmatch(raw)
    return None if found is None else Number(int(found[1]), int(found[2] or found[1]), 1000)


def _integer(value: object) -> Number | None:
    """Which run a number is; None when arrays cannot read it."""
    return Number(abs(value), abs(value), -1 if value < 0 else 1) if type(value) is int else None


def _spans(ids: Iterable[int], numbers: tuple[Number, ...], after: int) -> tuple[tuple[int, int], ...]:
    """The runs before run `after` that lie between those every event has its own of: times, threads, ids."""
    own = {0, after, *map(abs, ids)}
    own.update(run for number in numbers[:4] for run in (number.run, number.last))
    return tuple((one + 1, other - 1) for one, other in pairwise(sorted(own)) if other - one > 1)
