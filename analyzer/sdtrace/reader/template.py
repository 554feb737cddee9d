"""What events share that differ in the values of numbers alone, made of one of them.

Each run of digits is replaced by its number before the event is decoded. So the decoder itself tells which
run a field is; it stands at the same place in every event of the form (see `sdtrace.reader.forms`).
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from itertools import chain, pairwise
from typing import Final, NamedTuple

import msgspec
import numpy as np

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
from sdtrace.reader.split import DIGIT
from sdtrace.reader.words import Int64s

_TIME: Final = re.compile(rb"(\d+)(?:\.(\d+))?")
SPANS: Final = MOST_OWN_IDS + 1
"""Stretches of digits before, between and after the ids in the arguments."""
FIELDS: Final = ("ts", "dur", "pid", "tid", "External id", "correlation", "bytes")
"""The numbers of a template, in their order."""
_NO_EDGES: Final = np.zeros(4 * len(FIELDS) + 2 * SPANS, np.int64)


class Number(NamedTuple):
    """Which run of digits a number is, counted from 1; 0 for no number."""

    run: int
    decimals: int = 0
    """The run behind the point."""
    unit: int = 1


class Template(NamedTuple):
    """What events share that differ in digits alone, also in how many digits a number has."""

    number: int
    """Among the templates of a file."""
    key: EventKey
    """Process and thread are 0 where they are numbers. An event that makes no row counts as its category."""
    is_row: bool = False
    keeps_args: bool = False
    units: tuple[int, ...] = (1,) * len(FIELDS)
    """What each of FIELDS is multiplied by."""
    edges: Int64s = _NO_EDGES
    """Where begins and ends what: for each of FIELDS its run and that of its decimals, then the spans.

    Begins and ends of runs are counted from 1; 0 for none. The kept arguments depend on the digits in spans.
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
    if event.ph != "X":
        no_row = Template(number, EventKey(kind_of(event), "", 0, 0))
        return None if event.ph == "M" or is_memory(event) else no_row
    category = category_of(event)
    args = arguments(event) if category in NAMED else {}
    if args is None or not isinstance(event.name, str):
        return None
    pid, tid = (part if isinstance(part, str) else 0 for part in (event.pid, event.tid))
    threads = (0 if isinstance(part, str) else part for part in (event.pid, event.tid))
    ids = (one or 0 for one in ids_of(category, args))
    each = (_time(event.ts), _time(event.dur), *map(_integer, (*threads, *ids)))
    numbers = [one for one in each if one is not None]
    keeps = keeps_args(event, args)
    spans = _spans(own_ids(args).values(), numbers, len(pieces)) if keeps else []
    if len(numbers) < len(FIELDS) or len(spans) > SPANS:
        return None
    runs = [*chain.from_iterable(((one.run,) * 2, (one.decimals,) * 2) for one in numbers), *spans]
    edges = [edge for first, last in runs for edge in (max(2 * first - 1, 0), 2 * last)]
    edges += [0] * (len(_NO_EDGES) - len(edges))
    units = tuple(one.unit for one in numbers)
    return Template(number, EventKey(category, event.name, pid, tid), True, keeps, units, np.array(edges))


def _time(raw: msgspec.Raw) -> Number | None:
    """Which runs a time is; None when arrays cannot read it."""
    found = _TIME.fullmatch(raw)
    return None if found is None else Number(int(found[1]), int(found[2] or 0), 1000)


def _integer(value: object) -> Number | None:
    """Which run a number is; None when arrays cannot read it."""
    return Number(abs(value), unit=-1 if value < 0 else 1) if type(value) is int else None


def _spans(ids: Iterable[int], numbers: list[Number], runs: int) -> list[tuple[int, int]]:
    """The first and last of the runs between those that every event has its own of: times, threads, ids."""
    own = {0, runs + 1, *map(abs, ids)}
    own.update(run for number in numbers[:4] for run in (number.run, number.decimals))
    return [(one + 1, other - 1) for one, other in pairwise(sorted(own)) if other - one > 1]
