"""What events share that differ in the values of numbers alone, made of one of them.

Each run of digits is replaced by its index before the event is decoded. So the decoder itself tells which run
a field is; it stands at the same place in every event of the form (see `sdtrace.reader.forms`).
"""

from __future__ import annotations

import re
from contextlib import suppress
from typing import Final, NamedTuple

import msgspec

from sdtrace.reader.categories import COPIES, LINKED, NAMED
from sdtrace.reader.events import (
    ERRORS,
    MOST_OWN_IDS,
    NAMES_OF_ARGS,
    OWN_IDS,
    Event,
    category_of,
    is_memory,
    keeps_args,
    kind_of,
)
from sdtrace.reader.kept_args import Edge, edges_of
from sdtrace.reader.repair import repair_strings

_TIME: Final = re.compile(rb"()(\d+)(\.\d+)?")
_INTEGER: Final = re.compile(rb"(-?)(\d+)()")
_FIRST_RUN: Final = re.compile(rb'(?:[^"\d]|"(?:[^"\\]|\\.)*")*(\d+)', re.DOTALL)
"""Up to the first digits outside strings."""
_NO_ARGS: Final = (b"", b"null", b"[]")
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
NO_NUMBERS: Final = (_ABSENT,) * len(FIELDS)


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


class _Numbered(Event):
    """An event whose numbers say which runs of digits they are."""

    pid: msgspec.Raw = _NOTHING
    tid: msgspec.Raw = _NOTHING


class _Args(msgspec.Struct, rename={**NAMES_OF_ARGS, **OWN_IDS}):
    """The ids in such an event's arguments."""

    external_id: msgspec.Raw = _NOTHING
    record_function: msgspec.Raw = _NOTHING
    number: msgspec.Raw = _NOTHING
    correlation: msgspec.Raw = _NOTHING
    old_external_id: msgspec.Raw = _NOTHING
    nbytes: msgspec.Raw = _NOTHING


_decode_event = msgspec.json.Decoder(_Numbered).decode
_decode_args = msgspec.json.Decoder(_Args).decode
_decode_text = msgspec.json.Decoder(str).decode


def make_template(text: bytes, starts: list[int], ends: list[int]) -> Template | None:
    """The template of an event with runs of digits from `starts` to `ends`.

    None when such events must be decoded one by one.
    """
    text = numbered(text, starts, ends).rstrip(b", \t\r\n")
    event = _decoded(text)
    if event is None:
        return None
    if event.ph != "X":
        return None if event.ph == "M" or is_memory(event) else Template(kind_of(event))
    category, args = category_of(event), _args_of(event)
    if not isinstance(event.name, str) or (args is None and category in NAMED):
        return None
    ids = _Args() if args is None or category not in NAMED else args
    threads = [bytes(part) for part in (event.pid, event.tid)]
    pid, tid = (_decode_text(part) if part.startswith(b'"') else None for part in threads)
    numbers = [_number(bytes(time), _TIME, 1000) for time in (event.ts, event.dur) if len(time)]
    numbers += [_ABSENT if part.startswith(b'"') else _number(part, _INTEGER, 1) for part in threads]
    numbers += [_number(one, _INTEGER, 1) for one in _ids(ids, category)]
    found = tuple(number for number in numbers if number is not None)
    if len(found) < len(FIELDS):
        return None
    edges = _args_edges(text, bytes(event.args), args, starts, ends) if args and keeps_args(event) else None
    return Template(category, event.name, pid, tid, found, edges)


def numbered(text: bytes, starts: list[int], ends: list[int]) -> bytes:
    """The text with the index of each run of digits, from `starts` to `ends`, in its place.

    >>> numbered(b'{"ts": 1234.567}', [7, 12], [11, 15])
    b'{"ts": 0.1}'
    """
    begin, *rest = (text[end:start] for end, start in zip((0, *ends), (*starts, len(text)), strict=True))
    return b"".join((begin, *(b"%d%b" % part for part in enumerate(rest))))


def _decoded(text: bytes) -> _Numbered | None:
    """The event, its strings repaired where that makes it valid JSON."""
    for valid in (bytes, repair_strings):
        with suppress(*ERRORS):
            return _decode_event(valid(text))
    return None


def _args_of(event: Event) -> _Args | None:
    """The ids in the event's arguments, empty ones when it has none; None when they are no object."""
    if bytes(event.args) in _NO_ARGS:
        return _Args()
    with suppress(*ERRORS):
        return _decode_args(event.args)
    return None


def _ids(args: _Args, category: str) -> tuple[bytes, bytes, bytes]:
    """The ids that the category gives a meaning; empty where the event has none."""
    return (
        _present(args.external_id) or _present(args.old_external_id),
        _present(args.correlation) if category in LINKED else b"",
        _present(args.nbytes) if category in COPIES else b"",
    )


def _present(raw: msgspec.Raw) -> bytes:
    text = bytes(raw)
    return b"" if text == b"null" else text


def _number(text: bytes, kind: re.Pattern[bytes], unit: int) -> Number | None:
    """Which run a field is; None when arrays cannot read it."""
    if not text:
        return _ABSENT
    found = kind.fullmatch(text)
    if found is None:
        return None
    sign, run, decimals = found.groups()
    return Number(int(run), bool(decimals), -unit if sign else unit)


def _args_edges(
    event: bytes, text: bytes, args: _Args, starts: list[int], ends: list[int]
) -> tuple[Edge, ...] | None:
    """Where the digits of the arguments are; None when they hold the event's own ids alone."""
    ids = (args.external_id, args.record_function, args.number, args.correlation)
    own = [bytes(raw) for raw in ids if len(raw)][:MOST_OWN_IDS]
    if text.count(b'"') <= 2 * len(own):
        return None
    first = _FIRST_RUN.match(text)
    behind = _FIRST_RUN.match(event, event.rfind(text) + len(text))
    stop = int(behind[1]) if behind else len(starts)
    runs = range(int(first[1]) if first else stop, stop)
    return edges_of(runs, {int(run) for run in own if run.isdigit()}, starts, ends)
