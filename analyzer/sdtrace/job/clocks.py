"""The clocks of the ranks, set by collectives that end on all ranks at once, else by sends and receives."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from sdtrace import units
from sdtrace.findings.text import time
from sdtrace.job.kinds import TOGETHER
from sdtrace.job.matching import Shared
from sdtrace.job.messages import clocks_by_messages
from sdtrace.job.rank import Rank

_PERCENTILE = 90
_APART_NS = 1_000_000
"""By so much clocks may still differ."""
_LEAST = 3
"""One collective agrees with itself."""


@dataclass(frozen=True)
class SetClocks:
    """What to add to each rank's own time for that of the job, by the rank's place; nanoseconds.

    `shift_ns` is the part of it that collectives or messages tell; None for a rank that shares none.
    `residual_ns` is None where too few are shared to tell.
    """

    base_ns: Mapping[int, int]
    shift_ns: Mapping[int, int | None]
    collectives: int
    residual_ns: int | None
    shared_by: str
    """What has one clock for all ranks and made setting them needless; '' for nothing."""

    @property
    def how(self) -> str:
        """In a sentence."""
        if self.shared_by:
            return f"All ranks {self.shared_by}, whose times are taken as they are."
        if not self.collectives and self.residual_ns is not None:
            return (
                "Clocks are set by sends and receives, none of which ends before it begins: they may be "
                f"wrong by {time(self.residual_ns)}."
            )
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
    shared_by = _shared_by(ranks) if len(ends) < _LEAST else ""
    if shared_by:
        ends = []
    messages = None if shared_by or len(ends) >= _LEAST else clocks_by_messages(ranks, shared)
    if messages is not None:
        return _set(ranks, messages.shift_ns, 0, messages.within_ns)
    shifts: dict[int, int] = {0: 0}
    while found := _next(ends, shifts):
        shifts |= found
    known = [[end + shifts[place] for place, end in one.items() if place in shifts] for one in ends]
    apart = [max(one) - min(one) for one in known if len(one) > 1]
    residual = int(np.percentile(apart, _PERCENTILE)) if len(apart) >= _LEAST else None
    return _set(ranks, shifts, len(apart), residual, shared_by)


def _set(
    ranks: Sequence[Rank],
    shifts: Mapping[int, int],
    collectives: int,
    residual: int | None,
    shared_by: str = "",
) -> SetClocks:
    origin = min(rank.base_ns + rank.start_ns + shifts.get(place, 0) for place, rank in enumerate(ranks))
    is_told = collectives > 0 or residual is not None
    return SetClocks(
        {place: rank.base_ns + shifts.get(place, 0) - origin for place, rank in enumerate(ranks)},
        {place: shifts.get(place) if is_told else None for place in range(len(ranks))},
        collectives,
        residual,
        shared_by,
    )


def _shared_by(ranks: Sequence[Rank]) -> str:
    """A file or a host that all ranks have in common."""
    if len({rank.path for rank in ranks}) == 1:
        return "are in one file"
    hosts = {rank.host for rank in ranks}
    return f"ran on one host, {hosts.pop()}" if len(hosts) == 1 and hosts != {""} else ""


def those_at_once(ranks: Sequence[Rank], shared: Sequence[Shared], clocks: SetClocks) -> list[Shared]:
    """The collectives without calls that ended before the last rank came, which stand alone.

    Of a kind that all ranks leave together, such a call is of another one of the same size: where parts of a
    profile are missing, their order misleads.
    """
    return [part for one in shared for part in _parts(ranks, one, clocks)]


def _parts(ranks: Sequence[Rank], one: Shared, clocks: SetClocks) -> list[Shared]:
    calls = {place: ranks[place].calls[number] for place, number in one.calls.items()}
    if not all(call.kind in TOGETHER for call in calls.values()):
        return [one]
    last = max(clocks.base_ns[place] + call.start_ns for place, call in calls.items())
    ends = {place: clocks.base_ns[place] + call.end_ns for place, call in calls.items()}
    alone = sorted(place for place, end in ends.items() if end < last - _APART_NS)
    kept = {place: number for place, number in one.calls.items() if place not in alone}
    return [replace(one, calls=kept), *(replace(one, calls={place: one.calls[place]}) for place in alone)]


def _next(ends: Sequence[Mapping[int, int]], shifts: Mapping[int, int]) -> dict[int, int]:
    """Shifts of the ranks that share a collective with one whose shift is known."""
    apart: dict[int, list[int]] = {}
    for one in ends:
        known = [end + shifts[place] for place, end in one.items() if place in shifts]
        for place, end in one.items() if known else ():
            if place not in shifts:
                apart.setdefault(place, []).append(max(known) - end)
    return {place: round(float(np.median(values))) for place, values in apart.items()}
