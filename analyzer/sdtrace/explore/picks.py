"""Which iterations and steps a page can show by op and kernel: the first, the median, the slowest."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, NamedTuple

from sdtrace.analysis.study import Study
from sdtrace.breakdowns.iterations import SpanSums
from sdtrace.phases.timeline import STEADY

_ALL_ITERATIONS: Final = 4
_ALL_STEPS: Final = 6
"""Up to so many, all are kept."""


class Picks(NamedTuple):
    """Iterations and steps by number, in order; steps count within their iteration."""

    iterations: list[int]
    steps: list[int]
    median: int | None
    """The steady iteration of median wall, else the median of all; None without iterations."""


def find_picks(study: Study) -> Picks:
    """The first, the median and the slowest of each, of the steady ones where there are some; or all."""
    rows = study.iterations
    pairs = zip(rows, study.labels, strict=True)
    steady = [row.index for row, label in pairs if label == STEADY and row.is_whole]
    every = [row.index for row in rows]
    iterations = _picked(rows, every, _ALL_ITERATIONS) | _picked(rows, steady, 0)
    median = _median(rows, steady or every)
    steps = [row for row in study.steps if row.iteration is not None]
    of_median = [place for place, row in enumerate(steps) if row.iteration == median]
    count = max((row.index for row in steps), default=-1) + 1
    places = _picked(steps, of_median, 0)
    held = range(count) if count <= _ALL_STEPS else {steps[place].index for place in places}
    return Picks(sorted(iterations), sorted(held), median)


def _picked(rows: Sequence[SpanSums], places: list[int], most: int) -> set[int]:
    """First, median and slowest of the `places`; all where there are no more than `most`."""
    if len(places) <= most:
        return set(places)
    median = _median(rows, places)
    slowest = max(places, key=lambda place: rows[place].wall_ns, default=None)
    found = {places[0] if places else None, median, slowest}
    return {place for place in found if place is not None}


def _median(rows: Sequence[SpanSums], places: list[int]) -> int | None:
    ordered = sorted(places, key=lambda place: rows[place].wall_ns)
    return ordered[(len(ordered) - 1) // 2] if ordered else None
