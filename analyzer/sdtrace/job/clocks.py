"""The clocks of the ranks, set by collectives that end on all ranks at once."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from sdtrace import units
from sdtrace.findings.text import time
from sdtrace.job.kinds import TOGETHER
from sdtrace.job.matching import Shared
from sdtrace.job.rank import Rank

_PERCENTILE = 90
_LEAST = 3
"""One collective agrees with itself."""


@dataclass(frozen=True)
class SetClocks:
    """What to add to each rank's own time for that of the job, by the rank's place; nanoseconds.

    `shift_ns` is the part of it that the collectives tell; None for a rank that shares none. `residual_ns` is
    None where too few are shared to tell.
    """

    base_ns: Mapping[int, int]
    shift_ns: Mapping[int, int | None]
    collectives: int
    residual_ns: int | None
    in_one_file: bool

    @property
    def how(self) -> str:
        """In a sentence."""
        if not self.collectives and self.in_one_file:
            return "All ranks are in one file, whose times are taken as they are."
        if not self.collectives:
            return (
                "No collective ends on several ranks at once: times are as the ranks' own clocks have them."
            )
        if self.residual_ns is None:
            few = units.counted(self.collectives, "shared collective")
            return f"Clocks are set by the ends of {few}: too few to tell how closely."
        within = f"nine in ten ends then agree within {time(self.residual_ns)}"
        unset = [place for place, shift in self.shift_ns.items() if shift is None]
        others = f" {len(unset)} ranks share none, and keep their own clocks." if unset else ""
        return f"Clocks are set by the ends of {self.collectives:,} shared collectives: {within}.{others}"


def set_clocks(ranks: Sequence[Rank], shared: Sequence[Shared]) -> SetClocks:
    """Set the clock of each rank by that of ranks with which it shares collectives, from the first one on.

    The shift is the median difference of ends: whoever came last, all leave together.
    """
    ends = [
        {
            place: ranks[place].base_ns + ranks[place].calls[number].end_ns
            for place, number in one.calls.items()
        }
        for one in shared
        if len(one.calls) > 1 and all(ranks[p].calls[n].kind in TOGETHER for p, n in one.calls.items())
    ]
    shifts: dict[int, int] = {0: 0}
    while found := _next(ends, shifts):
        shifts |= found
    known = [[end + shifts[place] for place, end in one.items() if place in shifts] for one in ends]
    apart = [max(one) - min(one) for one in known if len(one) > 1]
    origin = min(rank.base_ns + rank.start_ns + shifts.get(place, 0) for place, rank in enumerate(ranks))
    return SetClocks(
        {place: rank.base_ns + shifts.get(place, 0) - origin for place, rank in enumerate(ranks)},
        {place: shifts.get(place) if apart else None for place in range(len(ranks))},
        len(apart),
        int(np.percentile(apart, _PERCENTILE)) if len(apart) >= _LEAST else None,
        len({rank.path for rank in ranks}) == 1,
    )


def _next(ends: Sequence[Mapping[int, int]], shifts: Mapping[int, int]) -> dict[int, int]:
    """Shifts of the ranks that share a collective with one whose shift is known."""
    apart: dict[int, list[int]] = {}
    for one in ends:
        known = [end + shifts[place] for place, end in one.items() if place in shifts]
        for place, end in one.items() if known else ():
            if place not in shifts:
                apart.setdefault(place, []).append(max(known) - end)
    return {place: round(float(np.median(values))) for place, values in apart.items()}
