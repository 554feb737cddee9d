"""Every table of a trace's report. To add a column or a table, add it here and to its record."""

from __future__ import annotations

from typing import Final

from sdtrace import model
from sdtrace.tables import rows
from sdtrace.tables.columns import DATA, HTML, Column, Kind
from sdtrace.tables.hta_tables import HTA, HTA_RESULTS
from sdtrace.tables.labels import CAUSES
from sdtrace.tables.notes import idle_note, phases_note
from sdtrace.tables.op_tables import KERNELS, OPS
from sdtrace.tables.shared_columns import DATA_ONLY, PAGES_AND_DATA, calls, share
from sdtrace.tables.table import Bar, Table
from sdtrace.tables.work_tables import OPS_BY_SHAPE, WATERFALL

PHASES: Final = Table(
    id="phases",
    title="Where the wall time went",
    record=model.Phase,
    rows=rows.phases,
    help="Every instant of the CPU's wall time belongs to one phase; GPU work to the phase of its launch.",
    columns=(
        Column("phase", "Phase", Kind.PHASE, "capture, autotune, compile, warmup, stall or steady."),
        Column("wall_us", "Wall", Kind.TIME, "Wall time of the CPU in this phase, with the profiler."),
        share(
            "wall_pct",
            "Share",
            "Share of the wall time.",
            rows.wall_us,
            value=lambda row: row.wall_us,
        ),
        Column("gpu_us", "GPU time", Kind.TIME, "GPU work launched in this phase.", optional=True),
        Column("gpu_events", "GPU events", Kind.COUNT, "Kernels, copies and fills of it.", optional=True),
    ),
    bar=Bar("wall_us", style="phase"),
    note=phases_note,
)

ITERATIONS: Final = Table(
    id="iterations",
    title=lambda trace: f"{trace.noun.capitalize()}s",
    record=model.Iteration,
    rows=lambda trace: trace.iterations,
    help="One row for each repetition of the outermost loop: an image, a training step.",
    is_wide=True,
    columns=(
        Column("name", "Name", Kind.NAME, "The mark that begins it, as the trace has it.", DATA_ONLY),
        Column("index", "#", Kind.ORDINAL, "Its place; in data counted from 0."),
        Column("start_us", "Start", Kind.TIME, "When it begins, since the first event of the trace."),
        Column("wall_us", "Wall", Kind.TIME, "How long it takes, queued GPU work included."),
        Column("host_wall_us", "CPU wall", Kind.TIME, "How long the CPU is in it.", DATA_ONLY),
        share(
            "gpu_busy_pct",
            "GPU busy",
            "Share of its wall time in which the GPU works.",
            None,
            value=lambda row: 100 * row.gpu_busy_us / row.wall_us if row.wall_us else None,
            optional=True,
        ),
        Column("gpu_us", "GPU time", Kind.TIME, "GPU work launched in it, summed.", optional=True),
        Column("gpu_busy_us", "GPU busy", Kind.TIME, "How long a GPU works in it, on average.", DATA_ONLY),
        Column("any_busy_us", "Any GPU busy", Kind.TIME, "How long at least one GPU works.", DATA_ONLY),
        Column(
            "gpu_events",
            "GPU events",
            Kind.COUNT,
            "Kernels, copies and fills launched in it.",
            PAGES_AND_DATA,
            optional=True,
        ),
        Column("launches", "Launches", Kind.COUNT, "Launch calls with GPU work.", optional=True),
        Column("steps", "Steps", Kind.COUNT, "Denoising steps in it.", PAGES_AND_DATA, optional=True),
        Column("phase", "Phase", Kind.PHASE, "steady, or the overhead that it holds most of."),
        Column("is_whole", "Whole", Kind.FLAG, "Whether the profile holds all of it.", DATA_ONLY),
        Column("note", "Note", Kind.PROSE, "Why it is slow, where that is visible.", optional=True),
    ),
    bar=Bar("wall_us", style="phase", part="gpu_busy_us", legend="Dark: GPU busy."),
)

_PAGE: Final = frozenset({HTML, DATA})
"""Too many rows for Markdown and the terminal."""

STEPS: Final = Table(
    id="steps",
    title="Denoising steps",
    record=model.Step,
    rows=lambda trace: trace.steps,
    help="One row for each denoising step.",
    is_wide=True,
    columns=(
        Column("iteration", "In", Kind.ORDINAL, "Which one it begins in; in data from 0.", _PAGE),
        Column("index", "#", Kind.ORDINAL, "Its place there; in data from 0.", _PAGE),
        Column("start_us", "Start", Kind.TIME, "When it begins, since the first event.", _PAGE),
        Column("wall_us", "Wall", Kind.TIME, "How long it takes, queued GPU work included.", _PAGE),
        Column("host_wall_us", "CPU wall", Kind.TIME, "How long the CPU is in it.", DATA_ONLY),
        Column("gpu_us", "GPU time", Kind.TIME, "GPU work launched in it.", _PAGE, optional=True),
        Column("gpu_busy_us", "GPU busy", Kind.TIME, "How long the GPU works.", _PAGE, optional=True),
        Column("any_busy_us", "Any GPU busy", Kind.TIME, "How long at least one GPU works.", DATA_ONLY),
        Column("gpu_events", "GPU events", Kind.COUNT, "Kernels, copies and fills of it.", DATA_ONLY),
        Column("launches", "Launches", Kind.COUNT, "Calls with GPU work.", _PAGE, optional=True),
    ),
)

