"""Decode a chunk of the array of events, whatever its layout."""

from __future__ import annotations

from typing import Final, NamedTuple

import numpy as np

from sdtrace.reader.columns import EventColumns, EventKey, Events, Int32s
from sdtrace.reader.events import EventTable
from sdtrace.reader.forms import EXACT, Forms
from sdtrace.reader.numbers import PADDING, Int64s, integers
from sdtrace.reader.salvage import Walk, walk
from sdtrace.reader.split import Split, split_events
from sdtrace.reader.template import Template

_PIECE: Final = 1 << 23
"""Bytes worked on at once: with fewer, threads wait for each other. Longer events are decoded alone."""
_WALK: Final = 1 << 14
"""So much text is decoded event by event where arrays find no event."""
_MIX: Final = tuple(np.uint64(odd) for odd in (0x9E3779B97F4A7C15, 0xC2B2AE3D27D4EB4F, 0x165667B19E3779F9))


class Found(NamedTuple):
    """Events with a form, one entry each: the number of it, and where its text is in the chunk."""

    form: Int32s
    start: Int64s
    end: Int64s


def decode_chunk(chunk: bytes, forms: Forms, *, final: bool) -> tuple[Events, Walk]:
    """The events of text that begins between two of them, and where decoding stopped.

    `PADDING` must follow the text. With `final` no more text follows.
    """
    decoding = Decoding(chunk, forms, final=final)
    walked = decoding.run()
    return decoding.decoded(), walked


class Decoding:
    """Finds the events of a chunk; those without a form go to `table`, in the order of the file."""

    def __init__(self, chunk: bytes, forms: Forms, *, final: bool) -> None:
        self._chunk, self._final = chunk, final
        self._size = len(chunk) - len(PADDING)
        self._body = memoryview(chunk)[: self._size]
        self._forms = forms
        self._found = [Found(np.zeros(0, np.int32), np.zeros(0, np.int64), np.zeros(0, np.int64))]
        self.table = EventTable()

    def run(self) -> Walk:
        """Find all events, and decode those without a form."""
        at = 0
        while at < self._size:
            stop = min(at + _PIECE, self._size)
            split = split_events(self._chunk, at, stop, is_all=stop == self._size)
            if len(split.bounds) > 1:
                step = self._add(split, at)
            else:
                has_brace = self._chunk.find(b"{", at, stop) >= 0
                step = self._walk(at, min(stop, at + _WALK) if has_brace else stop)
            if step.is_over or step.is_cut or step.end == at:
                return step
            at = step.end
        return Walk(at)

    def _add(self, split: Split, at: int) -> Walk:
        """Add the events of a piece that starts at offset `at`."""
        form = self._forms.find(split)
        form[split.odd[split.odd < len(form)]] = EXACT
        starts = split.bounds + at
        end = len(form)
        step = Walk(int(starts[-1]))
        decoded_to = 0
        for index in np.flatnonzero(form == EXACT).tolist():
            if starts[index] < decoded_to or self._add_alone(int(starts[index]), int(starts[index + 1])):
                continue
            walked = self._walk(int(starts[index]), int(starts[index + 1]))
            decoded_to = walked.end
            after = int(np.searchsorted(starts, decoded_to))
            form[index:after] = EXACT
            is_between = starts[min(after, end)] == decoded_to > starts[index]
            if walked.is_over or walked.is_cut or not is_between:
                end, step = index, walked
                break
        rows = np.flatnonzero(form[:end] != EXACT)
        self._found.append(Found(form[rows], starts[rows], starts[rows + 1]))
        return step

    def _add_alone(self, start: int, end: int) -> bool:
        """Add the event that is the text from `start` to `end`; False if it is none."""
        self.table.place = start
        text = bytes(self._body[start:end]).strip(b", \t\r\n")
        return text.startswith(b"{") and self.table.add(text)

    def _walk(self, start: int, until: int) -> Walk:
        self.table.place = start
        return walk(self._body, start, until, self.table, final=self._final)

    def found(self) -> Found:
        """Events with a form, in the order of the file."""
        return Found(*map(np.concatenate, zip(*self._found, strict=True)))

    def decoded(self) -> Events:
        """All events found, in the order of the file."""
        found = self.found()
        times = np.bincount(found.form)
        is_row = np.zeros(len(times), np.bool_)
        for number in np.flatnonzero(times).tolist():
            template = self._forms.templates[number]
            is_row[number] = template.numbers is not None
            if template.numbers is None:
                self.table.counts[template.category] += int(times[number])
        rows = np.flatnonzero(is_row[found.form])
        form = (np.cumsum(is_row) - 1)[found.form[rows]]
        starts = found.start[rows]
        self.table.extend(*self._rows(np.flatnonzero(is_row), form, starts, found.end[rows]))
        if self.table.places:
            self.table.sort(np.append(np.array(self.table.places, np.int64), starts))
        return self.table

    def _rows(
        self, used: Int64s, form: Int64s, starts: Int64s, ends: Int64s
    ) -> tuple[EventColumns, list[EventKey], list[str]]:
        """The rows of events from `starts` to `ends`, and what they index; `form` indexes `used` forms."""
        text = np.frombuffer(self._chunk, np.uint8)
        templates = [self._forms.templates[number] for number in used.tolist()]
        of_form = np.array([template.number for template in templates], np.int64)
        fields, spans = self._forms.places(used)
        start, duration, pid, tid, external, correlation, nbytes = integers(self._chunk, starts, form, fields)
        nbytes -= (fields[:, -1, 1] == 0)[form]
        firsts, key = _distinct(of_form[form], pid, tid)
        keys = [
            _event_key(templates[number], int(pid[first]), int(tid[first]))
            for number, first in zip(form[firsts].tolist(), firsts.tolist(), strict=True)
        ]
        of_form[[template.spans is None for template in templates]] = -1
        kept, args = self._forms.args.of(text, starts, ends, form, spans, of_form)
        return EventColumns(key, start, duration, external, correlation, nbytes, kept), keys, args


def _distinct(*columns: Int64s) -> tuple[Int64s, Int32s]:
    """The first of the rows that are equal, and for each row which of them it equals."""
    mixed = np.zeros(len(columns[0]), np.uint64)
    for column, odd in zip(columns, _MIX, strict=True):
        mixed += column.view(np.uint64) * odd
    _, firsts, index = np.unique(mixed, return_index=True, return_inverse=True)
    if any((column != column[firsts][index]).any() for column in columns):
        _, firsts, index = np.unique(np.stack(columns), axis=1, return_index=True, return_inverse=True)
    return firsts, index.astype(np.int32)


def _event_key(template: Template, pid: int, tid: int) -> EventKey:
    return EventKey(
        template.category,
        template.name,
        pid if template.pid is None else template.pid,
        tid if template.tid is None else template.tid,
    )
