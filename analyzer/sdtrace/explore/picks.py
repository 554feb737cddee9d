"""Which iterations and steps a page can show by op and kernel: the first, the median, the slowest."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from sdtrace.analysis.study import Study
from sdtrace.breakdowns.iterations import SpanSums
from sdtrace.phases.timeline import STEADY

_ALL_ITERATIONS: Final = 4
_ALL_STEPS: Final = 6
"""Up to so many, all are kept."""


@dataclass(frozen=True)
class Picks:
    """Iterations and steps by number, in order, that are kept; steps count within their iteration.

    `median` is the steady iteration of median wall, else the median of all; None without iterations.
    `iteration_words` and `step_words` say what some are: `first`, `median`, `slowest`; '' for one alone.
    """

    iterations: list[int]
    steps: list[int]
    median: int | None
    iteration_words: dict[int, str]
    step_words: dict[int, str]


def find_picks(study: Study) -> Picks:
    """The first, the median and the slowest of each, of the steady ones where there are some; or all."""
    rows = study.iterations
    pairs = zip(rows, study.labels, strict=True)
    steady = [row.index for row, label in pairs if label == STEADY and row.is_whole]
    every = [row.index for row in rows]
    median = _median(rows, steady or every)
    words = _words(rows, every, median)
    if steady and (slowest := _slowest(rows, steady)) not in (_slowest(rows, every), None):
        words[slowest] = f"{words[slowest]}, slowest steady" if slowest in words else "slowest steady"
    steps = [row for row in study.steps if row.iteration is not None]
    of_median = [place for place, row in enumerate(steps) if row.iteration == median]
    found = _words(steps, of_median, _median(steps, of_median))
    step_words = {steps[place].index: word for place, word in found.items()}
    count = max((row.index for row in steps), default=-1) + 1
    return Picks(
        iterations=every if len(every) <= _ALL_ITERATIONS else sorted(words),
        steps=list(range(count)) if count <= _ALL_STEPS else sorted(step_words),
        median=median,
        iteration_words=words,
        step_words=step_words,
    )


def _words(rows: Sequence[SpanSums], places: list[int], median: int | None) -> dict[int, str]:
    """What the first, the median and the slowest of the `places` are; nothing for one alone."""
    if len(places) < 2:
        return dict.fromkeys(places, "")
    found: dict[int, list[str]] = {}
    for place, word in ((places[0], "first"), (median, "median"), (_slowest(rows, places), "slowest")):
        if place is not None:
            found.setdefault(place, []).append(word)
    return {place: ", ".join(said) for place, said in found.items()}


def _slowest(rows: Sequence[SpanSums], places: list[int]) -> int | None:
    return max(places, key=lambda place: rows[place].wall_ns, default=None)


def _median(rows: Sequence[SpanSums], places: list[int]) -> int | None:
    ordered = sorted(places, key=lambda place: rows[place].wall_ns)
    return ordered[(len(ordered) - 1) // 2] if ordered else None
