"""How long ranks wait, where several collectives are under way at once: no instant counts twice."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np

from sdtrace.intervals import total, union
from sdtrace.job.lateness import EARLIER, Arrival, Reason
from sdtrace.job.spent import TALK


def waited_ns(arrivals: Iterable[Arrival], place: int) -> int:
    """How long a rank, by its place, waited in any of the collectives for ranks that came later."""
    spans = [(one.came_ns[place], one.waiting_ns[place]) for one in arrivals if place in one.waiting_ns]
    start = np.array([came for came, _ in spans], np.int64)
    return total(union(start, start + np.array([ns for _, ns in spans], np.int64)))


def alone_ns(arrivals: Sequence[Arrival]) -> list[int]:
    """Of collectives to which one rank came last: how long all others waited for it alone, in each.

    Where such waits overlap, as those for sends and receives under way at once, an instant counts for the one
    that began first; the sum is how long the others waited in all. A rank whose part was over before the last
    one came, as a small send is, waited no longer than that. What other work hides of a wait costs nothing.
    """
    waits = [0] * len(arrivals)
    until = None
    for start, place in sorted((_alone(one)[0], place) for place, one in enumerate(arrivals)):
        end = _alone(arrivals[place])[1]
        waited = max(0, end - (start if until is None else max(start, until)))
        waits[place] = min(waited, _exposed(arrivals[place]))
        until = end if until is None else max(until, end)
    return waits


def costs_ns(arrivals: Sequence[Arrival]) -> list[int]:
    """What of `alone_ns` is for what the rank did itself.

    A rank that an earlier collective kept is late again in the next. Who came last to the earlier one answers
    for that.
    """
    waits = alone_ns(arrivals)
    return [round(ns * _own_share(one)) for ns, one in zip(waits, arrivals, strict=True)]


def own_reasons(one: Arrival) -> list[Reason]:
    """The reasons for being late that are neither waiting nor other communication."""
    return [reason for reason in one.reasons if reason.part not in (EARLIER, TALK)]


def _own_share(one: Arrival) -> float:
    own = sum(reason.ns for reason in own_reasons(one))
    return own / sum(reason.ns for reason in one.reasons) if one.reasons else 1.0


def _exposed(one: Arrival) -> int:
    return max(ns for place, ns in one.exposed_ns.items() if place != one.last)


def _alone(one: Arrival) -> tuple[int, int]:
    """From the arrival of the last but one until the last one came, or the wait was over."""
    start = one.at_ns - one.alone_ns
    longest = max(came + one.waiting_ns[place] for place, came in one.came_ns.items() if place != one.last)
    return start, max(start, min(one.at_ns, longest))
