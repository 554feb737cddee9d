"""What to know or change about a job: who is late, what the links do, what work is uneven."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from typing import Final, NamedTuple

from sdtrace import model, units
from sdtrace.analysis.microseconds import us
from sdtrace.findings.text import percent, time
from sdtrace.job.clocks import SetClocks
from sdtrace.job.lateness import NAMED, Arrival, silent_reason
from sdtrace.job.rank import Rank
from sdtrace.job.spent import CPU
from sdtrace.job.waits import alone_ns, costs_ns, own_reasons, waited_ns
from sdtrace.model import EvidenceRow, Finding
from sdtrace.tables.labels import CAUSES

_LATE: Final = 0.02
"""Share of the wall that others must wait for one rank."""
_HIGH: Final = 0.1
_STALL_NS: Final = 5_000_000
_UNEVEN: Final = 1.05
_EXPOSED: Final = 0.05
_SLOW_LINK_PCT: Final = 33.0
"""Two H100s on NVLink, measured: 37 to 52 % for 20 to 60 MiB."""
_LARGE_BYTES: Final = 16 << 20
"""Smaller collectives are bound by latency."""
_LARGE_RESIDUAL_NS: Final = 100_000


class Facts(NamedTuple):
    """What findings rest on."""

    ranks: Sequence[Rank]
    arrivals: Sequence[Arrival]
    collectives: Sequence[model.Collective]
    clocks: SetClocks
    world_size: int | None

    @property
    def wall_ns(self) -> int:
        """Of the rank that took longest."""
        return max(rank.end_ns - rank.start_ns for rank in self.ranks)


def find_all(facts: Facts) -> list[Finding]:
    """All findings, most valuable first."""
    parts = (_stalls, _late, _uneven, _exposed, _slow_links, _missing, _clocks)
    found = [finding for part in parts for finding in part(facts)]
    severities = ("high", "medium", "low", "info")
    return sorted(found, key=lambda one: (severities.index(one.severity), -(one.saving_us or 0)))


def _stalls(facts: Facts) -> Iterator[Finding]:
    """Ranks on whose CPU nothing is recorded before the same step, again and again."""
    by_place: defaultdict[tuple[int, int], list[Arrival]] = defaultdict(list)
    for arrival in facts.arrivals:
        reason = silent_reason(arrival)
        if reason is not None and reason.ns >= _STALL_NS:
            rank, call = facts.ranks[arrival.last], reason.call
            step = rank.silent_step[call] if rank.silent_step[call] >= 0 else rank.step[call]
            by_place[arrival.last, int(step)].append(arrival)
    for (place, step), found in by_place.items():
        lasts, waits = _silences(facts.ranks[place], found)
        cost = sum(waits)
        where = "" if step < 0 else f" in step {step + 1}"
        rank = facts.ranks[place]
        lengths = ", ".join(time(ns) for ns in lasts[:4]) + (", …" if len(lasts) > 4 else "")
        first = silent_reason(found[0])
        after = f" after `{first.op}`" if first is not None and first.op else ""
        yield Finding(
            id="job.stall",
            severity="high" if cost > _HIGH * facts.wall_ns else "medium",
            title=f"Rank {rank.number} stands still{where}, and the others wait",
            evidence=f"Nothing is recorded on its CPU for {lengths}{after} ({_times(rank, found)}). "
            f"The first rank there does not stop so long. The others wait {time(cost)} for it.",
            advice="Look for what this rank alone does there: logging, saving, a lock, `time.sleep`, another "
            "process on its CPU. `with_stack=True` names the Python function.",
            saving_us=us(cost),
            confidence="likely",
            evidence_rows=_rank_row(rank),
        )


def _silences(rank: Rank, found: Sequence[Arrival]) -> tuple[list[int], list[int]]:
    """How long each silence lasted, and how long all others waited for it; one may delay several calls."""
    lasted: defaultdict[int, int] = defaultdict(int)
    waited: defaultdict[int, int] = defaultdict(int)
    for arrival, ns in zip(found, alone_ns(found), strict=True):
        reason = silent_reason(arrival)
        if reason is not None:
            at = int(rank.spent.silent_ns[reason.call])
            lasted[at] = max(lasted[at], reason.ns)
            waited[at] += ns
    return list(lasted.values()), [min(ns, lasted[at]) for at, ns in waited.items()]


def _rank_row(rank: Rank) -> list[EvidenceRow]:
    return [EvidenceRow(table="job_ranks", key=str(rank.number))]


def _times(rank: Rank, found: Sequence[Arrival]) -> str:
    """In which iterations, counted from 1."""
    places = [int(rank.iteration[arrival.shared.calls[arrival.last]]) + 1 for arrival in found]
    known = [str(place) for place in dict.fromkeys(places) if place > 0]
    if not known:
        return units.counted(len(found), "time")
    return f"iteration{'s' if len(known) > 1 else ''} {', '.join(known[:6])}{', …' if len(known) > 6 else ''}"


def _late(facts: Facts) -> Iterator[Finding]:
    """Ranks that keep the others waiting."""
    for place, rank in enumerate(facts.ranks):
        mine = [arrival for arrival in facts.arrivals if arrival.last == place and arrival.reasons]
        costs = costs_ns(mine)
        cost = sum(costs)
        if cost < _LATE * facts.wall_ns:
            continue
        yield Finding(
            id="job.late",
            severity="high" if cost > _HIGH * facts.wall_ns else "medium",
            title=f"The other ranks wait for rank {rank.number}",
            evidence=f"It is the last to arrive at {len(mine):,} of {len(facts.arrivals):,} collectives, and "
            f"keeps all others waiting for {time(cost)}, {percent(cost, facts.wall_ns)} of the wall time. "
            f"{_why(mine)}",
            advice=_advice(mine),
            saving_us=us(cost),
            confidence="likely",
            evidence_rows=_rank_row(rank),
        )


def _sums(arrivals: Sequence[Arrival]) -> list[tuple[str, int]]:
    """The rank's own reasons for being late, longest first; of waits at once one counts."""
    sums: defaultdict[str, int] = defaultdict(int)
    for arrival, ns in zip(arrivals, alone_ns(arrivals), strict=True):
        share = ns / arrival.alone_ns if arrival.alone_ns else 0.0
        for reason in own_reasons(arrival):
            sums[reason.part] += round(share * reason.ns)
    return sorted(sums.items(), key=lambda item: -item[1])


