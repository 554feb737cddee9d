"""The tables of a trace as plain cells, for the reports made of text: Markdown and the terminal."""

from __future__ import annotations

from collections.abc import Sequence
from enum import Enum
from typing import NamedTuple

from sdtrace.model import Op, Report, TraceReport
from sdtrace.report import summary, units
from sdtrace.report.torch_table import is_range, is_work


class Kind(Enum):
    """What a column holds."""

    NAME = "name"
    """A name from the trace, of any length."""
    TEXT = "text"
    """A word or two of our own."""
    PHASE = "phase"
    PROSE = "prose"
    NUMBER = "number"


class Column(NamedTuple):
    """A column's header, what it holds, and whether only work on a device fills it."""

    header: str
    kind: Kind
    of_device: bool = False


class Section(NamedTuple):
    """A titled table; `left_out` rows are in report.json alone."""

    title: str
    columns: list[Column]
    rows: list[list[str]]
    left_out: int


def comparison(report: Report) -> Section:
    """Every trace against the baseline."""
    rows = [_standing_cells(standing) for standing in summary.standings(report)]
    columns = _columns("Trace", "Steady", "Unprofiled", "Speed", "Paid once")
    columns += [Column("Pays off", Kind.TEXT), Column("Saved each", Kind.NUMBER)]
    return Section("Side by side", columns, rows, 0)


def sections(trace: TraceReport, top: int) -> list[Section]:
    """Every table of a trace that has rows, those of any length cut at `top`."""
    found = [
        phases(trace),
        iterations(trace, top),
        idle(trace),
        compile_stages(trace),
        categories(trace),
        components(trace),
        kernels(trace, top),
        ops(trace, top),
    ]
    told = [section for section in found if section.rows]
    return told if summary.has_device(trace) else [_of_the_host(section) for section in told]


def _of_the_host(section: Section) -> Section:
    """Without the columns that only work on a device fills."""
    kept = [i for i, column in enumerate(section.columns) if not column.of_device]
    return section._replace(
        columns=[section.columns[i] for i in kept], rows=[[row[i] for i in kept] for row in section.rows]
    )


def phases(trace: TraceReport) -> Section:
    """Host wall time by phase, and the device work launched in each."""
    rows = [
        [
            row.name,
            units.duration(row.wall_us),
            units.share(row.pct),
            units.duration(row.gpu_us),
            units.count(row.gpu_events),
        ]
        for row in summary.phase_shares(trace)
    ]
    columns = _columns("Phase", "Wall", "Share", kind=Kind.PHASE)
    columns += _of_device("GPU time", "GPU events")
    return Section("Where the profiled wall went", columns, rows, 0)


def iterations(trace: TraceReport, top: int) -> Section:
    """The first `top` iterations."""
    shown = trace.iterations[:top]
    has_notes = any(row.note for row in shown)
    rows = [
        [
            str(row.index + 1),
            units.duration(row.start_us),
            units.duration(row.wall_us),
            units.percent(row.gpu_busy_us, row.wall_us),
            units.duration(row.gpu_us),
            units.count(row.launches),
            row.phase,
            *([row.note] if has_notes else []),
        ]
        for row in shown
    ]
    columns = _columns("#", "Start", "Wall", kind=Kind.NUMBER)
    columns += _of_device("GPU busy", "GPU time", "Launches")
    columns += [Column("Phase", Kind.PHASE), *([Column("Note", Kind.PROSE)] if has_notes else [])]
    return Section(f"{summary.noun(trace).capitalize()}s", columns, rows, len(trace.iterations) - len(shown))


def idle(trace: TraceReport) -> Section:
    """Idle device time by cause."""
    total = sum(row.us for row in trace.idle)
    rows = [
        [row.cause, units.duration(row.us), units.percent(row.us, total), units.count(row.gaps)]
        for row in trace.idle
    ]
    columns = _columns("Cause", "Idle", "Share", "Gaps", kind=Kind.TEXT)
    return Section("Why the GPU was idle", columns, rows, 0)


