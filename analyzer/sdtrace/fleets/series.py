"""Runs that can be held against each other: the same work on the same card, in time."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise
from typing import Final

import numpy as np
import polars as pl

from sdtrace.fleets.robust import Values, change_point, spread

KEY: Final = ("work", "variant", "card", "steady_source")
MEASURES: Final = {
    "steady_us": "a steady iteration",
    "steady_gpu_us": "GPU time of a steady iteration",
    "once_us": "one-time cost",
}
"""Columns of `traces` whose changes are looked for, and what each is."""
_LEAST_RUNS: Final = 5
"""On each side of a change."""
_LEAST_SHIFT: Final = 0.03
_CHANCE: Final = 0.001
"""Of how many series without a change one may be called changed."""


@dataclass(frozen=True)
class RunSeries:
    """Rows of `traces` of one key, in the order of their time; those without time are left out."""

    key: tuple[str, ...]
    rows: pl.DataFrame

    def values(self, measure: str) -> Values:
        """A measure of each run; NaN for none."""
        return self.rows[measure].cast(pl.Float64).fill_null(np.nan).to_numpy()


@dataclass(frozen=True)
class Shift:
    """A measure of a series changes at row `at`; the rows from `start` to `end` are those around it."""

    measure: str
    start: int
    at: int
    end: int
    before: float
    after: float
    p: float


def all_series(traces: pl.DataFrame) -> list[RunSeries]:
    """The series of a store, those with most runs first."""
    timed = traces.filter(pl.col("at").is_not_null() & pl.col("steady_us").is_not_null()).sort(
        "at", "trace_id"
    )
    groups = timed.partition_by(*KEY, maintain_order=True)
    found = [RunSeries(tuple(group.select(KEY).row(0)), group) for group in groups]
    return sorted(found, key=lambda one: -one.rows.height)


def shifts(series: RunSeries, measure: str) -> list[Shift]:
    """The changes of a measure in time, by bisection: the clearest first, then those on either side."""
    values = series.values(measure)
    known = np.flatnonzero(np.isfinite(values) & (values > 0))
    found = _between(values[known], 0, len(known))
    return [
        Shift(
            measure,
            int(known[start]),
            int(known[at]),
            int(known[end - 1]) + 1,
            float(np.median(values[known[start:at]])),
            float(np.median(values[known[at:end]])),
            p,
        )
        for start, at, end, p in sorted(found, key=lambda one: one[1])
    ]


def _between(values: Values, start: int, end: int) -> Iterator[tuple[int, int, int, float]]:
    part = values[start:end]
    if len(part) < 2 * _LEAST_RUNS:
        return
    change = change_point(part)
    at = min(max(change.at, _LEAST_RUNS), len(part) - _LEAST_RUNS)
    before, after = spread(part[:at]), spread(part[at:])
    step = abs(after.median - before.median)
    noise = max(before.sigma, after.sigma) / np.sqrt(min(at, len(part) - at))
    if change.p > _CHANCE or step < _LEAST_SHIFT * before.median or step < 3 * noise:
        return
    yield start, start + at, end, change.p
    yield from _between(values, start, start + at)
    yield from _between(values, start + at, end)


def levels(series: RunSeries, found: list[Shift]) -> Values:
    """What is usual at each run: the median of its part of the series, between changes."""
    values = series.values("steady_us")
    borders = [0, *sorted({shift.at for shift in found}), len(values)]
    usual = np.empty_like(values)
    for start, end in pairwise(borders):
        usual[start:end] = np.nanmedian(values[start:end])
    return usual
