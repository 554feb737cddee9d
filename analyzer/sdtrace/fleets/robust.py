"""Statistics that a few odd runs do not move: median and MAD, a change in time, a slope."""

from __future__ import annotations

from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

Values = NDArray[np.float64]
TO_SIGMA: Final = 1.4826
"""The standard deviation of a normal distribution in times of its MAD."""
_MOST_PAIRS: Final = 400
"""Values of which a slope looks at every pair; of more, so many evenly chosen ones."""
_NEAR: Final = 12
"""How far from where ranks put a change the best place for it may lie."""


class Spread(NamedTuple):
    """The middle of values, and the median distance from it (MAD)."""

    median: float
    mad: float

    @property
    def sigma(self) -> float:
        """The standard deviation that the MAD stands for."""
        return TO_SIGMA * self.mad


def spread(values: Values) -> Spread:
    """Median and MAD of at least one value."""
    middle = float(np.median(values))
    return Spread(middle, float(np.median(np.abs(values - middle))))


class Change(NamedTuple):
    """Values differ before and from `at` on; `p` is how often chance alone does that."""

    at: int
    p: float


def change_point(values: Values) -> Change:
    """The likeliest place of one change in a series: A. N. Pettitt, Applied Statistics 28 (1979), 126-135.

    It goes by ranks, so that outliers count no more than others. The place is then moved, by at most 12
    values, to where both sides lie closest to their medians.
    """
    n = len(values)
    ranks = _ranks(values)
    sums = 2 * np.cumsum(ranks)[:-1] - np.arange(1, n) * (n + 1)
    at = int(np.argmax(np.abs(sums)))
    p = min(1.0, 2 * float(np.exp(-6 * sums[at] ** 2 / (n**3 + n**2))))
    near = range(max(1, at + 1 - _NEAR), min(n, at + 2 + _NEAR))
    return Change(min(near, key=lambda place: _distance(values, place)), p)


def slope(at: Values, values: Values) -> float:
    """By how much values grow in a unit of `at`: the median slope of all pairs (Theil and Sen), or 0."""
    if not len(at):
        return 0.0
    chosen = np.unique(np.linspace(0, len(at) - 1, _MOST_PAIRS).astype(np.int64))
    x, y = at[chosen], values[chosen]
    first, second = np.triu_indices(len(x), 1)
    apart = x[second] - x[first]
    slopes = (y[second] - y[first])[apart > 0] / apart[apart > 0]
    return float(np.median(slopes)) if slopes.size else 0.0


def _ranks(values: Values) -> Values:
    """The rank of each value from 1; equal ones share the mean of theirs."""
    _, place, times = np.unique(values, return_inverse=True, return_counts=True)
    last = np.cumsum(times)
    return (last - (times - 1) / 2)[place]


def _distance(values: Values, place: int) -> float:
    sides = values[:place], values[place:]
    return float(sum(np.abs(side - np.median(side)).sum() for side in sides))
