"""The statistics against their definitions, computed the slow way."""

from __future__ import annotations

import numpy as np
import pytest

from sdtrace.fleets.robust import change_point, slope, spread


def test_spread_is_median_and_mad() -> None:
    assert spread(np.array([1.0, 2.0, 3.0, 4.0, 100.0])) == (3.0, 1.0)


def _pettitt(values: list[float]) -> tuple[int, float]:
    """U of Pettitt's paper: the sum of signs of all pairs across each border."""
    n = len(values)
    sums = [sum(np.sign(b - a) for a in values[:t] for b in values[t:]) for t in range(1, n)]
    largest = max(sums, key=abs)
    return sums.index(largest) + 1, min(1.0, 2 * float(np.exp(-6 * largest**2 / (n**3 + n**2))))


@pytest.mark.parametrize("seed", range(5))
def test_a_change_is_found_as_pettitt_defines_it(seed: int) -> None:
    rng = np.random.default_rng(seed)
    at = int(rng.integers(10, 40))
    values = np.round(np.concatenate([rng.normal(10, 1, at), rng.normal(14, 1, 50 - at)]), 1)
    found = change_point(values)
    place, p = _pettitt(values.tolist())
    assert found.p == pytest.approx(p)
    assert abs(found.at - place) <= 12
    assert found.at == at


def test_chance_is_no_change() -> None:
    rng = np.random.default_rng(7)
    found = [change_point(rng.normal(10, 1, 60)).p for _ in range(200)]
    assert sum(p < 0.001 for p in found) <= 1


def test_a_slope_is_the_median_of_all_pairs() -> None:
    rng = np.random.default_rng(1)
    x, y = np.sort(rng.uniform(0, 10, 30)), rng.normal(0, 1, 30)
    pairs = [(y[j] - y[i]) / (x[j] - x[i]) for i in range(30) for j in range(i + 1, 30)]
    assert slope(x, y) == pytest.approx(np.median(pairs))
    assert slope(np.array([]), np.array([])) == 0
    assert slope(np.ones(3), np.arange(3.0)) == 0