def compile_stages(trace: TraceReport) -> Section:
    """Stages of torch.compile."""
    rows = [
        [
            row.stage,
            units.duration(row.exclusive_us),
            units.duration(row.inclusive_us),
            units.count(row.count),
        ]
        for row in trace.compile
    ]
    columns = _columns("Stage", "Exclusive", "Inclusive", "Count", kind=Kind.TEXT)
    return Section("What compiling did", columns, rows, 0)


def categories(trace: TraceReport) -> Section:
    """Device time by category."""
    rows = [
        [row.category, units.duration(row.gpu_us), units.share(row.pct), units.count(row.calls)]
        for row in trace.categories
    ]
    columns = _columns("Category", "GPU time", "Share", "Calls", kind=Kind.TEXT)
    return Section("What the GPU worked on", columns, rows, 0)


def components(trace: TraceReport) -> Section:
    """Device and host time by pipeline component and phase."""
    rows = [
        [
            row.component,
            row.phase,
            units.duration(row.gpu_us),
            units.duration(row.wall_us),
            units.count(row.calls),
        ]
        for row in trace.components
    ]
    columns = [Column("Component", Kind.TEXT), Column("Phase", Kind.PHASE), *_of_device("GPU time")]
    columns += _columns("Host wall", "Calls", kind=Kind.NUMBER)
    return Section("Parts of the pipeline", columns, rows, 0)


def kernels(trace: TraceReport, top: int) -> Section:
    """The `top` kernels, copies and fills by device time."""
    shown = summary.listed_kernels(trace)[:top]
    rows = [
        [
            row.short_name,
            row.category,
            units.duration(row.total_us),
            units.share(row.pct),
            units.count(row.calls),
            units.duration(row.mean_us),
        ]
        for row in shown
    ]
    columns = [Column("Name", Kind.NAME), Column("Category", Kind.TEXT)]
    columns += _columns("GPU time", "Share", "Calls", "Mean", kind=Kind.NUMBER)
    return Section("Kernels, copies and fills", columns, rows, len(trace.kernels) - len(shown))


def ops(trace: TraceReport, top: int) -> Section:
    """The `top` ops by self device time; of a trace without a device, by self CPU time."""
    listed = summary.listed_ops(trace)
    cpu_us = sum(op.self_cpu_us for op in trace.ops)
    device_us = sum(op.self_device_us for op in trace.ops if is_work(op))
    on_device = any(op.self_device_us for op in listed)
    rows = [
        [
            op.name,
            units.duration(op.self_cpu_us),
            units.percent(op.self_cpu_us, cpu_us),
            *(_device_cells(op, device_us) if on_device else []),
            units.count(op.calls),
        ]
        for op in listed[:top]
    ]
    device_columns = ["Self GPU", "GPU %"] if on_device else []
    columns = _columns("Name", "Self CPU", "CPU %", *device_columns, "Calls")
    return Section("Ops", columns, rows, len(listed) - len(rows))


def _device_cells(op: Op, device_us: float) -> list[str]:
    share = "range" if is_range(op) else "wait" if op.is_wait else units.percent(op.self_device_us, device_us)
    return [units.duration(op.self_device_us), share]


def _standing_cells(standing: summary.Standing) -> list[str]:
    trace = standing.trace
    speed = units.MISSING if standing.speedup is None else units.factor(standing.speedup)
    return [
        trace.name,
        units.duration(trace.steady.median_us if trace.steady else None),
        units.duration(trace.unprofiled_wall_us),
        "baseline" if standing.is_baseline else speed,
        units.duration(trace.overhead.paid_us),
        standing.break_even,
        units.duration(standing.saving_us),
    ]


def _columns(first: str, *others: str, kind: Kind = Kind.NAME) -> list[Column]:
    """A first column of one kind, then columns of numbers."""
    numbers: Sequence[Column] = [Column(header, Kind.NUMBER) for header in others]
    return [Column(first, kind), *numbers]


def _of_device(*headers: str) -> list[Column]:
    return [Column(header, Kind.NUMBER, of_device=True) for header in headers]
