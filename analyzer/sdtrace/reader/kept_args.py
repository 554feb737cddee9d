"""The arguments of ops, each text once: found by arrays, decoded once.

Arguments repeat from event to event but for the ids that every event has its own of. Events of one template
differ in digits alone, so their other digits are hashed, and only a text with a new hash is looked at.
"""

from __future__ import annotations

from typing import Final, NamedTuple

import numpy as np

from sdtrace.reader.columns import Int32s
from sdtrace.reader.events import MOST_OWN_IDS, decode_event, kept_args
from sdtrace.reader.forms import hash_spans
from sdtrace.reader.numbers import Bytes, Int64s, UInt64s

EDGES: Final = 2 + 2 * MOST_OWN_IDS
"""Begin and end of the digits before, between and after the ids in the arguments."""
_ROWS: Final = 1 << 14
"""Events hashed at once: with fewer threads wait for each other."""
_OF_PART: Final = np.array([0x9E3779B97F4A7C15, 0xC2B2AE3D27D4EB4F, 0x165667B19E3779F9, 1], np.uint64)
_OF_TEMPLATE: Final = np.uint64(0xD6E8FEB86659FD93)


class Edge(NamedTuple):
    """A place in the events of a template: so many bytes behind a run of digits, -1 for the event's start."""

    run: int
    past: int


NO_DIGITS: Final = (Edge(-1, 0),) * EDGES


def edges_of(runs: range, own: set[int], starts: list[int], ends: list[int]) -> tuple[Edge, ...]:
    """The edges of the digits in arguments, which hold the given `runs` of an event's, but for its `own` ids.

    The event's runs of digits are from `starts` to `ends`.
    """
    edges: list[Edge] = []
    is_open = False
    for run in runs:
        if run in own:
            is_open = False
        elif is_open:
            edges[-1] = Edge(run, 0)
        else:
            edges += [Edge(run - 1, starts[run] - (ends[run - 1] if run else 0)), Edge(run, 0)]
            is_open = True
    return (*edges, *NO_DIGITS[len(edges) :])


class ArgsOfForms(NamedTuple):
    """The arguments in the events of each form; arrays with one entry a form."""

    edges: Int64s
    """(forms, EDGES): offsets in the event."""
    template: Int64s
    """-1 where nothing is kept."""


class KeptArgs:
    """The texts found so far by their hashes. Threads may share it."""

    def __init__(self) -> None:
        self._texts: dict[int, str | None] = {}

    def of(
        self, text: Bytes, events: Int64s, ends: Int64s, form: Int64s, forms: ArgsOfForms
    ) -> tuple[Int32s, list[str]]:
        """For each event an index into the texts, -1 where it has no arguments to keep; and the texts.

        Events of `text` stand from `events` to `ends`, and have the given `form`.
        """
        index = np.full(len(events), -1, np.int32)
        rows = np.flatnonzero((forms.template >= 0)[form])
        slices = (rows[first : first + _ROWS] for first in range(0, len(rows), _ROWS))
        parts = [_hashes(text, events[part], form[part], forms) for part in slices]
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


def _hashes(text: Bytes, events: Int64s, form: Int64s, forms: ArgsOfForms) -> UInt64s:
    """A hash of each event's template and the digits in its arguments."""
    edges = forms.edges[form]
    edges += events[:, np.newaxis]
    starts, ends = edges[:, ::2].ravel(), edges[:, 1::2].ravel()
    filled = np.flatnonzero(ends > starts)
    parts = np.zeros(len(starts), np.uint64)
    parts[filled] = hash_spans(text, starts[filled], ends[filled])
    weighted: UInt64s = (parts.reshape(-1, EDGES // 2) * _OF_PART).sum(axis=1, dtype=np.uint64)
    weighted += forms.template[form].view(np.uint64) * _OF_TEMPLATE
    return weighted
