"""Decode the text layouts that Kineto itself writes, with no Python work per event.

Every event of a torch trace is a few lines at fixed places (see `sdtrace.reader.shapes`). So newlines
give the structure, numbers are read where they must stand, and the few distinct heads of events are
decoded once each. Whatever does not match to the letter is handed back as text, to be decoded by the
general JSON decoder: this module is fast, never lenient.
"""

from __future__ import annotations

import re
from collections import Counter
from typing import Final, NamedTuple

import numpy as np

from sdtrace.reader.argument_ids import read_ids
from sdtrace.reader.categories import COPIES, LINKED, NAMED
from sdtrace.reader.columns import EventColumns, Head, Int32s
from sdtrace.reader.heads import HeadLines, Span
from sdtrace.reader.numbers import Bools, Int64s, Text, as_text, thousandths, word
from sdtrace.reader.shapes import Shape

PADDING: Final = b"\0" * 32
"""What must follow the text, so that words may be read past its end."""
EVENT_BOUNDARY: Final = b"\n  },\n  {\n"
BOUNDARY_CUT: Final = len(b"\n  },\n")
"""Where to cut within `EVENT_BOUNDARY`: what follows starts an event."""

_OPEN, _NEWLINE, _SPACE = b"{\n "
_PH_X, _PH_F, _PH_S = word(b'"ph": "X'), word(b'"ph": "f'), word(b'"ph": "s')
_CAT, _AC2G, _SIX_BYTES = word(b'"cat": "'), word(b'ac2g",'), np.uint64((1 << 48) - 1)
_TS = word(b'"ts": ')
_DUR_BESIDE = word(b', "dur":')
_DUR, _SEVEN_BYTES = word(b'"dur": '), np.uint64((1 << 56) - 1)
_ARGS = word(b'"args": ')
_SCAN_BYTES: Final = 1 << 20
_OWN_IDS: Final = re.compile(rb'"(?:External id|Record function id|Ev Idx)": \d+(?:, *)?|, *"Ev Idx": \d+')


class LayoutChunk(NamedTuple):
    """Decoded rows with their place among the events, and the texts that did not match."""

    columns: EventColumns
    heads: list[Head]
    args: list[str]
    places: Int64s
    counts: Counter[str]
    leftover: list[bytes]
    leftover_places: Int64s


class _Events:
    """Where the lines of each event are."""

    def __init__(self, text: Text) -> None:
        newlines = _newlines(text)
        starts = np.concatenate((np.zeros(1, np.int64), newlines[:-1] + 1))
        octets = text.bytes
        opens = (octets[starts + 2] == _OPEN) & (octets[starts + 3] == _NEWLINE) & (octets[starts] == _SPACE)
        self._first = np.flatnonzero(opens)
        self._starts, self._newlines = starts, newlines
        self.n_lines = np.diff(np.append(self._first, len(starts)))

    def line(self, events: Int64s, number: int) -> Span:
        """The given line (0 is the brace) of each of `events`."""
        at = self._first[events] + number
        return Span(self._starts[at], self._newlines[at])

    def whole(self, events: Int64s) -> Span:
        """All the text of each of `events`, to its last newline."""
        last = self._first[events] + self.n_lines[events] - 1
        return Span(self._starts[self._first[events]], self._newlines[last])


def decode_layout(data: bytes, shape: Shape, head_lines: HeadLines, keep_args: frozenset[str]) -> LayoutChunk:
    """Decode whole events; `data` starts with an event and ends with a newline and `PADDING`.

    `keep_args` names the ops whose argument text is kept. Raises nothing, whatever the bytes.
    """
    text = as_text(data)
    events = _Events(text)
    flows = _flows(text, events, shape)
    rows = _complete_events(text, events, shape)
    rows, start_ns, dur_ns = _times(text, events, shape, rows)
    heads = Span(events.line(rows, shape.first_head).start, events.line(rows, shape.last_head).end)
    told = head_lines.decode(text, data, heads)

    with_args = np.flatnonzero(events.n_lines[rows] == shape.long)
    lines = events.line(rows[with_args], shape.args)
    kinds = (told.category_is(kind)[with_args] for kind in (NAMED, LINKED, COPIES))
    ids = read_ids(text, data, lines, *kinds)
    external, correlation = np.zeros(len(rows), np.int64), np.zeros(len(rows), np.int64)
    nbytes = np.full(len(rows), -1, np.int64)
    external[with_args], correlation[with_args], nbytes[with_args] = ids.external, ids.correlation, ids.nbytes
    known = told.index >= 0
    known[with_args] &= ids.valid
    args_index, args = _kept_args(data, lines, with_args, told.name_is(keep_args))

    pick = np.flatnonzero(known)
    left = np.flatnonzero(~_marked(len(flows), rows[pick]) & ~flows)
    spans = events.whole(left)
    leftover = [
        data[start:end].rstrip(b", \n")
        for start, end in zip(spans.start.tolist(), spans.end.tolist(), strict=True)
    ]
    columns = EventColumns(told.index, start_ns, dur_ns, external, correlation, nbytes, args_index)
    return LayoutChunk(
        columns.take(pick),
        told.heads,
        args,
        rows[pick],
        Counter({"ac2g": int(flows.sum())}) if flows.any() else Counter(),
        leftover,
        left,
    )


