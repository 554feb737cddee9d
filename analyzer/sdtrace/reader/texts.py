"""The events of a file as text, each as it stands there, told apart exactly as `read_raw` does."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Final, NamedTuple

import msgspec
import numpy as np

from sdtrace.reader.chunk import Decoding
from sdtrace.reader.chunk_pass import ChunkPass
from sdtrace.reader.columns import Int64s
from sdtrace.reader.envelope import read_beginning
from sdtrace.reader.events import ERRORS
from sdtrace.reader.forms import Forms
from sdtrace.reader.numbers import Bools
from sdtrace.reader.repair import repair_strings
from sdtrace.reader.salvage import Walk
from sdtrace.reader.streams import open_blocks

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
        beginning = read_beginning(path, blocks)
        begin(beginning.head)
        events = ChunkPass(beginning, partial(_texts, forms=Forms(), valid={}), take)
        events.run(blocks)
    return events.tail or b""


def _texts(chunk: bytes, *, forms: Forms, valid: dict[int, bool], final: bool) -> tuple[Texts, Walk]:
    """The texts of a chunk. `valid` are the templates found to be: one of their events tells for all."""
    decoding = Decoding(chunk, forms, final=final)
    walked = decoding.run()
    alone = decoding.table.texts
    found = decoding.found()
    template = np.array([one.number for one in forms.templates], np.int32)[found.form]
    makes_row = np.array([bool(one.numbers) for one in forms.templates], np.bool_)[found.form]
    start = np.append(found.start, np.array([text.place for text in alone], np.int64))
    is_row = np.append(makes_row, np.array([text.is_row for text in alone], np.bool_))
    order = np.argsort(start, kind="stable")
    place = np.argsort(order)
    own = {
        int(place[number]): text.text if _is_valid(text.text) else repair_strings(text.text)
        for number, text in enumerate(alone, len(template))
    }
    end = np.append(found.end, start[len(template) :])
    texts = Texts(chunk, start[order], end[order], is_row[order], own)
    numbers, firsts, which = np.unique(template, return_index=True, return_inverse=True)
    for number, first in zip(numbers.tolist(), place[firsts].tolist(), strict=True):
        if number not in valid:
            valid[number] = _is_valid(texts.one(first))
    is_damaged = np.array([not valid[number] for number in numbers.tolist()], np.bool_)
    for damaged in place[: len(template)][is_damaged[which]].tolist():
        own[damaged] = repair_strings(texts.one(damaged))
    return texts, walked


def _is_valid(text: bytes) -> bool:
    try:
        msgspec.json.decode(text)
    except ERRORS:
        return False
    return True
