"""The same collective on several ranks: calls of a group matched by their order."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from sdtrace.job.calls import Call
from sdtrace.job.rank import Rank

_MOST_SHIFT: Final = 256
"""How many collectives of a group one profile may hold before another one begins."""
_MANY: Final = 8
"""Ends of fewer calls may look even by chance."""
_EVEN_NS: Final = 100_000
"""Clocks of two hosts drift by less in a profile; steps of one job differ by more."""
_ALIKE: Final = 0.95
"""Share of matched calls whose kind and size must agree: sizes of an all_to_all differ from rank to rank."""


@dataclass(frozen=True)
class Shared:
    """A collective. `calls` holds, by the place of a rank, the place of its call among that rank's calls."""

    group: str
    index: int
    calls: dict[int, int]


def match_calls(ranks: Sequence[Rank]) -> list[Shared]:
    """Every collective once, with all calls of it; of a rank alone too. In order of time.

    A send and its receive are one.
    """
    groups: defaultdict[tuple[object, ...], dict[int, list[int]]] = defaultdict(dict)
    for place, rank in enumerate(ranks):
        for number, call in enumerate(rank.calls):
            groups[_sequence(call, rank.number)].setdefault(place, []).append(number)
    found = [shared for key, of_rank in groups.items() for shared in _of_group(ranks, str(key[0]), of_rank)]
    return sorted(
        found, key=lambda shared: min(_clock(ranks, place, number) for place, number in shared.calls.items())
    )


def _sequence(call: Call, rank: int | None) -> tuple[object, ...]:
    """What calls have in common whose order tells which belong together; the group comes first.

    Of sends and receives these are sender, receiver and tag. Where the trace does not name the peer, they
    stand alone, but for groups of two. Where no group is recorded, kind and size tell groups apart as well as
    can be.
    """
    if call.peer is not None:
        pair = (rank, call.peer.rank) if call.peer.is_send else (call.peer.rank, rank)
        return (call.group, *pair, call.peer.tag)
    if call.kind == "send_recv" and call.group_size != 2:
        return call.group, call.kind, rank
    return (call.group,) if call.group else ("", *_sign(call))


def _clock(ranks: Sequence[Rank], place: int, number: int) -> int:
    return ranks[place].base_ns + ranks[place].calls[number].start_ns


def _of_group(ranks: Sequence[Rank], group: str, of_rank: dict[int, list[int]]) -> list[Shared]:
    """Calls of the rank that has most of them, each with those of other ranks; then what is left over."""
    base = max(of_rank, key=lambda place: (len(of_rank[place]), -place))
    shared = [Shared(group, index, {base: number}) for index, number in enumerate(of_rank[base])]
    for place, numbers in of_rank.items():
        if place == base:
            continue
        shift = _shift(ranks[base], of_rank[base], ranks[place], numbers)
        for at, number in enumerate(numbers):
            if shift is not None and 0 <= at + shift < len(of_rank[base]):
                shared[at + shift].calls[place] = number
            else:
                shared.append(Shared(group, at, {place: number}))
    return shared


def _shift(base: Rank, held: Sequence[int], other: Rank, numbers: Sequence[int]) -> int | None:
    """How many calls of `base` come before the first one of `other`; negative where `other` began first.

    Kinds and sizes must fit, and ends differ evenly, as they do where all ranks leave together. Of what fits
    the order that leaves fewest calls over counts, then the most even one. None where no order fits.
    """
    ours, theirs = [base.calls[number] for number in held], [other.calls[number] for number in numbers]
    signs, others = (np.array([hash(_sign(call)) for call in calls]) for calls in (ours, theirs))
    ends, other_ends = (np.array([call.end_ns for call in calls], np.int64) for calls in (ours, theirs))
    found: list[tuple[bool, int, float, int, int]] = []
    reach = len(theirs) // 2 if len(theirs) >= _MANY else 0
    for shift in range(-min(reach, _MOST_SHIFT), min(len(ours) - len(theirs) + reach, _MOST_SHIFT) + 1):
        mine = slice(max(shift, 0), min(shift + len(theirs), len(ours)))
        its = slice(mine.start - shift, mine.stop - shift)
        if mine.stop <= mine.start or np.mean(signs[mine] == others[its]) < _ALIKE:
            continue
        apart = ends[mine] - other_ends[its]
        spread = float(np.median(np.abs(apart - np.median(apart))))
        found.append((spread > _EVEN_NS, -len(apart), spread, abs(shift), shift))
    return min(found)[-1] if found else None


def _sign(call: Call) -> tuple[str, str, int | None]:
    return call.kind, call.dtype, None if call.kind == "all_to_all" else call.nbytes
