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
from sdtrace.reader.envelope import read_beginning
from sdtrace.reader.events import ERRORS
from sdtrace.reader.forms import Forms
from sdtrace.reader.repair import repair_strings
from sdtrace.reader.salvage import Walk
from sdtrace.reader.streams import open_blocks
from sdtrace.reader.words import Bools

_BETWEEN: Final = b", \t\r\n"
_BEFORE_NUMBERS: Final = tuple(b" :,[-\t\r\n")


class Texts(NamedTuple):
    """Events in the order of the file, each valid JSON; strings are repaired where they were not.

    `is_row` marks those that are rows of `read_raw`, which stand in the same order.
    """

    text: list[bytes]
    is_row: Bools


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
    found, alone = decoding.found(), decoding.table.texts
    zeros = _may_have_zeros_in_front(chunk)
    texts: list[bytes] = []
    is_row: list[bool] = []
    for form, start, end in zip(*(column.tolist() for column in found), strict=True):
        template, text = forms.templates[form], chunk[start:end].strip(_BETWEEN)
        is_valid = None if zeros else valid.get(template.number)
        if is_valid is None:
            is_valid = valid[template.number] = _is_valid(text)
        texts.append(text if is_valid else repair_strings(text))
        is_row.append(template.is_row)
    texts += [text if _is_valid(text) else repair_strings(text) for text, *_ in alone]
    places = np.append(found.start, np.array([text.place for text in alone], np.int64))
    order = np.argsort(places, kind="stable")
    in_order = np.array([*is_row, *(text.is_row for text in alone)], np.bool_)[order]
    return Texts([texts[place] for place in order.tolist()], in_order), walked


def _may_have_zeros_in_front(chunk: bytes) -> bool:
    """Whether a number may begin with zeros before other digits: events of one template differ in that."""
    text = np.frombuffer(chunk, np.uint8)
    at = np.flatnonzero(text[1:-1] == ord("0")) + 1
    at = at[(text[at + 1] - np.uint8(ord("0"))) < 10]
    return bool(np.isin(text[at - 1], _BEFORE_NUMBERS).any())


def _is_valid(text: bytes) -> bool:
    try:
        msgspec.json.decode(text)
    except ERRORS:
        return False
    return True
