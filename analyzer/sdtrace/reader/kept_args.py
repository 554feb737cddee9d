"""The arguments of ops, each text once: found by arrays, decoded once.

Arguments repeat from event to event but for the ids that every event has its own of. Events of one template
differ in digits alone, so their other digits are hashed, and only a text with a new hash is looked at.
"""

from __future__ import annotations

from typing import Final

import numpy as np

from sdtrace.reader.columns import Int32s
from sdtrace.reader.events import arguments, decode_event, kept_args
from sdtrace.reader.hashes import hash_spans
from sdtrace.reader.numbers import Bytes, Int64s, UInt64s
from sdtrace.reader.template import SPANS

_ROWS: Final = 1 << 14
"""Events hashed at once: with fewer threads wait for each other."""
_OF_SPAN: Final = np.array([0x9E3779B97F4A7C15, 0xC2B2AE3D27D4EB4F, 0x165667B19E3779F9, 1], np.uint64)
_OF_TEMPLATE: Final = np.uint64(0xD6E8FEB86659FD93)


class KeptArgs:
    """The texts found so far by their hashes. Threads may share it."""

    def __init__(self) -> None:
        self._texts: dict[int, str | None] = {}

    def of(
        self, text: Bytes, starts: Int64s, ends: Int64s, form: Int64s, spans: Int64s, template: Int64s
    ) -> tuple[Int32s, list[str]]:
        """For each event an index into the texts, -1 where it has no arguments to keep; and the texts.

        Events of `text` go from `starts` to `ends`, and have the given `form`. `spans` (begins and ends, one
        row a form) are where the digits of arguments are; `template` is -1 for forms that keep none.
        """
        index = np.full(len(starts), -1, np.int32)
        rows = np.flatnonzero((template >= 0)[form])
        hashes = np.zeros(len(rows), np.uint64)
        for first in range(0, len(rows), _ROWS):
            part = rows[first : first + _ROWS]
            edges = spans.take(form[part], axis=0)
            edges += starts[part, np.newaxis]
            hashes[first : first + _ROWS] = _hashes(text, edges, template[form[part]])
        found, firsts, which = np.unique(hashes, return_index=True, return_inverse=True)
        table: dict[str, int] = {}
        places = []
        for value, first in zip(found.tolist(), rows[firsts].tolist(), strict=True):
            if value not in self._texts:
                self._texts[value] = _args_of(text[starts[first] : ends[first]].tobytes())
            kept = self._texts[value]
            places.append(-1 if kept is None else table.setdefault(kept, len(table)))
        index[rows] = np.array(places, np.int32)[which]
        return index, list(table)


def _args_of(text: bytes) -> str | None:
    event = decode_event(text.strip(b", \t\r\n"))
    args = None if event is None else arguments(event)
    return None if event is None or args is None else kept_args(event, args)


def _hashes(text: Bytes, edges: Int64s, template: Int64s) -> UInt64s:
    """A hash of each event's template and of the text between its edges."""
    starts, ends = edges[:, ::2].ravel(), edges[:, 1::2].ravel()
    filled = np.flatnonzero(ends > starts)
    parts = np.zeros(len(starts), np.uint64)
    parts[filled] = hash_spans(text, starts[filled], ends[filled])
    hashes: UInt64s = (parts.reshape(-1, SPANS) * _OF_SPAN).sum(axis=1, dtype=np.uint64)
    hashes += template.view(np.uint64) * _OF_TEMPLATE
    return hashes
