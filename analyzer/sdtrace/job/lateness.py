"""Who came last to each collective, by how much, and what it did meanwhile."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final

import numpy as np

from sdtrace.findings.text import time
from sdtrace.job.clocks import SetClocks
from sdtrace.job.matching import Shared
from sdtrace.job.rank import Rank
from sdtrace.job.spent import CPU, REST, SILENCE, TALK
from sdtrace.tables.labels import CAUSES

_LEAST_NS: Final = 10_000
"""Ranks that come within so little of each other come at once."""
_WORTH: Final = 0.1
"""A second reason that explains less of the lateness is not worth a word."""
EARLIER: Final = "earlier"
"""It left its last collective later than the first rank did."""
BEGAN: Final = "began"
"""The same of a first collective: its profile began later."""
_OF_CPU: Final = frozenset({"launch_bound", "sync", "device_gap", "other", "between_iterations"})
"""The device waited for the CPU: for which blocking call or launch differs with who came first."""
NAMED: Final = {
    SILENCE: "nothing recorded on the CPU",
    CPU: "waiting for the CPU",
    TALK: "other collectives",
    REST: "before its device had work",
    EARLIER: "late from the collective before",
    BEGAN: "a profile that began later",
}
"""Parts that are neither causes of idle time nor categories of work, in words."""


@dataclass(frozen=True)
class Reason:
    """What the late rank spent more time on than the first one, and how much more; `op` is '' if unknown.

    `call` is the place of the call before which it did so, among those of the rank: this or an earlier one.
    """

    part: str
    ns: int
    op: str
    call: int


@dataclass(frozen=True, kw_only=True)
class Arrival:
    """A collective that several ranks came to. `last` and `first` are places of ranks.

    By the place of each rank, `came_ns` is when it came, `waiting_ns` how long it waited, and `exposed_ns`
    how much of its part no other work of its device hides. `begun_ns` is when the profile of the last one
    began: what others waited before that does not count as waiting. `reasons` sum to `by_ns` where all are
    counted; longest first, [] where the ranks came at once.
    """

    shared: Shared
    last: int
    first: int
    at_ns: int
    begun_ns: int
    by_ns: int
    alone_ns: int
    came_ns: dict[int, int]
    waiting_ns: dict[int, int]
    exposed_ns: dict[int, int]
    transfer_ns: int
    reasons: list[Reason]
    doing: str


def arrivals(ranks: Sequence[Rank], shared: Sequence[Shared], clocks: SetClocks) -> list[Arrival]:
    """Every collective of two ranks and more, in the order given."""
    least = max(_LEAST_NS, 2 * (clocks.residual_ns or 0))
    found = [_arrival(ranks, one, clocks, least) for one in shared if len(one.calls) > 1]
    before: dict[tuple[int, int], Arrival] = {}
    for place in sorted(range(len(found)), key=lambda place: found[place].at_ns):
        one = found[place] = _with_earlier(ranks, found[place], before)
        if one.reasons:
            before[one.last, ranks[one.last].calls[one.shared.calls[one.last]].end_ns] = one
    return found


def _with_earlier(ranks: Sequence[Rank], one: Arrival, before: Mapping[tuple[int, int], Arrival]) -> Arrival:
    """The arrival with the reasons of the one before, where the rank came last to that too.

    It was not kept there, so what made it late then makes it late now.
    """
    rank, number = ranks[one.last], one.shared.calls[one.last]
    earlier = next((reason for reason in one.reasons if reason.part == EARLIER), None)
    cause = before.get((one.last, int(rank.spent.left_ns[number])))
    if earlier is None or cause is None:
        return one
    own = [reason for reason in cause.reasons if reason.part not in (EARLIER, BEGAN)]
    share = min(1.0, earlier.ns / max(1, sum(reason.ns for reason in own)))
    carried = [replace(reason, ns=round(share * reason.ns)) for reason in own]
    left = replace(earlier, ns=max(0, earlier.ns - sum(reason.ns for reason in carried)))
    others = [reason for reason in one.reasons if reason is not earlier]
    reasons = sorted((*others, *carried, left), key=lambda reason: (-reason.ns, reason.part))
    reasons = [reason for reason in reasons if reason.ns > 0]
    return replace(one, reasons=reasons, doing=_words(rank, number, reasons, one.by_ns))


def _arrival(ranks: Sequence[Rank], one: Shared, clocks: SetClocks, least: int) -> Arrival:
    calls = {place: ranks[place].calls[number] for place, number in one.calls.items()}
    came = {place: call.start_ns + clocks.base_ns[place] for place, call in calls.items()}
    last, first = max(came, key=lambda place: came[place]), min(came, key=lambda place: came[place])
    at = came[last]
    by = at - came[first]
    begun = ranks[last].start_ns + clocks.base_ns[last]
    reasons = _reasons(ranks, one, clocks, last, first) if by >= least else []
    return Arrival(
        shared=one,
        last=last,
        first=first,
        at_ns=at,
        by_ns=by,
        alone_ns=at - max(when for place, when in came.items() if place != last),
        came_ns=came,
        begun_ns=begun,
        waiting_ns={
            place: max(0, min(at, when + calls[place].end_ns - calls[place].start_ns) - max(when, begun))
            for place, when in came.items()
        },
        exposed_ns={
            place: max(0, call.end_ns - call.start_ns - int(ranks[place].overlapped_ns[one.calls[place]]))
            for place, call in calls.items()
        },
        transfer_ns=min(call.end_ns - call.start_ns for call in calls.values()),
        reasons=reasons,
        doing=_words(ranks[last], one.calls[last], reasons, by) if reasons else "",
    )


def _reasons(ranks: Sequence[Rank], one: Shared, clocks: SetClocks, last: int, first: int) -> list[Reason]:
    """Parts of its time that the last rank has more of than the first one."""
    late, early = (_by_part(ranks[place], one.calls[place]) for place in (last, first))
    left = [
        int(ranks[place].spent.left_ns[one.calls[place]]) + clocks.base_ns[place] for place in (last, first)
    ]
    more = {part: late.get(part, 0) - early.get(part, 0) for part in {**late, **early}}
    is_first = ranks[last].spent.left_ns[one.calls[last]] <= ranks[last].start_ns
    more[BEGAN if is_first else EARLIER] = left[0] - left[1]
    found = [
        Reason(part, ns, _op(ranks, one, part, last, first), one.calls[last])
        for part, ns in more.items()
        if ns > 0
    ]
    return sorted(found, key=lambda reason: (-reason.ns, reason.part))


def _by_part(rank: Rank, call: int) -> dict[str, int]:
    """Nanoseconds by part; idle time in which the CPU only was not ahead is one part."""
    sums: dict[str, int] = {}
    for part, ns in zip(rank.spent.parts, rank.spent.ns[call].tolist(), strict=True):
        sums[_part(part)] = sums.get(_part(part), 0) + ns
    return sums


def _part(part: str) -> str:
    return CPU if part in _OF_CPU else part


def _op(ranks: Sequence[Rank], one: Shared, part: str, last: int, first: int) -> str:
    """The op of which the last rank has most more of that part; '' where none has any."""
    if part == SILENCE:
        return ranks[last].spent.after[one.calls[last]]
    late, early = (_by_op(ranks[place], one.calls[place], part) for place in (last, first))
    more = {op: ns - early.get(op, 0) for op, ns in late.items()}
    op = max(more, key=lambda name: more[name], default="")
    return op if more.get(op, 0) > 0 else ""


def _by_op(rank: Rank, call: int, part: str) -> dict[str, int]:
    rows = zip(rank.spent.ops, rank.spent.ops_ns[call].tolist(), strict=True)
    sums: dict[str, int] = {}
    for (of, op), ns in rows:
        if _part(of) == part:
            sums[op] = sums.get(op, 0) + ns
    return sums


def _words(rank: Rank, call: int, reasons: Sequence[Reason], by_ns: int) -> str:
    """The reasons worth a word in a sentence, and the component that the rank was in."""
    worth = [reason for reason in reasons[:2] if reason.ns >= _WORTH * by_ns]
    where = f", in `{rank.component[call]}`" if rank.component[call] else ""
    return "; ".join(_reason(reason) for reason in worth) + where


def _reason(reason: Reason) -> str:
    ns = time(reason.ns)
    said = {
        SILENCE: f"nothing recorded on the CPU for {ns}",
        CPU: f"a slower CPU: {ns} more until it came to the collective",
        EARLIER: f"it left its last collective {ns} later",
        BEGAN: f"its profile began {ns} later",
        TALK: f"{ns} more in other collectives",
        REST: f"{ns} more before its device had work",
    }
    cause = CAUSES.get(reason.part)
    what = said.get(reason.part) or f"{ns} more {cause or f'GPU work of category {reason.part}'}"
    link = {SILENCE: " after", CPU: ", most before"}.get(reason.part, ", most for")
    return f"{what}{link} `{reason.op}`" if reason.op else what


def silent_reason(arrival: Arrival) -> Reason | None:
    """The silence among the reasons, whichever place it has."""
    return next((reason for reason in arrival.reasons if reason.part == SILENCE), None)


def median_ns(values: Sequence[int]) -> int:
    """The middle one, 0 of none."""
    return round(float(np.median(values))) if values else 0
