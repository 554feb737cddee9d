"""A job in the report's terms: microseconds, records, a verdict."""

from __future__ import annotations

from collections.abc import Sequence

from sdtrace import model, units
from sdtrace.analysis.microseconds import us
from sdtrace.job.clocks import SetClocks, set_clocks, those_at_once
from sdtrace.job.collectives import collective_rows
from sdtrace.job.findings import Facts, find_all
from sdtrace.job.lateness import Arrival, arrivals
from sdtrace.job.matching import match_calls
from sdtrace.job.rank import Rank
from sdtrace.job.recognise import Together
from sdtrace.job.waits import costs_ns, waited_ns


def report_on_job(job: Together) -> model.Job:
    """Everything a report shows of a job."""
    ranks = job.ranks
    matched = match_calls(ranks)
    shared = those_at_once(ranks, matched, set_clocks(ranks, matched))
    clocks = set_clocks(ranks, shared)
    came = arrivals(ranks, shared, clocks)
    collectives = collective_rows(ranks, came)
    world = max((rank.world_size for rank in ranks if rank.world_size is not None), default=None)
    findings = find_all(Facts(ranks, came, collectives, clocks, world))
    rows = _ranks(ranks, came, clocks)
    return model.Job(
        verdict=_verdict(rows, came, findings, world),
        how=job.how,
        confidence=job.confidence,
        world_size=world,
        clocks=model.Clocks(
            how=clocks.how,
            collectives=clocks.collectives,
            residual_us=None if clocks.residual_ns is None else us(clocks.residual_ns),
        ),
        ranks=rows,
        idle=[
            model.JobIdle(rank=rank.number or 0, cause=cause.cause, us=us(cause.ns), gaps=cause.gaps)
            for rank in ranks
            for cause in rank.idle
        ],
        collectives=collectives,
        late=[_late(ranks, arrival) for arrival in came],
        findings=findings,
    )


def _ranks(ranks: Sequence[Rank], came: Sequence[Arrival], clocks: SetClocks) -> list[model.JobRank]:
    rows = []
    for place, rank in enumerate(ranks):
        mine = [arrival for arrival in came if arrival.last == place and arrival.reasons]
        shift = clocks.shift_ns[place]
        rows.append(
            model.JobRank(
                rank=rank.number or 0,
                trace=rank.name,
                device=rank.device,
                wall_us=us(rank.end_ns - rank.start_ns),
                busy_us=us(rank.busy_ns),
                compute_us=us(rank.compute_ns),
                copies_us=us(rank.copies_ns),
                communication_us=us(rank.communication_ns),
                exposed_us=us(rank.exposed_ns),
                waiting_us=us(waited_ns(came, place)),
                idle_us=us(rank.idle_ns),
                idle_cause=rank.idle[0].cause if rank.idle else "",
                last=len(mine),
                late_us=us(sum(costs_ns(mine))),
                clock_shift_us=None if shift is None else us(shift),
            )
        )
    return rows


def _late(ranks: Sequence[Rank], arrival: Arrival) -> model.Late:
    rank, number = ranks[arrival.last], arrival.shared.calls[arrival.last]
    iteration, step = int(rank.iteration[number]), int(rank.step[number])
    top = arrival.reasons[0] if arrival.reasons else None
    return model.Late(
        collective=rank.calls[number].kind,
        index=arrival.shared.index,
        group=arrival.shared.group,
        rank=rank.number or 0,
        iteration=None if iteration < 0 else iteration,
        step=None if step < 0 else step,
        at_us=us(arrival.at_ns),
        by_us=us(arrival.by_ns),
        alone_us=us(arrival.alone_ns),
        first=ranks[arrival.first].number or 0,
        cause=top.part if top else "",
        cause_us=us(top.ns) if top else 0.0,
        doing=arrival.doing,
    )


def _verdict(
    rows: Sequence[model.JobRank],
    came: Sequence[Arrival],
    findings: Sequence[model.Finding],
    world: int | None,
) -> str:
    """The job in a few sentences."""
    count = (
        f"{len(rows)} of {world} ranks" if world and world > len(rows) else units.counted(len(rows), "rank")
    )
    if len(rows) == 1:
        whole = f"{world} ranks" if world and world > 1 else "the ranks"
        return f"One of {whole} of a job. Who keeps it waiting, only the traces of all ranks show."
    wall = max(row.wall_us for row in rows)
    sentences = [f"One job, {count}, {units.duration(wall)} (with the profiler)."]
    if not came:
        return " ".join([*sentences, "Nobody can be called late: the traces share no collective."])
    waiting = [row.waiting_us for row in rows]
    most = rows[waiting.index(max(waiting))]
    sentences.append(
        f"Rank {most.rank} waits {units.duration(most.waiting_us)} of it for others, in "
        f"{units.counted(len(came), 'shared collective')}."
    )
    named = [f"{one.title}." for one in findings if one.id in ("job.late", "job.stall", "job.uneven")]
    return " ".join([*sentences, *(named[:2] or ["No rank keeps the others waiting for long."])])
