"""The events of a file as text, each as it stands there, told apart exactly as `read_raw` does."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Final, NamedTuple

import msgspec
import numpy as np

from sdtrace.reader.chunk import Decoding, Found
from sdtrace.reader.chunk_pass import ChunkPass
from sdtrace.reader.columns import Int32s, Int64s
from sdtrace.reader.envelope import read_beginning
from sdtrace.reader.events import EventTable
from sdtrace.reader.numbers import Bools
from sdtrace.reader.repair import repair_strings
from sdtrace.reader.salvage import Walk
from sdtrace.reader.streams import open_blocks
from sdtrace.reader.templates import Templates

_BETWEEN: Final = b", \t\r\n"


class Texts(NamedTuple):
    """Events in the order of the file: arrays of one length.

    The text of event `i` is `own[i]`, where there is one: it stood alone, or its strings were repaired. Else
    it is `chunk[start[i]:end[i]]`, with what separates it from the next one. All are valid JSON. `is_row`
    marks those that are rows of `read_raw`, which stand in the same order.
    """

    chunk: bytes
    start: Int64s
    end: Int64s
    is_row: Bools
    own: dict[int, bytes]

    def __len__(self) -> int:
        return len(self.start)

    def one(self, index: int) -> bytes:
        """The text of one event."""
        found = self.own.get(index)
        return self.chunk[self.start[index] : self.end[index]].strip(_BETWEEN) if found is None else found


def each_text(path: Path, begin: Callable[[bytes], None], take: Callable[[Texts], None]) -> bytes:
    """Call `begin` with the text before the first event of the file at `path`, then `take` with all events.

    They come chunk by chunk. Returns the text behind the array of events, b"" where the file was cut before.
    What is damaged beyond repair is left out. Raises UnreadableTrace as `read_raw` does.
    """
    with open_blocks(path) as blocks:
        seen: list[bytes] = []
        beginning = read_beginning(path, _kept(blocks, seen))
        text = b"".join(seen)
        begin(text[: len(text) - len(beginning.events)])
        work = partial(_texts, templates=Templates(), validity=_Validity())
        events = ChunkPass(beginning, work, lambda texts, _: take(texts))
        events.run(blocks)
    return events.tail or b""


def _kept(blocks: Iterator[bytes], seen: list[bytes]) -> Iterator[bytes]:
    for block in blocks:
        seen.append(block)
        yield block


class _Validity:
    """Which templates are valid JSON: events of one template differ in digits alone, so one tells for all."""

    def __init__(self) -> None:
        self._valid: dict[int, bool] = {}

    def of(self, template: int, text: bytes) -> bool:
        """Whether `text`, an event of `template`, is valid; remembered."""
        if template not in self._valid:
            self._valid[template] = _is_valid(text)
        return self._valid[template]


def _texts(chunk: bytes, *, templates: Templates, validity: _Validity, final: bool) -> tuple[Texts, Walk]:
    table = EventTable()
    table.texts = []
    decoding = Decoding(chunk, templates, table, final=final)
    walked = decoding.run()
    alone, places = table.texts, np.array(decoding.text_places, np.int64)
    found, template, is_row = _templated(decoding, templates)
    order = np.argsort(np.concatenate((found.start, places)), kind="stable")
    texts = Texts(
        chunk,
        np.append(found.start, places)[order],
        np.append(found.end, places)[order],
        np.append(is_row, np.array([text.is_row for text in alone], np.bool_))[order],
        {},
    )
    for place in np.flatnonzero(order >= len(template)).tolist():
        texts.own[place] = _valid(alone[order[place] - len(template)].text)
    _repair(texts, np.append(template, np.full(len(alone), -1, np.int32))[order], validity)
    return texts, walked


def _templated(decoding: Decoding, templates: Templates) -> tuple[Found, Int32s, Bools]:
    """Events with a template, the number of each one's template, and whether it makes a row."""
    found = decoding.found()
    if found is None:
        nothing = np.zeros(0, np.int64)
        return Found(nothing.astype(np.int32), nothing, nothing), nothing.astype(np.int32), nothing > 0
    used, which = np.unique(found.form.astype(np.int64), return_inverse=True)
    numbers, _ = templates.of(used)
    makes_row = [templates.templates[number].numbers is not None for number in numbers.tolist()]
    return found, numbers[which], np.array(makes_row, np.bool_)[which]


def _repair(texts: Texts, template: Int32s, validity: _Validity) -> None:
    """Repair the events whose template (-1 for none) is no valid JSON."""
    numbers, firsts = np.unique(template, return_index=True)
    for number, first in zip(numbers.tolist(), firsts.tolist(), strict=True):
        if number >= 0 and not validity.of(number, texts.one(first)):
            for place in np.flatnonzero(template == number).tolist():
                texts.own[place] = repair_strings(texts.one(place))


def _valid(text: bytes) -> bytes:
    return text if _is_valid(text) else repair_strings(text)


def _is_valid(text: bytes) -> bool:
    try:
        msgspec.json.decode(text)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return False
    return True
