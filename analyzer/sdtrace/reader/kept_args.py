"""The arguments of ops, each text once: found by arrays, decoded once.

Arguments repeat from event to event but for the ids that every event has its own of. So what stands around
these ids is hashed, and only a text with a new hash is looked at.
"""

from __future__ import annotations

from bisect import bisect_right
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from sdtrace.reader.columns import Int32s
from sdtrace.reader.events import MOST_OWN_IDS, decode_event, kept_args
from sdtrace.reader.forms import hash_spans
from sdtrace.reader.numbers import Bytes, Int64s, UInt64s

EDGES: Final = 2 + 2 * MOST_OWN_IDS
"""Begin and end of the arguments, and of each id in them."""
_ROWS: Final = 1 << 11
"""Events hashed at once: their text stays in the cache."""
_OF_PART: Final = np.array([0x9E3779B97F4A7C15, 0xC2B2AE3D27D4EB4F, 0x165667B19E3779F9, 1], np.uint64)


class Edge(NamedTuple):
    """A place in the events of a template: so many bytes behind a run of digits, -1 for the event's start."""

    run: int
    past: int


NO_ARGS: Final = (Edge(-1, 0),) * EDGES


def edges_of(begin: int, end: int, own: list[int], runs: dict[int, int]) -> tuple[Edge, ...]:
    """The edges of arguments from offset `begin` to `end` of an event, with ids of the event at `own`.

    `runs` are the event's runs of digits, in order: where each starts and ends.
    """
    parts = [edge for start in sorted(own) if start in runs for edge in (start, runs[start])]
    offsets = [begin, *parts, *[end] * (EDGES - 1 - len(parts))]
    ends = list(runs.values())
    before = [bisect_right(ends, offset) - 1 for offset in offsets]
    past = [offset - (ends[run] if run >= 0 else 0) for run, offset in zip(before, offsets, strict=True)]
    return tuple(map(Edge, before, past))


class KeptArgs:
    """The texts found so far by their hashes. Threads may share it."""

    def __init__(self) -> None:
        self._texts: dict[int, str | None] = {}

    def of(
        self, text: Bytes, events: Int64s, ends: Int64s, edges: NDArray[np.int64]
    ) -> tuple[Int32s, list[str]]:
        """For each event an index into the texts, -1 where it has no arguments to keep; and the texts.

        Events of `text` stand from `events` to `ends`. `edges` (events, EDGES) are offsets in each event, all
        0 where it keeps nothing.
        """
        index = np.full(len(events), -1, np.int32)
        rows = np.flatnonzero(edges[:, -1])
        slices = [rows[first : first + _ROWS] for first in range(0, len(rows), _ROWS)]
        parts = [_hashes(text, events[part, np.newaxis] + edges[part]) for part in slices]
        hashes = np.concatenate([np.zeros(0, np.uint64), *parts])
        found, firsts, which = np.unique(hashes, return_index=True, return_inverse=True)
        table: dict[str, int] = {}
        places = []
        for value, first in zip(found.tolist(), rows[firsts].tolist(), strict=True):
            if value not in self._texts:
                self._texts[value] = _args_of(text[events[first] : ends[first]].tobytes())
            kept = self._texts[value]
            places.append(-1 if kept is None else table.setdefault(kept, len(table)))
        index[rows] = np.array(places, np.int32)[which]
        return index, list(table)


def _args_of(event: bytes) -> str | None:
    decoded = decode_event(event.strip(b", \t\r\n"))
    return None if decoded is None else kept_args(decoded)


def _hashes(text: Bytes, edges: Int64s) -> UInt64s:
    """A hash of what stands between every second edge and the next, in order."""
    starts, ends = edges[:, ::2].ravel(), edges[:, 1::2].ravel()
    filled = np.flatnonzero(ends > starts)
    parts = np.zeros(len(starts), np.uint64)
    parts[filled] = hash_spans(text, starts[filled], ends[filled])
    weighted: UInt64s = (parts.reshape(-1, EDGES // 2) * _OF_PART).sum(axis=1, dtype=np.uint64)
    return weighted