def _why(arrivals: Sequence[Arrival]) -> str:
    found = [f"{_named(part)} {time(ns)}" for part, ns in _sums(arrivals)[:3]]
    return f"What it spent more time on than the first rank: {', '.join(found)}." if found else ""


def _named(part: str) -> str:
    return NAMED.get(part) or CAUSES.get(part) or f"GPU work ({part})"


def _advice(arrivals: Sequence[Arrival]) -> str:
    part = next((part for part, _ in _sums(arrivals)), "")
    if part == CPU:
        return (
            "Its CPU launches more slowly. Give each rank cores of its own, launch less (CUDA graphs, "
            "`torch.compile`), and measure without the profiler, which slows every CPU."
        )
    if part == "data_wait":
        return "It waits for data: give its loader more workers, or balance what each rank loads."
    if part in CAUSES or part in NAMED:
        return "Look at what this rank alone does before these collectives: its row in the table names it."
    return "It has more work than the others: divide the work evenly."


def _uneven(facts: Facts) -> Iterator[Finding]:
    compute = [rank.compute_ns for rank in facts.ranks]
    mean = sum(compute) / len(compute)
    if len(compute) < 2 or max(compute) < _UNEVEN * mean or max(compute) - mean < _LATE * facts.wall_ns:
        return
    most = facts.ranks[compute.index(max(compute))]
    # Kernels beside a collective, which takes a part of the card, last longer: that is no more work.
    hidden = [rank.communication_ns - rank.exposed_ns for rank in facts.ranks]
    if max(compute) - mean < most.communication_ns - most.exposed_ns - min(hidden):
        return
    yield Finding(
        id="job.uneven",
        severity="medium",
        title=f"Rank {most.number} computes more than the others",
        evidence=f"Its kernels run for {time(max(compute))}; the mean of all ranks is {time(mean)}.",
        advice="Divide the work evenly: heads, sequence, patches or batch.",
        saving_us=us(max(compute) - mean),
        confidence="likely",
        evidence_rows=_rank_row(most),
    )


def _exposed(facts: Facts) -> Iterator[Finding]:
    """Communication proper, without waiting, that no work hides."""
    if not facts.arrivals:
        return
    costs = [
        max(0, rank.exposed_ns - waited_ns(facts.arrivals, place)) for place, rank in enumerate(facts.ranks)
    ]
    cost = min(costs)
    if cost < _EXPOSED * facts.wall_ns:
        return
    yield Finding(
        id="job.exposed",
        severity="medium",
        title="Ranks send data while no other work runs",
        evidence=f"Without waiting, {time(cost)} of communication and more on each rank have no work beside "
        f"them: {percent(cost, facts.wall_ns)} of the wall time.",
        advice="Overlap it with compute (asynchronous collectives, prefetch), or send less: a narrower type, "
        "fewer and larger messages.",
        saving_us=us(cost),
        confidence="likely",
    )


def _slow_links(facts: Facts) -> Iterator[Finding]:
    slow = [
        row
        for row in facts.collectives
        if (row.bytes or 0) >= _LARGE_BYTES
        and row.pct_of_link is not None
        and row.pct_of_link < _SLOW_LINK_PCT
    ]
    if not slow:
        return
    row = min(slow, key=lambda one: one.pct_of_link or 0.0)
    more = f" So do {units.counted(len(slow) - 1, 'other row')} of the table." if len(slow) > 1 else ""
    yield Finding(
        id="job.slow_link",
        severity="low",
        title=f"{row.kind} of {units.size(row.bytes)} uses {units.share(row.pct_of_link)} of the links",
        evidence=f"The middle call moves {units.rate(row.busbw_gbps)} GB/s on the links "
        f"(bus bandwidth), from the arrival of the last rank to the end.{more}",
        advice="Check the topology (`nvidia-smi topo -m`) and what NCCL chose (`NCCL_DEBUG=INFO`).",
        saving_us=None,
        confidence="guess",
    )


def _missing(facts: Facts) -> Iterator[Finding]:
    world = facts.world_size or len(facts.ranks)
    if world <= len(facts.ranks):
        return
    yield Finding(
        id="job.missing_ranks",
        severity="info",
        title=f"{len(facts.ranks)} of {world} ranks are here",
        evidence="Who is late among the others cannot be seen, and waiting for them counts as communication.",
        advice="Analyze the traces of all ranks together.",
        saving_us=None,
        confidence="certain",
    )


def _clocks(facts: Facts) -> Iterator[Finding]:
    residual = facts.clocks.residual_ns
    if facts.clocks.shared_by or (residual is not None and residual < _LARGE_RESIDUAL_NS):
        return
    yield Finding(
        id="job.clocks",
        severity="info",
        title="Times of different ranks cannot be compared closely",
        evidence=facts.clocks.how,
        advice="Profile the same iterations on all ranks, with collectives that all of them take part in.",
        saving_us=None,
        confidence="certain",
    )
