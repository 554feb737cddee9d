"""The wall of a trace, cut into phases that do not overlap and leave nothing out."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from sdtrace.intervals import Int64s, Intervals, intersect, subtract, total, union

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
