"""Decode a chunk of the array of events, whatever its layout."""

from __future__ import annotations

from collections import Counter
from typing import Final, NamedTuple

import numpy as np

from sdtrace.reader.columns import Decoded, EventColumns, EventKey, Int32s, concatenate
from sdtrace.reader.events import EventTable
from sdtrace.reader.numbers import PADDING, Int64s, Text, as_text, integers
from sdtrace.reader.salvage import Walk, walk
from sdtrace.reader.split import Split, split_events
from sdtrace.reader.template import Template
from sdtrace.reader.templates import EXACT, Templates

_PIECE: Final = 1 << 23
"""Bytes worked on at once: with fewer, threads wait for each other. Longer events are decoded alone."""
_WALK: Final = 1 << 14
"""So much text is decoded event by event where arrays find no event."""
_MIX: Final = tuple(np.uint64(odd) for odd in (0x9E3779B97F4A7C15, 0xC2B2AE3D27D4EB4F, 0x165667B19E3779F9))


class Found(NamedTuple):
    """Events with a template, one entry each: the number of its form, and where its text is in the chunk."""

    form: Int32s
    start: Int64s
    end: Int64s


def decode_chunk(chunk: bytes, templates: Templates, *, final: bool) -> tuple[Decoded, Walk]:
    """The events of text that begins between two of them, and where decoding stopped.

    `PADDING` must follow the text. With `final` no more text follows.
    """
    decoding = Decoding(chunk, templates, EventTable(), final=final)
    walked = decoding.run()
    return decoding.decoded(), walked


class Decoding:
    """Finds the events of a chunk; those without a template go to `table`, in the order of the file."""

    def __init__(self, chunk: bytes, templates: Templates, table: EventTable, *, final: bool) -> None:
        self._chunk, self._final = chunk, final
        self._text = as_text(chunk)
        self._size = len(chunk) - len(PADDING)
        self._body = memoryview(chunk)[: self._size]
        self._templates = templates
        self._found: list[Found] = []
        self._table = table
        self._places: list[int] = []
        """Where each row of the table stands in the chunk."""
        self.text_places: list[int] = []
        """The same for its texts, where it keeps them."""

    def run(self) -> Walk:
        """Find all events, and decode those without a template."""
        at = 0
        while at < self._size:
            stop = min(at + _PIECE, self._size)
            split = split_events(self._chunk, at, stop, is_all=stop == self._size)
            if len(split.forms):
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
        template = self._templates.find(split.forms)
        template[split.odd[split.odd < len(template)]] = EXACT
        starts = split.forms.bounds + at
        end = len(template)
        step = Walk(int(starts[-1]))
        decoded_to = 0
        for index in np.flatnonzero(template == EXACT).tolist():
            if starts[index] < decoded_to:
                continue
            walked = self._add_alone(int(starts[index]), int(starts[index + 1]))
            if walked is None:
                continue
            decoded_to = walked.end
            after = int(np.searchsorted(starts, decoded_to))
            template[index:after] = EXACT
            if (
                walked.is_over
                or walked.is_cut
                or starts[min(after, end)] != decoded_to
                or decoded_to == starts[index]
            ):
                end, step = index, walked
                break
        rows = np.flatnonzero(template[:end] != EXACT)
        self._found.append(Found(template[rows], starts[rows], starts[rows + 1]))
        return step

    def _add_alone(self, start: int, end: int) -> Walk | None:
        """Add the event that is the text from `start` to `end`; where decoding stopped if it is no event."""
        text = bytes(self._body[start:end]).strip(b", \t\r\n")
        if not text.startswith(b"{") or not self._table.add(text):
            return self._walk(start, end)
        self._note_place(start)
        return None

    def _walk(self, start: int, until: int) -> Walk:
        walked = walk(self._body, start, until, self._table, final=self._final)
        self._note_place(start)
        return walked

    def _note_place(self, start: int) -> None:
        """What the table got since the last time stands at `start` or after it."""
        self._places += [start] * (self._table.rows - len(self._places))
        self.text_places += [start] * (len(self._table.texts or ()) - len(self.text_places))

    def found(self) -> Found | None:
        """Events with a template, in the order of the file."""
        if not self._found:
            return None
        return Found(*(np.concatenate(column) for column in zip(*self._found, strict=True)))

    def decoded(self) -> Decoded:
        """All events found, in the order of the file."""
        found = self.found()
        if found is None:
            return self._table.decoded()
        rows = _Rows(self._text, found, self._templates)
        rest = self._table.decoded()
        rest.counts += rows.counts
        return _merged(rows, rest, self._places)


