"""The tables of a job: what its ranks did, and who kept whom waiting. Their source is a `Job`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from sdtrace import model
from sdtrace.tables.columns import Column, Kind
from sdtrace.tables.labels import CAUSES
from sdtrace.tables.shared_columns import DATA_ONLY, PAGES_AND_DATA
from sdtrace.tables.table import Bar, Table

_CAUSE_OR_NONE: Final[Mapping[str, str]] = {"": "", **CAUSES}


def _collectives_note(job: model.Job) -> str:
    if any(row.waiting_us is not None for row in job.collectives):
        return (
            "Time is summed over the ranks. A rank that comes early waits inside the collective; "
            "a rate counts from the arrival of the last rank, and is of the middle call."
        )
    return "Waiting for other ranks is in the time: it takes the traces of several ranks to tell it apart."


JOB_RANKS: Final = Table(
    id="job_ranks",
    title="Ranks",
    record=model.JobRank,
    rows=lambda job: job.ranks,
    help="Each rank over its whole trace.",
    note=lambda job: job.clocks.how if len(job.ranks) > 1 else "",
    columns=(
        Column("rank", "Rank", Kind.FIGURE, "Its number in the job."),
        Column("trace", "Trace", Kind.NAME, "The name of its trace.", PAGES_AND_DATA),
        Column("device", "Device", Kind.TEXT, "As the profiler recorded it.", DATA_ONLY),
        Column("wall_us", "Wall", Kind.TIME, "From the first to the last event, with the profiler."),
        Column("busy_us", "GPU busy", Kind.TIME, "When its GPU was at work, waiting in collectives too."),
        Column("compute_us", "Compute", Kind.TIME, "When kernels ran that do not communicate."),
        Column("copies_us", "Copies", Kind.TIME, "When copies and fills ran.", PAGES_AND_DATA),
        Column("communication_us", "Collectives", Kind.TIME, "When collectives ran.", PAGES_AND_DATA),
        Column("exposed_us", "Exposed", Kind.TIME, "When collectives ran and no other work."),
        Column("waiting_us", "Waits", Kind.TIME, "Time in collectives before the last rank came."),
        Column("idle_us", "Idle", Kind.TIME, "When its GPU had nothing to do.", PAGES_AND_DATA),
        Column(
            "idle_cause",
            "Idle most for",
            Kind.TEXT,
            "The cause of most of its idle time.",
            PAGES_AND_DATA,
            labels=_CAUSE_OR_NONE,
        ),
        Column("last", "Last", Kind.COUNT, "Collectives at which it arrived last."),
        Column("late_us", "Late", Kind.TIME, "How long all others waited for what this rank did."),
        Column("clock_shift_us", "Clock", Kind.TIME, "What its clock was set forward by.", DATA_ONLY),
    ),
    bar=Bar("late_us", style="work"),
)

JOB_LATE: Final = Table(
    id="job_late",
    title="Who is late",
    record=model.Late,
    rows=lambda job: sorted((row for row in job.late if row.cause), key=lambda row: -row.by_us),
    help="The last rank to arrive at each collective, and what it spent its time on. In data all of them.",
    is_long=True,
    sorted_by="by_us",
    columns=(
        Column("collective", "Collective", Kind.TEXT, "The kind of collective."),
        Column("index", "#", Kind.ORDINAL, "Its place among those of its group; in data counted from 0."),
        Column("group", "Group", Kind.NAME, "The process group.", DATA_ONLY),
        Column("rank", "Rank", Kind.FIGURE, "The last rank to arrive."),
        Column("iteration", "Iteration", Kind.ORDINAL, "Of that rank; in data counted from 0."),
        Column("step", "Step", Kind.ORDINAL, "Denoising step; in data counted from 0."),
        Column("at_us", "At", Kind.TIME, "When it arrived, since the job's first event.", DATA_ONLY),
        Column("by_us", "Late by", Kind.TIME, "How long the first rank waited for it."),
        Column("alone_us", "Alone", Kind.TIME, "How long it kept all others waiting.", PAGES_AND_DATA),
        Column("first", "First", Kind.FIGURE, "The rank that arrived first.", PAGES_AND_DATA),
        Column("cause", "Cause", Kind.TEXT, "What it spent more time on than the first rank.", DATA_ONLY),
        Column("cause_us", "More", Kind.TIME, "How much more.", DATA_ONLY),
        Column("doing", "What it was doing", Kind.PROSE, "The same in words, with op and component."),
    ),
)

JOB_COLLECTIVES: Final = Table(
    id="job_collectives",
    title="Collectives",
    record=model.Collective,
    rows=lambda job: job.collectives,
    help="By kind, size, type and group; each counts once, however many ranks take part.",
    note=_collectives_note,
    columns=(
        Column("kind", "Collective", Kind.TEXT, "The kind of collective."),
        Column("bytes", "Size", Kind.BYTES, "The larger of input and output of a rank."),
        Column("dtype", "Type", Kind.TEXT, "The type of the elements."),
        Column("group", "Group", Kind.TEXT, "The process group and its ranks.", PAGES_AND_DATA),
        Column("group_size", "Ranks", Kind.COUNT, "Ranks in the group.", DATA_ONLY),
        Column("calls", "Calls", Kind.COUNT, "How many there were."),
        Column("us", "Time", Kind.TIME, "On the GPU, summed over the ranks; without one on the CPU."),
        Column("waiting_us", "Waiting", Kind.TIME, "How much of it was waiting for the last rank."),
        Column("overlapped_us", "Hidden", Kind.TIME, "What of it ran beside other work.", PAGES_AND_DATA),
        Column(
            "transfer_us",
            "Transfer",
            Kind.TIME,
            "Of the middle call: from the last arrival to the end.",
            PAGES_AND_DATA,
        ),
        Column("algbw_gbps", "Alg. GB/s", Kind.RATE, "Size by transfer, 10^9 bytes/s.", PAGES_AND_DATA),
        Column("busbw_gbps", "Bus GB/s", Kind.RATE, "The same as the links see it; see docs/ranks.md."),
        Column(
            "pct_of_link", "Of links", Kind.SHARE, "Share of the card's links to other GPUs.", optional=True
        ),
    ),
)

JOB_IDLE: Final = Table(
    id="job_idle",
    title="Why each rank's GPU was idle",
    record=model.JobIdle,
    rows=lambda job: job.idle,
    help="Idle time of each rank by cause, as in `idle`.",
    columns=(
        Column("rank", "Rank", Kind.FIGURE, "The rank.", PAGES_AND_DATA),
        Column("cause", "Cause", Kind.TEXT, "What its GPU was idle for.", PAGES_AND_DATA, labels=CAUSES),
        Column("us", "Idle", Kind.TIME, "Idle time with this cause.", PAGES_AND_DATA),
        Column("gaps", "Gaps", Kind.COUNT, "In how many gaps it occurs.", PAGES_AND_DATA),
    ),
)

JOB_TABLES: Final = (JOB_RANKS, JOB_LATE, JOB_COLLECTIVES, JOB_IDLE)
"""In the order of the report. An id without `job_` is the field of `Job`."""


def field_of(table: Table) -> str:
    """The field of `Job` that a table of a job shows."""
    return table.id.removeprefix("job_")
