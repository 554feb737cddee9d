"""The tables of a fleet's report, for all media. Their source is a `FleetReport`."""

from __future__ import annotations

from typing import Final

from sdtrace import units
from sdtrace.fleets import record
from sdtrace.fleets.record import FleetReport
from sdtrace.fleets.series import MEASURES
from sdtrace.tables import Column, Kind, Table

_MEASURES: Final = {name: said[:1].upper() + said[1:] for name, said in MEASURES.items()}
_WORK: Final = (
    Column("work", "Work", Kind.NAME, "What an iteration does."),
    Column("variant", "Variant", Kind.TEXT, "The settings, where the collector named them.", optional=True),
    Column("card", "Card", Kind.TEXT, "The GPU."),
)


def _what_moved(row: record.Change) -> str:
    told = [
        f"{one.name} {units.duration(one.before_us)} to {units.duration(one.after_us)}" for one in row.moved
    ]
    kinds = [one.kind for one in row.moved]
    parts = [text for text, kind in zip(told, kinds, strict=True) if kind == "component"][:2]
    return "; ".join([*row.with_it, *parts])


def _ranks(row: record.WaitingJob) -> str:
    missing = row.world_size is not None and row.world_size > row.ranks
    return f"{row.ranks} of {row.world_size}" if missing else str(row.ranks)