IDLE: Final = Table(
    id="idle",
    title="Why the GPU was idle",
    record=model.IdleCause,
    rows=lambda trace: trace.idle,
    help="Idle time between the first and the last GPU work; every instant of it has one cause.",
    columns=(
        Column("cause", "Cause", Kind.TEXT, "What the GPU was idle for; see docs/phases.md.", labels=CAUSES),
        Column("us", "Idle", Kind.TIME, "Idle time with this cause."),
        share(
            "idle_pct",
            "Share",
            "Share of all idle time.",
            lambda trace: sum(row.us for row in trace.idle),
            value=lambda row: row.us,
        ),
        Column("gaps", "Gaps", Kind.COUNT, "In how many gaps it occurs."),
    ),
    bar=Bar("us", style="cause"),
    note=idle_note,
)

COMPILE: Final = Table(
    id="compile",
    title="What compiling did",
    record=model.CompileStage,
    rows=lambda trace: trace.compile,
    help="Stages of torch.compile, without autotune and capture.",
    columns=(
        Column("stage", "Stage", Kind.TEXT, "What the compiler did."),
        Column("exclusive_us", "Exclusive", Kind.TIME, "Time in this stage and in no stage within it."),
        share(
            "exclusive_pct",
            "Share",
            "Share of the exclusive time of all stages.",
            lambda trace: sum(row.exclusive_us for row in trace.compile),
            value=lambda row: row.exclusive_us,
        ),
        Column("inclusive_us", "Inclusive", Kind.TIME, "Time in this stage and in those within it."),
        Column("count", "Count", Kind.COUNT, "How often the stage ran."),
    ),
    bar=Bar("exclusive_us", style="compile"),
)

CATEGORIES: Final = Table(
    id="categories",
    title="What the GPU worked on",
    record=model.Category,
    rows=lambda trace: trace.categories,
    help="GPU work by category; see docs/categories.md.",
    columns=(
        Column("category", "Category", Kind.TEXT, "The kind of work."),
        Column("gpu_us", "GPU time", Kind.TIME, "GPU time of this category."),
        Column("pct", "Share", Kind.SHARE, "Share of all GPU work."),
        calls("work of this category ran"),
    ),
    bar=Bar("gpu_us", style="work"),
)

COMPONENTS: Final = Table(
    id="components",
    title="Parts of the pipeline",
    record=model.Component,
    rows=lambda trace: trace.components,
    help="Text encoder, denoiser, VAE and scheduler, in each phase; `other` is outside all of them.",
    columns=(
        Column("component", "Component", Kind.TEXT, "The part of the pipeline."),
        Column("phase", "Phase", Kind.PHASE, "The phase of its time and work."),
        Column("gpu_us", "GPU time", Kind.TIME, "GPU work that it launched.", optional=True),
        Column("wall_us", "CPU wall", Kind.TIME, "How long the CPU ran it."),
        calls("it was called"),
    ),
    bar=Bar("gpu_us", style="phase", fallback="wall_us"),
)

DEVICES: Final = Table(
    id="devices",
    title="GPU by GPU",
    record=model.Device,
    rows=lambda trace: trace.devices if len(trace.devices) > 1 else [],
    help="Each device by itself, where there are several.",
    columns=(
        Column("index", "GPU", Kind.COUNT, "Its number in the trace."),
        Column("name", "Name", Kind.TEXT, "As the profiler recorded it.", optional=True),
        Column("busy_us", "Busy", Kind.TIME, "How long any of its streams worked."),
        Column("idle_us", "Idle", Kind.TIME, "The rest, from the first to the last work of its process."),
        share(
            "busy_pct",
            "Busy share",
            "Share of that span in which it worked.",
            None,
            value=lambda row: 100 * row.busy_us / (row.busy_us + row.idle_us or 1),
        ),
        Column("kernels", "Kernels", Kind.COUNT, "Kernels that ran on it."),
        Column("steady_busy_us", "Steady busy", Kind.TIME, "Busy in steady iterations.", DATA_ONLY),
        Column("steady_wall_us", "Steady wall", Kind.TIME, "Wall of these iterations.", DATA_ONLY),
    ),
    bar=Bar("busy_us", style="work"),
)

FINDINGS: Final = Table(
    id="findings",
    title="Findings",
    record=model.Finding,
    rows=lambda trace: trace.findings,
    help="What to know and what to change. Terminal, Markdown and HTML show them as sentences.",
    columns=(
        *(
            Column(field, header, kind, text, DATA_ONLY)
            for field, header, kind, text in (
                ("id", "Id", Kind.TEXT, "The same for the same kind of finding."),
                ("severity", "Severity", Kind.TEXT, "high, medium, low or info."),
                ("title", "Title", Kind.PROSE, "The finding in a sentence."),
                ("evidence", "Evidence", Kind.PROSE, "The figures it rests on."),
                ("advice", "Advice", Kind.PROSE, "What to do."),
                ("saving_us", "Saves", Kind.TIME, "What it saves of a steady iteration; empty if unknown."),
                ("confidence", "Confidence", Kind.TEXT, "certain, likely or guess."),
                ("verify", "Verify", Kind.TEXT, "A command that shows it, or whether the advice came true."),
            )
        ),
        Column("evidence_rows", "Rows", Kind.TEXT, "Rows that prove it; only in report.json.", frozenset()),
        Column(
            "saving",
            "From and to",
            Kind.TEXT,
            "The iteration without the profiler before and after, with a range; only in report.json.",
            frozenset(),
        ),
    ),
)

TABLES: Final = (
    PHASES,
    ITERATIONS,
    STEPS,
    DEVICES,
    IDLE,
    COMPILE,
    CATEGORIES,
    COMPONENTS,
    WATERFALL,
    OPS_BY_SHAPE,
    KERNELS,
    OPS,
    FINDINGS,
    HTA,
    HTA_RESULTS,
)
"""In the order of the report."""
