"""The rows of events that have a form, by arrays; only what no event before had is decoded."""

from __future__ import annotations

from typing import Final, NamedTuple

import numpy as np

from sdtrace.reader.columns import EventColumns, EventKey, Int32s, MemoryEvent
from sdtrace.reader.events import UNTOLD, EventTable, arguments, category_of, decode_event, kept_args
from sdtrace.reader.forms import Forms
from sdtrace.reader.template import SPANS, Template
from sdtrace.reader.words import Int64s, UInt64s, hash_spans, integers

_WEIGHTS: Final[UInt64s] = np.uint64(0x9E3779B97F4A7C15) ** np.arange(1 + SPANS, dtype=np.uint64)


class Found(NamedTuple):
    """Events with a form, one entry each: the number of it, and where its text is in the chunk."""

    form: Int64s
    start: Int64s
    end: Int64s

    def only(self, of_form: list[bool]) -> Found:
        """The events of the forms that are chosen."""
        chosen = np.flatnonzero(np.array(of_form, np.bool_)[self.form])
        return Found(self.form[chosen], self.start[chosen], self.end[chosen])


def add_found(chunk: bytes, found: Found, forms: Forms, table: EventTable) -> None:
    """Add the events found to those in `table`, all in the order of the file."""
    times = np.bincount(found.form)
    used = np.flatnonzero(times)
    templates = [forms.templates[number] for number in used.tolist()]
    for template, count in zip(templates, times[used].tolist(), strict=True):
        if not template.is_row:
            table.counts[template.key.category] += count
    found = found._replace(form=(np.cumsum(times > 0) - 1)[found.form])
    shared = _Shared(templates, *forms.places(used))
    _add_memory(chunk, found.only([template.is_memory for template in templates]), shared, table)
    _add_rows(chunk, found.only([template.is_row for template in templates]), shared, forms.args, table)


class _Shared(NamedTuple):
    """What the events of each form share; see `Forms.places`."""

    templates: list[Template]
    fields: Int64s
    spans: Int64s
    signs: Int64s


def _add_memory(chunk: bytes, found: Found, shared: _Shared, table: EventTable) -> None:
    if not found.form.size:
        return
    values = _numbers(chunk, found, shared, 0)
    untold = (np.diff(shared.fields)[:, 3:, 0] == 0)[found.form].T
    values[3:] += untold * np.array(UNTOLD)[:, np.newaxis]
    named = [shared.templates[form].key.tid for form in found.form.tolist()]
    threads = [own if name == 0 else name for name, own in zip(named, values[2].tolist(), strict=True)]
    columns = (values[0].tolist(), threads, *values[3:].tolist())
    table.add_memory([MemoryEvent(*event) for event in zip(*columns, strict=True)], found.start.tolist())


def _add_rows(
    chunk: bytes, found: Found, shared: _Shared, known: dict[int, str | None], table: EventTable
) -> None:
    form, templates = found.form, shared.templates
    start, _, duration, _, pid, tid, external, correlation, nbytes = _numbers(chunk, found, shared, 0, 2)
    nbytes -= (np.diff(shared.fields)[:, -1, 0] == 0)[form]
    number = np.array([template.number for template in templates], np.int64)[form]
    firsts, key = _distinct(np.stack((number, pid, tid), axis=1))
    keys = [
        _with_numbers(templates[one].key, int(pid[first]), int(tid[first]))
        for one, first in zip(form[firsts].tolist(), firsts.tolist(), strict=True)
    ]
    args = np.full(len(form), -1, np.int32)
    kept = np.flatnonzero(np.array([template.keeps_args for template in templates], np.bool_)[form])
    edges = shared.spans[form[kept]] + found.start[kept, np.newaxis, np.newaxis]
    args[kept], texts = _kept(chunk, found.start[kept], found.end[kept], number[kept], edges, known)
    table.extend(EventColumns(key, start, duration, external, correlation, nbytes, args), keys, texts)
    table.sort(found.start)


def _numbers(chunk: bytes, found: Found, shared: _Shared, *times: int) -> Int64s:
    """The numbers of events, one row for each of FIELDS; in the rows `times` nanoseconds."""
    values = integers(chunk, found.start, found.form, shared.fields)
    for row in times:
        digits = np.diff(shared.fields[:, row + 1])[:, 0]
        values[row] = _nanoseconds(values[row], values[row + 1], digits[found.form])
    if (shared.signs < 0).any():
        values *= shared.signs[found.form].T
    return values


def _nanoseconds(whole: Int64s, decimals: Int64s, digits: Int64s) -> Int64s:
    """Times in microseconds with so many digits behind the point; half to even beyond three."""
    thousandths: Int64s = decimals * 10 ** np.maximum(3 - digits, 0)
    rows = np.flatnonzero(digits > 3)
    parts = 10 ** (digits[rows] - 3)
    begun, rest = np.divmod(decimals[rows], parts)
    thousandths[rows] = begun + (2 * rest + begun % 2 > parts)
    thousandths += whole * 1000
    return thousandths


def _distinct(columns: Int64s) -> tuple[Int64s, Int32s]:
    """The first of the rows that are equal, and for each row which of them it equals."""
    hashes = columns.view(np.uint64) @ _WEIGHTS[: columns.shape[1]]
    _, firsts, index = np.unique(hashes, return_index=True, return_inverse=True)
    if (columns != columns[firsts][index]).any():
        _, firsts, index = np.unique(columns, axis=0, return_index=True, return_inverse=True)
    return firsts, index.astype(np.int32)


def _with_numbers(key: EventKey, pid: int, tid: int) -> EventKey:
    return key._replace(pid=pid if key.pid == 0 else key.pid, tid=tid if key.tid == 0 else key.tid)


def _kept(
    chunk: bytes, starts: Int64s, ends: Int64s, template: Int64s, edges: Int64s, known: dict[int, str | None]
) -> tuple[Int32s, list[str]]:
    """For each event an index into the texts of arguments, -1 where none remain; and the texts, each once.

    Arguments repeat but for the ids that every event has its own of. Events of one `template` differ in
    digits alone, so the text between `edges` is hashed, and only an event with a new hash is decoded.
    """
    begin, end = edges.reshape(-1, 2).T
    filled = np.flatnonzero(end > begin)
    parts = np.zeros(len(begin), np.uint64)
    parts[filled] = hash_spans(np.frombuffer(chunk, np.uint8), begin[filled], end[filled])
    hashes = np.column_stack((template.view(np.uint64), parts.reshape(-1, SPANS))) @ _WEIGHTS
    found, firsts, index = np.unique(hashes, return_index=True, return_inverse=True)
    texts: dict[str, int] = {}
    places = []
    for value, first in zip(found.tolist(), firsts.tolist(), strict=True):
        if value not in known:
            known[value] = _args_of(chunk[starts[first] : ends[first]])
        text = known[value]
        places.append(-1 if text is None else texts.setdefault(text, len(texts)))
    return np.array(places, np.int32)[index], list(texts)


def _args_of(text: bytes) -> str | None:
    event = decode_event(text.strip(b", \t\r\n"))
    args = None if event is None else arguments(event)
    return None if event is None or args is None else kept_args(category_of(event), args)
