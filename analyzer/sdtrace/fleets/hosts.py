"""Hosts that are slower than others with the same work, and single runs far from their neighbours."""

from __future__ import annotations

from typing import Final

import numpy as np
import polars as pl

from sdtrace.fleets.record import Outlier, SlowHost
from sdtrace.fleets.robust import TO_SIGMA, spread

_LEAST_RUNS: Final = 5
_LEAST_SLOWER: Final = 0.03
_SIGMAS: Final = 5.0
_OF_MEDIAN: Final = 1.2533
"""The standard error of a median in times of that of a mean."""
_LEAST_OUTLIER: Final = 0.1
_OUTLIER_SIGMAS: Final = 6.0
_MOST_OUTLIERS: Final = 20


def slow_hosts(runs: pl.DataFrame, hours: float) -> list[SlowHost]:
    """Hosts whose runs are longer than usual, slowest first.

    `runs` has columns host and ratio, of each run's steady time to what is usual there and then. A host must
    have 5 runs, be 3 % slower, and 5 standard errors away; these come from the MAD of the other hosts' runs.
    """
    found = []
    told = runs.filter(pl.col("host") != "").with_columns(pl.col("ratio").log().alias("log"))
    for (host,), mine in told.group_by("host", maintain_order=True):
        others = told.filter(pl.col("host") != host)["log"].to_numpy()
        if mine.height < _LEAST_RUNS or len(others) < _LEAST_RUNS:
            continue
        slower = float(np.median(mine["log"].to_numpy()) - np.median(others))
        error = _OF_MEDIAN * TO_SIGMA * spread(others).mad / np.sqrt(mine.height)
        sigmas = slower / error if error else np.inf
        if slower > np.log(1 + _LEAST_SLOWER) and sigmas > _SIGMAS:
            lost = hours * mine.height / runs.height * (1 - np.exp(-slower))
            found.append(
                SlowHost(
                    host=str(host),
                    runs=mine.height,
                    slower_pct=100 * float(np.expm1(slower)),
                    sigmas=float(min(sigmas, 999.0)),
                    hours_lost=float(lost),
                )
            )
    return sorted(found, key=lambda one: -one.slower_pct)


def outliers(runs: pl.DataFrame) -> list[Outlier]:
    """Runs 10 % and 6 standard deviations away from what is usual there, then and on their host.

    `runs` has columns trace, source, day, host, work, steady_us, usual_us and ratio.
    """
    if runs.is_empty():
        return []
    own = runs.with_columns((pl.col("ratio") / pl.col("ratio").median().over("host")).log().alias("log"))
    limit = max(np.log(1 + _LEAST_OUTLIER), _OUTLIER_SIGMAS * spread(own["log"].to_numpy()).sigma)
    far = own.filter(pl.col("log").abs() > limit).sort(pl.col("log").abs(), descending=True)
    return [
        Outlier(
            trace=row["trace"],
            source=row["source"],
            day=row["day"],
            host=row["host"],
            work=row["work"],
            us=row["steady_us"],
            usual_us=row["usual_us"],
            change_pct=100 * (row["steady_us"] / row["usual_us"] - 1),
        )
        for row in far.head(_MOST_OUTLIERS).iter_rows(named=True)
    ]
