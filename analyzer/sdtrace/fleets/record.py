"""`fleet.json` and what `sdtrace gate` says as types (schemas `sdtrace.fleet-report/1`, `sdtrace.gate/1`)."""

from __future__ import annotations

from typing import Literal

from sdtrace.model import Struct

REPORT_SCHEMA = "sdtrace.fleet-report/1"
GATE_SCHEMA = "sdtrace.gate/1"
State = Literal["worse", "usual", "better"]


class Day(Struct, kw_only=True, frozen=True):
    """The runs of a series on one day."""

    day: str
    runs: int
    median_us: float


class Series(Struct, kw_only=True, frozen=True):
    """Runs of the same work on the same card, in time."""

    work: str
    variant: str
    card: str
    source: str
    """`recorded`: steady times without the profiler; `profiled`: with it."""
    runs: int
    first_day: str
    last_day: str
    median_us: float
    mad_us: float
    last_us: float
    """The median of the runs since the last change."""
    days: list[Day]


class Moved(Struct, kw_only=True, frozen=True):
    """GPU time of a steady iteration, median of the runs before and after a change."""

    kind: Literal["component", "kernel"]
    name: str
    before_us: float
    after_us: float


class Change(Struct, kw_only=True, frozen=True):
    """A series is slower, or faster, from one run on."""

    measure: str
    work: str
    variant: str
    card: str
    before_us: float
    after_us: float
    change_pct: float
    p: float
    """How often chance alone does that (Pettitt)."""
    runs_before: int
    runs_after: int
    first_trace: str
    first_source: str
    first_day: str
    with_it: list[str]
    """Facts that changed between the runs before and after: `torch 2.10 to 2.11`."""
    moved: list[Moved]


class SlowHost(Struct, kw_only=True, frozen=True):
    """A host whose runs take longer than those of the same work on the same card elsewhere."""

    host: str
    runs: int
    slower_pct: float
    sigmas: float
    """How many standard errors that is."""
    hours_lost: float
    """Of the hours spent there, in as many GPU hours as the report counts with."""


class Outlier(Struct, kw_only=True, frozen=True):
    """A single run far from the others around it."""

    trace: str
    source: str
    day: str
    host: str
    work: str
    us: float
    usual_us: float
    change_pct: float


class Advice(Struct, kw_only=True, frozen=True):
    """A finding that several traces share."""

    id: str
    title: str
    """As the trace has it whose saving is largest."""
    traces: int
    traces_pct: float
    hours: float | None
    """GPU hours it would save; None where no replay tells. Advice overlaps: these do not add up."""


class Trend(Struct, kw_only=True, frozen=True):
    """All runs with one value of a fact."""

    fact: str
    value: str
    runs: int
    first_day: str
    last_day: str
    relative: float
    """Steady time against the median of the same work on the same card: 1.05 is 5 % slower."""
    pct_in_30_days: float | None
    """By how much it grows; None with fewer than 8 runs or 2 days."""


class WaitingJob(Struct, kw_only=True, frozen=True):
    """A job of several ranks, and the rank that keeps the others waiting longest."""

    trace: str
    """Of its first rank."""
    day: str
    work: str
    ranks: int
    world_size: int | None
    """Ranks that the job had, also those whose traces are not here."""
    wall_us: float
    exposed_us: float
    """When collectives ran and no other work, the mean of its ranks; waiting is part of it."""
    waiting_us: float
    late_rank: int | None
    """None where no rank kept the others waiting."""
    late_host: str
    late_us: float
    late_pct: float
    """Of the wall time."""
    doing: str
    verdict: str


class LateHost(Struct, kw_only=True, frozen=True):
    """A host in jobs of several hosts."""

    host: str
    jobs: int
    late_us: float
    """How long the others waited for a rank on it alone, in all these jobs."""
    late_pct: float
    """Of their wall time."""


class FleetReport(Struct, kw_only=True, frozen=True):
    """What the runs of a store say together."""

    schema: str
    version: str
    store: str
    traces: int
    unreadable: int
    first_day: str
    last_day: str
    hours: float
    """GPU hours that the report counts with, spent as the traces are."""
    summary: str
    series: list[Series]
    changes: list[Change]
    slow_hosts: list[SlowHost]
    outliers: list[Outlier]
    advice: list[Advice]
    trends: list[Trend]
    failures: list[str]
    jobs: list[WaitingJob]
    """Those in which the others wait longest for one rank come first."""
    late_hosts: list[LateHost]


class GateRow(Struct, kw_only=True, frozen=True):
    """A measure of the trace against earlier runs; times are microseconds."""

    measure: str
    us: float
    runs: int
    median_us: float
    mad_us: float
    limit_us: float
    state: State
    arithmetic: str


class Gate(Struct, kw_only=True, frozen=True):
    """What `sdtrace gate` found."""

    schema: str
    version: str
    trace: str
    work: str
    variant: str
    card: str
    runs: int
    """Earlier runs of the same work on the same card."""
    rows: list[GateRow]
    note: str
    """Why nothing could be judged; '' where something was."""

    @property
    def is_worse(self) -> bool:
        """Whether any measure left what earlier runs had."""
        return any(row.state == "worse" for row in self.rows)
