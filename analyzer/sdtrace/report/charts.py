"""Geometry of the bars: every length is a percentage of the room there is; templates only draw them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from statistics import median_low
from typing import NamedTuple

from sdtrace.model import CompileStage, Iteration, TraceReport
from sdtrace.report import units
from sdtrace.report.summary import Share, has_device, phase_shares

PHASES = ("compile", "autotune", "capture", "warmup", "steady")
"""The phases that have a colour of their own."""

_THINNEST = 0.4
_OUTLIER = 5.0
"""An iteration this many times the median would leave the others invisible; its bar is cut."""
_HEADROOM = 1.25


class Segment(NamedTuple):
    """A piece of a stacked bar."""

    style: str
    title: str
    x: float
    width: float


class Bar(NamedTuple):
    """A table row with a bar: what it is about, how long its bar is, and its other cells."""

    label: str
    style: str
    width: float
    cells: list[str]


class IterationBar(NamedTuple):
    """An iteration's wall time, with the part in which the device was busy."""

    row: Iteration
    style: str
    width: float
    busy_width: float
    busy_share: str
    cut: bool


def phase_style(name: str) -> str:
    """The style of a phase, also where a cause of idle time bears a phase's name."""
    first = name.split(" ", 1)[0]
    return first if first in PHASES else "other"


def stack(shares: Sequence[Share]) -> list[Segment]:
    """Phases side by side; one too thin to be seen is widened at the others' expense."""
    widths = [max(row.pct, _THINNEST) if row.wall_us > 0 else 0.0 for row in shares]
    room = sum(widths)
    segments: list[Segment] = []
    x = 0.0
    for row, width in zip(shares, widths, strict=True):
        scaled = 100 * width / room if room else 0.0
        described = f"{row.name} {units.duration(row.wall_us)}"
        segments.append(Segment(phase_style(row.name), described, round(x, 3), round(scaled, 3)))
        x += scaled
    return segments


def iteration_bars(rows: Sequence[Iteration]) -> list[IterationBar]:
    """Bars on one linear scale; those far beyond the rest are cut, so that the rest can be compared."""
    scale = _scale([row.wall_us for row in rows])
    return [
        IterationBar(
            row=row,
            style=phase_style(row.phase),
            width=_length(row.wall_us, scale),
            busy_width=_length(row.gpu_busy_us, scale),
            busy_share=units.percent(row.gpu_busy_us, row.wall_us),
            cut=row.wall_us > scale,
        )
        for row in rows
    ]


def phase_bars(trace: TraceReport) -> list[Bar]:
    """Phases: host wall time, its share; if there is a device, the time launched there and its events."""
    on_device = has_device(trace)
    return _bars(
        _Row(row.name, phase_style(row.name), row.wall_us, _phase_cells(row, on_device))
        for row in phase_shares(trace)
    )


def idle_bars(trace: TraceReport) -> list[Bar]:
    """Causes of idle device time: time, share of all idle time, gaps."""
    total = sum(row.us for row in trace.idle)
    return _bars(
        _Row(
            row.cause,
            phase_style(row.cause),
            row.us,
            [units.duration(row.us), units.percent(row.us, total), units.count(row.gaps)],
        )
        for row in trace.idle
    )


def compile_bars(trace: TraceReport) -> list[Bar]:
    """Stages of torch.compile: exclusive time, its share, inclusive time, count."""
    total = sum(row.exclusive_us for row in trace.compile)
    return _bars(
        _Row(row.stage, "compile", row.exclusive_us, _stage_cells(row, total)) for row in trace.compile
    )


def category_bars(trace: TraceReport) -> list[Bar]:
    """Categories of device work: time, share, calls."""
    return _bars(
        _Row(
            row.category,
            "work",
            row.gpu_us,
            [units.duration(row.gpu_us), units.share(row.pct), units.count(row.calls)],
        )
        for row in trace.categories
    )


def component_bars(trace: TraceReport) -> list[Bar]:
    """Pipeline components in each phase: phase, device time if there is a device, host wall time, calls."""
    on_device = has_device(trace)
    return _bars(
        _Row(
            row.component,
            phase_style(row.phase),
            row.gpu_us if on_device else row.wall_us,
            [
                row.phase,
                *([units.duration(row.gpu_us)] if on_device else []),
                units.duration(row.wall_us),
                units.count(row.calls),
            ],
        )
        for row in trace.components
    )


class _Row(NamedTuple):
    """What a bar is made of: its amount sets its length against the longest of its table."""

    label: str
    style: str
    amount: float
    cells: list[str]


def _phase_cells(row: Share, on_device: bool) -> list[str]:
    work = [units.duration(row.gpu_us), units.count(row.gpu_events)] if on_device else []
    return [units.duration(row.wall_us), units.share(row.pct), *work]


def _stage_cells(row: CompileStage, total_us: float) -> list[str]:
    times = [units.duration(row.exclusive_us), units.percent(row.exclusive_us, total_us)]
    return [*times, units.duration(row.inclusive_us), units.count(row.count)]


def _bars(rows: Iterable[_Row]) -> list[Bar]:
    found = list(rows)
    longest = max((row.amount for row in found), default=0.0)
    return [Bar(row.label, row.style, _length(row.amount, longest), row.cells) for row in found]


def _scale(walls: Sequence[float]) -> float:
    limit = _OUTLIER * median_low(walls) if walls else 0.0
    longest = max(walls, default=0.0)
    return longest if longest <= limit else _HEADROOM * max(wall for wall in walls if wall <= limit)


def _length(amount: float, longest: float) -> float:
    return round(min(100 * amount / longest, 100.0), 2) if longest > 0 else 0.0
