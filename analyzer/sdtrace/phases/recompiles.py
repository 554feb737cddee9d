"""Iterations that compile again what an earlier iteration had compiled and run.

torch numbers what it compiles: `compile_id=0/2` is the third time for frame 0. Versions without such ids
only show that two iterations compile, and that the first ran its code in between.
"""

from __future__ import annotations

import re
from typing import Final, NamedTuple

import numpy as np

from sdtrace.attribution.event_selection import COMPILED_REGION
from sdtrace.intervals import Bools, Int64s, Intervals, covered
from sdtrace.structure.iterations import Iterations
from sdtrace.trace import Trace

_ID: Final = re.compile(r"(?:compile_id=|^Torch-Compiled Region: )\[?(?:!\d+/)?(\d+)/(\d+)")
_SOME_NS: Final = 1_000_000


class Recompile(NamedTuple):
    """An iteration (from 0) that compiles again, its compile in wall nanoseconds, and whether ids say so."""

    iteration: int
    ns: int
    has_ids: bool


def find_recompiles(trace: Trace, compiling: Intervals, iterations: Iterations) -> list[Recompile]:
    """The iterations that compile again; `compiling` are the instants of compile on any thread."""
    held = covered(compiling, iterations.start_ns, iterations.end_ns)
    compiles = np.flatnonzero(held > _SOME_NS)
    if len(compiles) < 2:
        return []
    by_id = _by_ids(trace, iterations)
    again = compiles[1:] if by_id is None else np.intersect1d(compiles, by_id)
    if by_id is None:
        again = again[_ran_between(trace, compiling, iterations, compiles)]
    return [Recompile(number, int(held[number]), by_id is not None) for number in again.tolist()]


def _by_ids(trace: Trace, iterations: Iterations) -> Int64s | None:
    """Iterations in which a frame gets a new id that has one from an earlier iteration; None without ids."""
    found = [_ID.search(name) for name in trace.names]
    names = np.array([match is not None for match in found], np.bool_)
    rows = np.flatnonzero(names[trace.name])
    if not rows.size:
        return None
    ids = {number: (match[1], match[2]) for number, match in enumerate(found) if match is not None}
    rows = rows[np.argsort(trace.start_ns[rows], kind="stable")]
    places = iterations.at(trace.start_ns[rows])
    first: dict[tuple[str, str], int] = {}
    for number, place in zip(trace.name[rows].tolist(), places.tolist(), strict=True):
        first.setdefault(ids[number], place)
    frames: dict[str, int] = {}
    again = set()
    for (frame, _), place in first.items():
        if place > frames.setdefault(frame, place):
            again.add(place)
    return np.array(sorted(again), np.int64)


def _ran_between(trace: Trace, compiling: Intervals, iterations: Iterations, compiles: Int64s) -> Bools:
    """For each compiling iteration but the first whether code ran that the one before had compiled."""
    calls = np.sort(trace.start_ns[trace.named(COMPILED_REGION)])
    begins = iterations.start_ns[compiles[1:]]
    place = np.searchsorted(compiling.start, iterations.end_ns[compiles[:-1]], side="left") - 1
    ends = compiling.end[place]
    ran: Bools = np.searchsorted(calls, begins) > np.searchsorted(calls, ends)
    return ran
