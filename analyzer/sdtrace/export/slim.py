"""A trace to keep or to share: a part of it, without Python, without names that are nobody's business."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from itertools import compress
from pathlib import Path
from typing import Final, NamedTuple

import msgspec
import numpy as np

from sdtrace.analysis.study import study_trace
from sdtrace.atomic_files import Write, staged
from sdtrace.breakdowns.rules import load_rules
from sdtrace.export.anonymous_events import Anonymizer
from sdtrace.export.event_text import STACK, fields, joined, with_times, without_stack
from sdtrace.export.note import PYTHON, note_of, renamed
from sdtrace.export.other_events import OtherEvents
from sdtrace.export.part import Part, Selection, find_part
from sdtrace.intervals import Bools, Int64s
from sdtrace.reader.repair import repair_strings
from sdtrace.reader.texts import Texts, each_text
from sdtrace.trace import Trace, load_trace
from sdtrace.trace.part_of import KEY, PartOf

_EVERYTHING: Final = Selection()
_MARK: Final = b"\xef\xbb\xbf"


class Slimmed(NamedTuple):
    """How many events were kept of how many, and the bytes of both files."""

    kept: int
    events: int
    bytes_before: int
    bytes_after: int


def write_slim(
    source: Path,
    target: Path,
    selection: Selection = _EVERYTHING,
    *,
    drop_python: bool = False,
    anonymize: bool = False,
    force: bool = False,
) -> Slimmed:
    """Write what `selection` leaves of the trace at `source` (a file, not standard input) to `target`.

    Events keep their text, and so every digit, but for annotations that are cut to the part (see
    `find_part`). `drop_python` leaves out Python functions and stacks: what only the name of a Python
    function told is no longer known, such as the category of some kernels, or that the GPU waited for it.
    `anonymize` replaces what tells
    who ran what where (see `Anonymizer`). A key beside the events notes how long the part lasts and which
    iterations of the whole it holds (see `sdtrace.trace.part_of`), so that both stay. `.gz` compresses. The
    file appears whole or not at all.

    Raises UnreadableTrace, OutputError; UsageError when nothing would be left.

    >>> write_slim(Path("trace.json"), Path("second.json.gz"), Selection(iteration=1))  # doctest: +SKIP
    Slimmed(kept=5721, events=11488, bytes_before=3002310, bytes_after=182204)
    """
    with staged(target, force=force, small=True) as write:
        trace = load_trace(source)
        part = None
        if selection != _EVERYTHING:
            part = find_part(trace, study_trace(trace, load_rules(None)), selection)
        anonymizer = Anonymizer(trace) if anonymize else None
        note = note_of(trace, part, drop_python=drop_python)
        writer = _Writer(write, _Choice(trace, part, drop_python=drop_python), anonymizer, note)
        before = source.stat().st_size
        writer.end(each_text(source, writer.begin, writer.take))
    return Slimmed(writer.kept, sum(trace.counts.values()) + trace.skipped, before, target.stat().st_size)


class _Choice:
    """Which events are kept and how they change, asked chunk by chunk in the order of the file."""

    def __init__(self, trace: Trace, part: Part | None, *, drop_python: bool) -> None:
        self._rows = _every_row(trace) if part is None else part.rows
        self._cuts = {} if part is None else part.cuts
        self._others = None if part is None else OtherEvents(trace, part)
        self._drop_python = drop_python
        if drop_python:
            self._rows[trace.file_rows[trace.in_categories(PYTHON)]] = False
        self._at = 0

    def kept(self, texts: Texts) -> Bools:
        """Which events are kept; rows count on from the last call."""
        kept = np.ones(len(texts.text), np.bool_)
        rows, others = np.flatnonzero(texts.is_row), np.flatnonzero(~texts.is_row)
        kept[rows] = self._rows[self._at : self._at + len(rows)]
        if self._others is not None:
            kept[others] = self._others.keep([texts.text[place] for place in others.tolist()])
        self._change(texts, rows, kept)
        self._at += len(rows)
        return kept

    def _change(self, texts: Texts, rows: Int64s, kept: Bools) -> None:
        """Give the events that are cut, and those with a Python stack, a text of their own."""
        for row, times in self._cuts.items():
            if self._at <= row < self._at + len(rows):
                place = int(rows[row - self._at])
                texts.text[place] = with_times(texts.text[place], *times)
        if self._drop_python:
            for place in np.flatnonzero(kept).tolist():
                if STACK in texts.text[place]:
                    texts.text[place] = without_stack(texts.text[place])


def _every_row(trace: Trace) -> Bools:
    return np.ones(len(trace) + len(trace.quarantined_rows), np.bool_)


class _Writer:
    """Writes the copy, given the pieces of the original."""

    def __init__(
        self, write: Write, choice: _Choice, anonymizer: Anonymizer | None, note: PartOf | None
    ) -> None:
        self._write, self._choice, self._anonymizer, self._note = write, choice, anonymizer, note
        self.kept = 0

    def begin(self, head: bytes) -> None:
        """Write what stands before the events."""
        keys = self._keys(head + b"]}")
        self._write(joined({**keys, "traceEvents": b"["})[:-1])

    def take(self, texts: Texts) -> None:
        """Write the events that are kept."""
        kept = self._choice.kept(texts)
        pieces: Iterable[bytes] = compress(texts.text, kept.tolist())
        if self._anonymizer is not None:
            pieces = map(self._anonymizer.event, pieces)
        if kept.any():
            self._write((b",\n" if self.kept else b"\n") + b",\n".join(pieces))
        self.kept += int(kept.sum())

    def end(self, tail: bytes) -> None:
        """Write what stands behind the events."""
        keys = {**self._keys(b"{" + tail.lstrip(b",")), **self._noted()}
        self._write(b"\n]" + (b", " if keys else b"") + joined(keys)[1:] + b"\n")

    def _noted(self) -> dict[str, bytes]:
        """The key that tells what the copy is a part of; none where there is nothing to tell."""
        note = self._note
        if note is not None and self._anonymizer is not None:
            note = renamed(note, self._anonymizer.annotation)
        return {} if note is None else {KEY: msgspec.json.encode(note)}

    def _keys(self, text: bytes) -> Mapping[str, bytes | msgspec.Raw]:
        """The keys beside the events; none where the file is an array or damaged there."""
        text = text.removeprefix(_MARK)
        found = fields(text)
        keys = (fields(repair_strings(text)) if found is None else found) or {}
        for key in ("traceEvents", KEY):
            keys.pop(key, None)
        return keys if self._anonymizer is None else self._anonymizer.top_level(keys)
