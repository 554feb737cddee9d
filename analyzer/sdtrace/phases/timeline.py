"""The wall of a trace, cut into phases that do not overlap and leave nothing out."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from sdtrace.intervals import Bools, Int64s, Intervals, contains, covered, intersect, subtract, total, union

CAPTURE: Final = "capture"
AUTOTUNE: Final = "autotune"
COMPILE: Final = "compile"
WARMUP: Final = "warmup"
STALL: Final = "stall"
STEADY: Final = "steady"
PHASES: Final = (CAPTURE, AUTOTUNE, COMPILE, WARMUP, STALL, STEADY)
"""In the order of their priority: the first that claims an instant has it. Codes index this."""
OVERHEAD: Final = (CAPTURE, AUTOTUNE, COMPILE, WARMUP)


class Timeline(NamedTuple):
    """Segments from `edges[i]` to `edges[i + 1]` (int64 nanoseconds), each of phase `code[i]` (int8)."""

    edges: Int64s
    code: NDArray[np.int8]

    def at(self, points: Int64s) -> NDArray[np.int8]:
        """The phase code of each instant; instants outside count for the nearest segment."""
        place = np.searchsorted(self.edges, points, side="right") - 1
        return self.code[np.clip(place, 0, len(self.code) - 1)]

    def of(self, phase: str) -> Intervals:
        """The instants of one phase."""
        chosen = self.code == PHASES.index(phase)
        return union(self.edges[:-1][chosen], self.edges[1:][chosen])

    def totals(self, start_ns: Int64s | None = None, end_ns: Int64s | None = None) -> dict[str, int]:
        """Nanoseconds of every phase, within given spans (which must not overlap) or in all."""
        lengths = np.diff(self.edges)
        if start_ns is not None and end_ns is not None:
            within = union(start_ns, end_ns)
            return {phase: total(intersect(self.of(phase), within)) for phase in PHASES}
        sums = np.bincount(self.code, weights=lengths, minlength=len(PHASES))
        return {phase: int(ns) for phase, ns in zip(PHASES, sums, strict=True)}

    def by_span(self, start_ns: Int64s, end_ns: Int64s) -> Int64s:
        """Nanoseconds of every phase in each span: a row per span, a column per phase. Spans may overlap."""
        return np.stack([covered(self.of(phase), start_ns, end_ns) for phase in PHASES], axis=1)


class ThreadSpans(NamedTuple):
    """Spans of threads (by number), in any order; those of one thread may overlap. Arrays of one length."""

    start_ns: Int64s
    end_ns: Int64s
    thread: Int64s

    def hold(self, instant: Int64s, thread: Int64s) -> Bools:
        """Which instants lie in a span of their thread."""
        size = len(self.thread)
        if not size:
            return np.zeros(len(instant), np.bool_)
        times = np.concatenate((self.start_ns, self.end_ns, instant))
        threads = np.concatenate((self.thread, self.thread, thread))
        steps = np.repeat(np.array([1, -1, 0]), [size, size, len(instant)])
        order = np.lexsort((steps == 0, times, threads))
        is_open = np.empty(len(times), np.bool_)
        is_open[order] = np.cumsum(steps[order]) > 0
        return is_open[2 * size :]


class ThreadPhases(NamedTuple):
    """Phases of instants on threads, as threads that launch work have them each for itself.

    `own` are the spans of the first phases on each thread. `has_own` says which threads (by number) go by
    these, the others go by `timeline`. `everywhere` are claims, one per phase but the last, that hold on
    any thread.
    """

    timeline: Timeline
    own: tuple[ThreadSpans, ...]
    has_own: Bools
    everywhere: tuple[Intervals, ...]

    def at(self, instant: Int64s, thread: NDArray[np.integer[Any]]) -> NDArray[np.int8]:
        """The phase code of each instant on its thread (-1 for an unknown one)."""
        codes = self.timeline.at(instant)
        mine = np.flatnonzero(np.append(self.has_own, False)[thread])
        points, threads = instant[mine], thread[mine].astype(np.int64)
        found = np.full(len(mine), len(PHASES) - 1, np.int8)
        for code, claim in reversed(list(enumerate(self.everywhere))):
            held = contains(claim, points)
            if code < len(self.own):
                held |= self.own[code].hold(points, threads)
            found[held] = code
        codes[mine] = found
        return codes


def build_timeline(start_ns: int, end_ns: int, claims: Sequence[Intervals]) -> Timeline:
    """Give every instant from `start_ns` to `end_ns` to the first of `claims` that holds it.

    `claims` has one set per phase of `PHASES` but the last, which has the rest.
    """
    wall = union(np.array([start_ns]), np.array([max(end_ns, start_ns + 1)]))
    parts = []
    rest = wall
    for claim in claims:
        parts.append(intersect(claim, rest))
        rest = subtract(rest, claim) if claim.start.size else rest
    parts.append(rest)
    starts = np.concatenate([part.start for part in parts])
    codes = np.concatenate([np.full(len(part.start), code, np.int8) for code, part in enumerate(parts)])
    order = np.argsort(starts)
    return Timeline(np.append(starts[order], wall.end[-1]), codes[order])