CHANGES: Final = Table(
    id="changes",
    title="What changed",
    record=record.Change,
    rows=lambda report: report.changes,
    help="Places in time from which on the same work on the same card is slower or faster.",
    is_wide=True,
    columns=(
        Column("measure", "Measure", Kind.TEXT, "What is slower or faster.", labels=_MEASURES),
        *_WORK,
        Column("change_pct", "Change", Kind.SHARE, "By how much the median grew."),
        Column("before_us", "Before", Kind.TIME, "The median of the runs before."),
        Column("after_us", "After", Kind.TIME, "The median of the runs from then on."),
        Column("runs_before", "Runs before", Kind.COUNT, "Since the change before, if any."),
        Column("runs_after", "Runs after", Kind.COUNT, "Until the next change, if any."),
        Column("first_trace", "First trace", Kind.NAME, "The first run that is slower or faster."),
        Column("first_day", "Day", Kind.TEXT, "The day of that run."),
        Column("moved", "With it", Kind.PROSE, "Facts and components that changed.", value=_what_moved),
    ),
)
HOSTS: Final = Table(
    id="slow_hosts",
    title="Slow hosts",
    record=record.SlowHost,
    rows=lambda report: report.slow_hosts,
    help="Hosts whose runs take longer than those of the same work on the same card elsewhere.",
    note=lambda report: (
        f"Lost hours are of {units.count(report.hours)} GPU hours of all hosts." if report.slow_hosts else ""
    ),
    columns=(
        Column("host", "Host", Kind.NAME, "Its name."),
        Column("slower_pct", "Slower", Kind.SHARE, "By the median of its runs."),
        Column("runs", "Runs", Kind.COUNT, "Runs on it."),
        Column("sigmas", "Standard errors", Kind.RATE, "How sure that is: 5 and more are listed."),
        Column("hours_lost", "GPU hours lost", Kind.RATE, "What the host takes longer than others."),
    ),
)
ADVICE: Final = Table(
    id="advice",
    title="What to change first",
    record=record.Advice,
    rows=lambda report: report.advice,
    help="Findings by what they would save. Savings overlap and do not add up.",
    note=lambda report: (
        f"Of {units.count(report.hours)} GPU hours, spent as these traces are; each trace "
        "counts the same. Savings overlap: they do not add up."
    ),
    columns=(
        Column("title", "Finding", Kind.PROSE, "As the trace has it that would save most."),
        Column("hours", "GPU hours saved", Kind.RATE, "By replay of the traces that have it."),
        Column("traces", "Traces", Kind.COUNT, "Traces that have it."),
        Column("traces_pct", "Share", Kind.SHARE, "Of all traces."),
    ),
)
SERIES: Final = Table(
    id="series",
    title="Same work, same card",
    record=record.Series,
    rows=lambda report: report.series,
    help="Runs that can be held against each other, those with most runs first.",
    is_wide=True,
    columns=(
        *_WORK,
        Column("source", "Steady time", Kind.TEXT, "Recorded without the profiler, or profiled."),
        Column("runs", "Runs", Kind.COUNT, "How many there are."),
        Column("first_day", "From", Kind.TEXT, "The day of the first."),
        Column("last_day", "To", Kind.TEXT, "The day of the last."),
        Column("median_us", "Median", Kind.TIME, "Of a steady iteration."),
        Column("mad_us", "MAD", Kind.TIME, "The median distance from the median."),
        Column("last_us", "Now", Kind.TIME, "The median since the last change."),
    ),
)
TRENDS: Final = Table(
    id="trends",
    title="By model, card, torch and host",
    record=record.Trend,
    rows=lambda report: report.trends,
    help="All runs with one value of a fact, against the median of the same work on the same card.",
    is_wide=True,
    columns=(
        Column("value", "Value", Kind.NAME, "Of the fact."),
        Column("fact", "Fact", Kind.TEXT, "model, card, torch or host."),
        Column("runs", "Runs", Kind.COUNT, "How many there are."),
        Column("first_day", "From", Kind.TEXT, "The day of the first."),
        Column("last_day", "To", Kind.TEXT, "The day of the last."),
        Column("relative", "Against the median", Kind.RATE, "1.05 is 5 % slower."),
        Column("pct_in_30_days", "In 30 days", Kind.SHARE, "By how much it grows: a median slope."),
    ),
)
OUTLIERS: Final = Table(
    id="outliers",
    title="Single runs far from the others",
    record=record.Outlier,
    rows=lambda report: report.outliers,
    help="Runs 10 % and 6 standard deviations away from what is usual there, then and on their host.",
    is_wide=True,
    columns=(
        Column("trace", "Trace", Kind.NAME, "Its name."),
        Column("host", "Host", Kind.TEXT, "Where it ran.", optional=True),
        Column("day", "Day", Kind.TEXT, "When."),
        Column("us", "Steady", Kind.TIME, "Its steady iteration."),
        Column("usual_us", "Usual", Kind.TIME, "The median around it."),
        Column("change_pct", "Away by", Kind.SHARE, "From the median."),
        Column("source", "Source", Kind.NAME, "Where it was read from."),
    ),
)
JOBS: Final = Table(
    id="jobs",
    title="Jobs of several ranks",
    record=record.WaitingJob,
    rows=lambda report: report.jobs,
    help="Those come first in which the others wait longest for one rank.",
    is_wide=True,
    columns=(
        Column("trace", "First trace", Kind.NAME, "Of the first rank."),
        Column("day", "Day", Kind.TEXT, "When it ran."),
        Column("ranks", "Ranks", Kind.TEXT, "How many are here, of how many.", value=_ranks),
        Column("wall_us", "Wall", Kind.TIME, "Of the rank that took longest."),
        Column("exposed_us", "Exposed", Kind.TIME, "When collectives ran and no other work: the mean."),
        Column("waiting_us", "Waits", Kind.TIME, "For ranks that came later: the mean."),
        Column("late_pct", "Late", Kind.SHARE, "Of the wall time, all others wait for one rank alone."),
        Column("late_rank", "Rank", Kind.FIGURE, "The rank that they wait for longest."),
        Column("late_host", "Host", Kind.TEXT, "Where that rank ran.", optional=True),
        Column("doing", "What it was doing", Kind.PROSE, "Before the longest wait."),
    ),
)
LATE_HOSTS: Final = Table(
    id="late_hosts",
    title="Hosts that other hosts wait for",
    record=record.LateHost,
    rows=lambda report: report.late_hosts,
    help="In jobs of several hosts, 2 % of the wall time and more.",
    columns=(
        Column("host", "Host", Kind.NAME, "Its name."),
        Column("jobs", "Jobs", Kind.COUNT, "Jobs of several hosts that it was part of."),
        Column("late_pct", "Late", Kind.SHARE, "Of their wall time, all others wait for a rank on it."),
        Column("late_us", "Late in all", Kind.TIME, "In all these jobs."),
    ),
)
TABLES: Final = (CHANGES, HOSTS, LATE_HOSTS, JOBS, ADVICE, OUTLIERS, SERIES, TRENDS)
"""In the order of the report."""


def failures(report: FleetReport) -> str:
    """A word on what could not be read; '' where all could."""
    if not report.unreadable:
        return ""
    return f"{units.counted(report.unreadable, 'source')} could not be read, the first of them here."
