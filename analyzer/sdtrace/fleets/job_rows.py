"""A job as rows of a store: one of the job, and one of each of its ranks."""

from __future__ import annotations

from collections.abc import Sequence
from hashlib import blake2b
from statistics import fmean
from typing import Any, Final

import polars as pl

from sdtrace import model
from sdtrace.fleets.head import FACTS
from sdtrace.job.lateness import BEGAN, EARLIER
from sdtrace.job.recognise import Together
from sdtrace.job.report import report_on_job

_JOB_ID: Final[dict[str, Any]] = {"job_id": pl.String}
_JOB: Final[dict[str, Any]] = {
    "ranks": pl.Int64,
    "world_size": pl.Int64,
    "hosts": pl.Int64,
    "how": pl.String,
    "confidence": pl.String,
    "wall_us": pl.Float64,
    "compute_us": pl.Float64,
    "communication_us": pl.Float64,
    "exposed_us": pl.Float64,
    "waiting_us": pl.Float64,
    "idle_us": pl.Float64,
    "collectives": pl.Int64,
    "clocks_us": pl.Float64,
    "late_rank": pl.Int64,
    "late_host": pl.String,
    "late_us": pl.Float64,
    "late_doing": pl.String,
    "first_finding": pl.String,
    "verdict": pl.String,
}
_RANK: Final[dict[str, Any]] = {
    "device": pl.String,
    **dict.fromkeys(
        (
            *("wall_us", "busy_us", "compute_us", "copies_us", "communication_us", "exposed_us"),
            *("waiting_us", "idle_us"),
        ),
        pl.Float64,
    ),
    "idle_cause": pl.String,
    "last": pl.Int64,
    "late_us": pl.Float64,
    "clock_shift_us": pl.Float64,
}
OF_JOBS: Final = {"jobs": FACTS | _JOB_ID | _JOB, "job_ranks": FACTS | _JOB_ID | _RANK}
"""The tables of jobs, with their columns. The facts of a job are those of its first rank."""
_MEANS: Final = ("compute_us", "communication_us", "exposed_us", "waiting_us", "idle_us")


def rows_of(job: Together, heads: Sequence[dict[str, Any]]) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """The row of the job, and those of its ranks. `heads` are the facts of its ranks' runs, in their order.

    Times of the job are means over its ranks, `wall_us` is that of the longest. `late_us` is how long all
    others waited for the one rank that kept them waiting longest.
    """
    report = report_on_job(job)
    mine = {"job_id": _job_id(heads)}
    late = max(range(len(heads)), key=lambda place: report.ranks[place].late_us)
    row = {
        **heads[0],
        **mine,
        "ranks": len(heads),
        "world_size": report.world_size,
        "hosts": len({head["host"] for head in heads}),
        "how": report.how,
        "confidence": report.confidence,
        "wall_us": max(rank.wall_us for rank in report.ranks),
        **{name: fmean(getattr(rank, name) for rank in report.ranks) for name in _MEANS},
        "collectives": len(report.late),
        "clocks_us": report.clocks.residual_us,
        **(_late(report, late, heads[late]["host"]) if report.ranks[late].late_us else {}),
        "first_finding": report.findings[0].title if report.findings else "",
        "verdict": report.verdict,
    }
    ranks = [
        {**head, "rank": rank.rank, **mine, **{name: getattr(rank, name) for name in _RANK}}
        for head, rank in zip(heads, report.ranks, strict=True)
    ]
    return {name: row.get(name) for name in OF_JOBS["jobs"]}, ranks


def _late(report: model.Job, place: int, host: str) -> dict[str, Any]:
    """The rank that kept the others waiting longest, and what it did before the longest wait."""
    rank = report.ranks[place]
    mine = [row for row in report.late if row.rank == rank.rank]
    own = [row for row in mine if row.cause not in (EARLIER, BEGAN)] or mine
    longest = max(own, key=lambda row: row.alone_us)
    return {
        "late_rank": rank.rank,
        "late_host": host,
        "late_us": rank.late_us,
        "late_doing": longest.doing,
    }


def _job_id(heads: Sequence[dict[str, Any]]) -> str:
    """The same for the same ranks of the same traces."""
    ranks = sorted(f"{head['trace_id']} {head['rank']}" for head in heads)
    return blake2b("\n".join(ranks).encode(), digest_size=16).hexdigest()
