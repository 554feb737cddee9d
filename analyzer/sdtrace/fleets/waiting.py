"""Jobs of a store whose ranks wait for each other, and the hosts that they wait for."""

from __future__ import annotations

from typing import Final

import polars as pl

from sdtrace import units
from sdtrace.fleets import record
from sdtrace.fleets.scanning import collected
from sdtrace.fleets.store import Store

_MOST_JOBS: Final = 50
_NAMED_PCT: Final = 2.0
"""Share of the wall time below which nobody is called late."""


def waiting_jobs(store: Store) -> list[record.WaitingJob]:
    """Jobs of which several ranks are in the store; those that wait most of their time for one come first."""
    late = pl.col("late_us").fill_null(0.0)
    jobs = store.scan("jobs").filter(pl.col("ranks") > 1)
    share = (100 * late / pl.col("wall_us")).alias("late_pct")
    rows = collected(
        jobs.with_columns(late, share).sort("late_pct", "at", "job_id", descending=[True, False, False])
    )
    return [
        record.WaitingJob(
            **{name: row[name] for name in _SAME},
            late_host=row["late_host"] or "",
            doing=row["late_doing"] or "",
        )
        for row in rows.head(_MOST_JOBS).iter_rows(named=True)
    ]


_SAME: Final = (
    *("trace", "day", "work", "ranks", "world_size", "wall_us", "exposed_us", "waiting_us"),
    *("late_rank", "late_us", "late_pct", "verdict"),
)


def late_hosts(store: Store) -> list[record.LateHost]:
    """Hosts for which the others wait 2 % of the time and more, in jobs of several hosts; worst first."""
    jobs = store.scan("jobs").filter(pl.col("hosts") > 1).select("job_id", job_us="wall_us")
    ranks = store.scan("job_ranks").filter(pl.col("host") != "").join(jobs, on="job_id")
    of_job = ranks.group_by("host", "job_id").agg(pl.col("late_us").sum(), pl.col("job_us").first())
    hosts = of_job.group_by("host").agg(pl.len().alias("jobs"), pl.col("late_us", "job_us").sum())
    rows = collected(hosts.with_columns((100 * pl.col("late_us") / pl.col("job_us")).alias("late_pct")))
    late = rows.filter(pl.col("late_pct") >= _NAMED_PCT).sort("late_pct", "host", descending=[True, False])
    return [record.LateHost(**row) for row in late.drop("job_us").iter_rows(named=True)]


def said(jobs: list[record.WaitingJob]) -> str:
    """The job whose ranks wait longest, in a sentence; '' where none wait long."""
    if not jobs or jobs[0].late_pct < _NAMED_PCT:
        return ""
    worst = jobs[0]
    host = f" on {worst.late_host}" if worst.late_host else ""
    return (
        f"Ranks wait longest in the job of {worst.trace}: for rank {worst.late_rank}{host}, "
        f"{units.share(worst.late_pct)} of the wall time."
    )