class _Rows:
    """The rows of events that have a template."""

    def __init__(self, text: Text, found: Found, templates: Templates) -> None:
        self._text, self._kept_args = text, templates.args
        per_form = np.bincount(found.form)
        used = np.flatnonzero(per_form)
        local = np.zeros(len(per_form), np.int64)
        local[used] = np.arange(len(used))
        of_form, self._numbers = templates.of(used)
        self._args_of_forms = templates.args_of(used)
        self._templates = [templates.templates[number] for number in of_form.tolist()]
        self.counts = Counter[str]()
        for template, events in zip(self._templates, per_form[used].tolist(), strict=True):
            if template.numbers is None:
                self.counts[template.category] += events
        is_row = np.zeros(len(per_form), np.bool_)
        is_row[used] = [template.numbers is not None for template in self._templates]
        rows = np.flatnonzero(is_row[found.form])
        self._form, self.places, self._ends = local[found.form[rows]], found.start[rows], found.end[rows]
        self._template = of_form[self._form]
        self.columns, self.keys, self.args = self._read()

    def _read(self) -> tuple[EventColumns, list[EventKey], list[str]]:
        numbers = integers(self._text, self.places, self._form, self._numbers)
        start, duration, pid, tid, external, correlation, nbytes = numbers
        nbytes -= (self._numbers[-1].digits == 0)[self._form]
        key, keys = self._event_keys(pid, tid)
        kept, args = self._kept_args.of(
            self._text.bytes, self.places, self._ends, self._form, self._args_of_forms
        )
        return EventColumns(key, start, duration, external, correlation, nbytes, kept), keys, args

    def _event_keys(self, pid: Int64s, tid: Int64s) -> tuple[Int32s, list[EventKey]]:
        """The index of each row's key, and the keys."""
        parts = (self._template.astype(np.int64), pid, tid)
        mixed = np.zeros(len(pid), np.uint64)
        for part, odd in zip(parts, _MIX, strict=True):
            mixed += part.view(np.uint64) * odd
        _, firsts, index = np.unique(mixed, return_index=True, return_inverse=True)
        if any((part != part[firsts][index]).any() for part in parts):
            _, firsts, index = np.unique(np.stack(parts), axis=1, return_index=True, return_inverse=True)
        keys = [
            _event_key(self._templates[form], int(pid[first]), int(tid[first]))
            for form, first in zip(self._form[firsts].tolist(), firsts.tolist(), strict=True)
        ]
        return index.astype(np.int32), keys


def _event_key(template: Template, pid: int, tid: int) -> EventKey:
    return EventKey(
        template.category,
        template.name,
        pid if template.pid is None else template.pid,
        tid if template.tid is None else template.tid,
    )


def _merged(rows: _Rows, rest: Decoded, places: list[int]) -> Decoded:
    """The rows with a template and those of `rest`, which stand at `places`."""
    if not places:
        rest.columns, rest.keys, rest.args = rows.columns, rows.keys, rows.args
        return rest
    moved = rest.columns._replace(
        key=rest.columns.key + len(rows.keys),
        args=np.where(rest.columns.args < 0, -1, rest.columns.args + len(rows.args)),
    )
    order = np.argsort(np.concatenate((rows.places, np.array(places, np.int64))), kind="stable")
    rest.columns = concatenate([rows.columns, moved]).take(order)
    rest.keys, rest.args = rows.keys + rest.keys, rows.args + rest.args
    return rest
