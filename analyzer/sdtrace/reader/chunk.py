"""Find and decode the events in a chunk of the array of events, whatever its layout."""

from __future__ import annotations

from typing import Final

import numpy as np

from sdtrace.reader.columns import Events
from sdtrace.reader.events import EventTable
from sdtrace.reader.forms import EXACT, Forms
from sdtrace.reader.rows import Found, add_found
from sdtrace.reader.salvage import Walk, walk
from sdtrace.reader.split import Split, split_events
from sdtrace.reader.words import PADDING

_PIECE: Final = 1 << 23
"""Bytes worked on at once: with fewer, threads wait for each other. Longer events are decoded alone."""
_WALK: Final = 1 << 14
"""So much text is decoded event by event where arrays find no event."""


def decode_chunk(chunk: bytes, forms: Forms, *, final: bool) -> tuple[Events, Walk]:
    """The events of text that begins between two of them, and where decoding stopped.

    `PADDING` must follow the text. With `final` no more text follows.
    """
    decoding = Decoding(chunk, forms, final=final)
    walked = decoding.run()
    add_found(chunk, decoding.found(), forms, decoding.table)
    return decoding.table, walked


class Decoding:
    """Finds the events of a chunk; those without a form go to `table`, in the order of the file."""

    def __init__(self, chunk: bytes, forms: Forms, *, final: bool) -> None:
        self._chunk, self._final = chunk, final
        self._body = memoryview(chunk)[: -len(PADDING)]
        self._forms = forms
        self._found = [Found(*(np.zeros(0, np.int64) for _ in Found._fields))]
        self.table = EventTable()

    def run(self) -> Walk:
        """Find all events, and decode those without a form."""
        at, size = 0, len(self._body)
        while at < size:
            stop = min(at + _PIECE, size)
            split = split_events(self._chunk, at, stop, is_all=stop == size)
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
        starts = split.bounds + at
        end = len(form)
        step, walked = Walk(int(starts[-1])), Walk(at)
        for index in np.flatnonzero(form == EXACT).tolist():
            start, stop = starts[index : index + 2].tolist()
            if start < walked.end or self._add_alone(start, stop):
                continue
            walked = self._walk(start, stop)
            after = int(np.searchsorted(starts, walked.end))
            form[index:after] = EXACT
            is_between = starts[min(after, end)] == walked.end > start
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
