"""Which traces are ranks of one job."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final

from sdtrace.errors import UsageError
from sdtrace.job.rank import Rank, name_without_ranks
from sdtrace.model import Confidence

APART_NS: Final = 5_000_000_000
"""Clocks of two hosts differ by less; runs one after the other usually lie further apart."""


@dataclass(frozen=True)
class Together:
    """Ranks of one job in order of their numbers, how that was recognised, and how far to trust it."""

    ranks: list[Rank]
    how: str
    confidence: Confidence


def find_jobs(files: Sequence[Sequence[Rank]]) -> list[Together]:
    """The jobs among traces, each given as its ranks (one, or those of a merged file); largest first.

    Files whose names differ in the rank alone come first. Only what is left is held against other names: jobs
    that run side by side name their process groups alike. A trace that communicates with ranks whose traces
    are not here is a job by itself.
    """
    named: defaultdict[str, list[Sequence[Rank]]] = defaultdict(list)
    for ranks in files:
        named[name_without_ranks(ranks[0].path)].append(ranks)
    jobs: list[Together] = []
    alone: list[Sequence[Rank]] = []
    for group in named.values():
        for job, members in _together(group):
            if len(members) > 1:
                jobs.append(job)
            else:
                alone += members
    jobs += [job for job, _ in _together(alone)]
    found = [_in_order(job) for job in jobs if len(job.ranks) > 1 or is_part(job.ranks[0])]
    return sorted(found, key=lambda job: -len(job.ranks))


def _together(files: Sequence[Sequence[Rank]]) -> list[tuple[Together, list[Sequence[Rank]]]]:
    """Each job with its files: every file joins the first job that it fits."""
    found: list[tuple[Together, list[Sequence[Rank]]]] = []
    for ranks in files:
        for place, (job, members) in enumerate(found):
            if (joined := _joined(job, ranks)) is not None:
                found[place] = joined, [*members, ranks]
                break
        else:
            found.append((_first(ranks), [ranks]))
    return found


def as_one_job(files: Sequence[Sequence[Rank]]) -> Together:
    """All traces as ranks of one job, because the user says so.

    Raises UsageError where two tell that they are the same rank. Ranks without a number get the free ones.
    """
    ranks = [rank for file in files for rank in file]
    seen: dict[int, Rank] = {}
    for rank in ranks:
        if rank.number is None:
            continue
        if rank.number in seen and (rank.told or seen[rank.number].told):
            both = f"{seen[rank.number].name} and {rank.name}"
            raise UsageError(f"{both} are both rank {rank.number}, so they are not of one job")
        seen[rank.number] = rank
    if len(seen) < len([rank for rank in ranks if rank.number is not None]):
        ranks = [replace(rank, number=None) for rank in ranks]
    return _in_order(Together(ranks, "They are ranks of one job because you said so.", "certain"))


def _first(ranks: Sequence[Rank]) -> Together:
    if len(ranks) > 1:
        return Together([*ranks], f"{len(ranks)} processes with device work are in one file.", "likely")
    return Together([*ranks], "The trace tells which rank of a job it is.", "certain")


def is_part(rank: Rank) -> bool:
    """Whether a single trace has collectives to show, or belongs to a job of more ranks."""
    return any(call.group_size != 1 for call in rank.calls) or (rank.world_size or 1) > 1


def _joined(job: Together, ranks: Sequence[Rank]) -> Together | None:
    """The job with more ranks; None where they are not of it."""
    numbers = {rank.number for rank in job.ranks}
    reasons = [_same_job(one, other) for one in job.ranks for other in ranks]
    if None in reasons or numbers & {rank.number for rank in ranks}:
        return None
    how, confidence = reasons[0] or ("", "guess")
    return Together([*job.ranks, *ranks], how, confidence)


def _same_job(one: Rank, other: Rank) -> tuple[str, Confidence] | None:
    """Why two ranks are of one job; None where nothing says so, or something speaks against it."""
    if one.number is None or other.number is None or not _at_once(one, other):
        return None
    if one.groups and other.groups:
        same = one.groups == other.groups and one.world_size == other.world_size
        return (
            ("The traces name the same process group, and ran at the same time.", "certain") if same else None
        )
    if one.told and other.told and _share_a_group(one, other):
        return "Their collectives name the same process group, and they ran at the same time.", "certain"
    if one.told and other.told and not one.groups and 1 < (one.world_size or 1) == other.world_size:
        return "Each names its rank of as many, and they ran at the same time.", "likely"
    alike = name_without_ranks(one.path)
    if "*" in alike and alike == name_without_ranks(other.path) and bool(one.calls) == bool(other.calls):
        return "The names of the files differ in the rank alone, and they ran at the same time.", "likely"
    return None


def _share_a_group(one: Rank, other: Rank) -> bool:
    groups = ({call.group for call in rank.calls} - {""} for rank in (one, other))
    return bool(set.intersection(*groups))


def _at_once(one: Rank, other: Rank) -> bool:
    start = max(rank.base_ns + rank.start_ns for rank in (one, other))
    end = min(rank.base_ns + rank.end_ns for rank in (one, other))
    return start < end + APART_NS


def _in_order(job: Together) -> Together:
    """By number; ranks without one get the lowest free numbers, in the order given."""
    taken = {rank.number for rank in job.ranks}
    free = iter(number for number in range(2 * len(job.ranks) + 1) if number not in taken)
    ranks = [rank if rank.number is not None else replace(rank, number=next(free)) for rank in job.ranks]
    return replace(job, ranks=sorted(ranks, key=lambda rank: rank.number or 0))
