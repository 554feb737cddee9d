"""How long ranks wait, where several collectives are under way at once: no instant counts twice."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np

from sdtrace.intervals import total, union
from sdtrace.job.lateness import BEGAN, EARLIER, Arrival, Reason
from sdtrace.job.spent import TALK


def waited_ns(arrivals: Iterable[Arrival], place: int) -> int:
    """How long a rank, by its place, waited in any of the collectives for ranks that came later.

    What it waited before the profile of the last rank began does not count.
    """
    spans = [
        (max(one.came_ns[place], one.begun_ns), one.waiting_ns[place])
        for one in arrivals
        if place in one.waiting_ns
    ]
    start = np.array([came for came, _ in spans], np.int64)
    return total(union(start, start + np.array([ns for _, ns in spans], np.int64)))


def alone_ns(arrivals: Sequence[Arrival]) -> list[int]:
    """Of collectives to which one rank came last: how long all others waited for it alone, in each.

    Where such waits overlap, as those for sends and receives under way at once, an instant counts for the one
    that ends first: what comes later follows from it. The sum is how long the others waited in all. A rank
    whose part was over before the last one came, as a small send is, waited no longer than that. What other
    work hides of a wait costs nothing.
    """
    waits = [0] * len(arrivals)
    counted: list[tuple[int, int]] = []
    for end, start, place in sorted((*_alone(one)[::-1], place) for place, one in enumerate(arrivals)):
        waited, begin = end - start, start
        while counted and counted[-1][1] > start:
            before = counted.pop()
            waited -= before[1] - max(before[0], start)
            begin = min(begin, before[0])
        counted.append((begin, end))
        waits[place] = min(waited, _exposed(arrivals[place]))
    return waits


def costs_ns(arrivals: Sequence[Arrival]) -> list[int]:
    """What of `alone_ns` is for what the rank did itself.

    A rank that an earlier collective kept is late again in the next. Who came last to the earlier one answers
    for that.
    """
    waits = alone_ns(arrivals)
    return [round(ns * _own_share(one)) for ns, one in zip(waits, arrivals, strict=True)]


def own_reasons(one: Arrival) -> list[Reason]:
    """The reasons for being late that are neither waiting, other communication, nor a later profile."""
    return [reason for reason in one.reasons if reason.part not in (EARLIER, BEGAN, TALK)]


def _own_share(one: Arrival) -> float:
    own = sum(reason.ns for reason in own_reasons(one))
    return own / sum(reason.ns for reason in one.reasons) if one.reasons else 1.0


def _exposed(one: Arrival) -> int:
    return max(ns for place, ns in one.exposed_ns.items() if place != one.last)


def _alone(one: Arrival) -> tuple[int, int]:
    """From the arrival of the last but one until the last one came, or the wait was over."""
    start = max(one.at_ns - one.alone_ns, one.begun_ns)
    waited = [
        max(came, one.begun_ns) + one.waiting_ns[place]
        for place, came in one.came_ns.items()
        if place != one.last
    ]
    return start, max(start, min(one.at_ns, max(waited)))