def _newlines(text: Text) -> Int64s:
    """Offsets of all newlines, found in blocks that fit the cache."""
    octets = text.bytes
    blocks: list[Int64s] = [
        np.flatnonzero(octets[at : at + _SCAN_BYTES] == _NEWLINE) + at
        for at in range(0, len(octets), _SCAN_BYTES)
    ]
    return np.concatenate(blocks)


def _marked(n: int, rows: Int64s) -> Bools:
    marks = np.zeros(n, np.bool_)
    marks[rows] = True
    return marks


def _flows(text: Text, events: _Events, shape: Shape) -> Bools:
    """Events that are halves of a host-to-device arrow: nothing needs them, so they are only counted."""
    rows = np.flatnonzero(events.n_lines == shape.short)
    kind = text.words[events.line(rows, 1).start + 4]
    category = events.line(rows, shape.flow_category).start + 4
    arrows = (kind == _PH_F) | (kind == _PH_S)
    arrows &= (text.words[category] == _CAT) & ((text.words[category + 8] & _SIX_BYTES) == _AC2G)
    return _marked(len(events.n_lines), rows[arrows])


def _complete_events(text: Text, events: _Events, shape: Shape) -> Int64s:
    """Events that look like complete events."""
    rows = np.flatnonzero((events.n_lines == shape.short) | (events.n_lines == shape.long))
    complete: Int64s = rows[text.words[events.line(rows, 1).start + 4] == _PH_X]
    return complete


def _times(text: Text, events: _Events, shape: Shape, rows: Int64s) -> tuple[Int64s, Int64s, Int64s]:
    """The rows that have exactly a start and a duration where they must be, with both in nanoseconds."""
    line, last = events.line(rows, shape.start), events.line(rows, shape.duration)
    long = events.n_lines[rows] == shape.long
    start = thousandths(text, line.start + 10)
    valid = start.valid & ((text.words[line.start + 4] & _SIX_BYTES) == _TS)
    if shape.start == shape.duration:
        duration = thousandths(text, start.ends + 9)
        valid &= (text.words[start.ends] == _DUR_BESIDE) & (duration.ends + long == last.end)
    else:
        duration = thousandths(text, last.start + 11)
        valid &= (text.words[last.start + 4] & _SEVEN_BYTES) == _DUR
        valid &= (start.ends + 1 == line.end) & (duration.ends == last.end)
    valid &= duration.valid
    valid[long] &= text.words[events.line(rows[long], shape.args - 1).start + 4] == _ARGS
    return rows[valid], start.values[valid], duration.values[valid]


def _kept_args(data: bytes, lines: Span, with_args: Int64s, wanted: Bools) -> tuple[Int32s, list[str]]:
    """Argument texts of the wanted rows, without the ids that differ from event to event."""
    index = np.full(len(wanted), -1, np.int32)
    table: dict[bytes, int] = {}
    chosen = np.flatnonzero(wanted[with_args])
    spans = zip(lines.start[chosen].tolist(), lines.end[chosen].tolist(), strict=True)
    numbers = [table.setdefault(_OWN_IDS.sub(b"", data[start:end]), len(table)) for start, end in spans]
    index[with_args[chosen]] = numbers
    return index, ["{" + raw.decode("utf-8", "replace").strip(" ,") + "}" for raw in table]
