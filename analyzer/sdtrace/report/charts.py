"""Geometry of the bars: every length is a percentage of the room there is; templates only draw them."""

from __future__ import annotations

from collections.abc import Sequence
from statistics import median_low
from typing import Any, NamedTuple

from sdtrace import units
from sdtrace.analysis.image_time import image_time
from sdtrace.model import TraceReport
from sdtrace.tables import Filled
from sdtrace.tables.rows import phases, wall_us

PHASES = ("compile", "autotune", "capture", "warmup", "steady")
"""The phases that have a colour of their own."""

_THINNEST = 0.4
_MOST_STYLES = 4
_LABELLED = 2
"""So many parts have colours on which white text can be read."""
_ROOM_FOR_LABEL = 30.0
"""Percent of the bar that a label takes, also on a phone."""
_OUTLIER = 5.0
"""A bar this many times the median would leave the others invisible; in a table of iterations it is cut."""
_HEADROOM = 1.25


class Segment(NamedTuple):
    """A piece of a stacked bar."""

    style: str
    title: str
    x: float
    width: float
    label: str = ""
    """What stands in it, where it is wide enough."""


class ImageBar(NamedTuple):
    """A steady iteration as one bar, and its time in words."""

    told: str
    segments: list[Segment]


class BarShape(NamedTuple):
    """The bar of a row: its length, the part that is drawn darker (None: all of it), whether it is cut."""

    style: str
    width: float
    part: float | None
    cut: bool


def phase_style(name: str) -> str:
    """The style of a phase, also where a cause of idle time bears a phase's name."""
    first = name.split(" ", 1)[0]
    return first if first in PHASES else "other"


def image_bar(trace: TraceReport) -> ImageBar | None:
    """A steady iteration in parts: GPU work, and idle time; None where it is not known.

    GPU work keeps its place from report to report: the largest part first, idle time last.
    """
    whole, parts = image_time(trace), trace.verdict.parts if trace.verdict else []
    if whole is None or not parts:
        return None
    how = "with the profiler" if whole.how == "as profiled" else f"without the profiler ({whole.how})"
    total = sum(part.us for part in parts)
    segments: list[Segment] = []
    x = 0.0
    for place, part in enumerate(part for part in parts if part.us):
        width = 100 * part.us / total if total else 0.0
        described = f"{part.name} {units.duration(part.us)} ({units.share(width)})"
        style = "q-idle" if part.is_idle else f"q-{min(place, _MOST_STYLES)}"
        is_labelled = width >= _ROOM_FOR_LABEL and (part.is_idle or place < _LABELLED)
        label = f"{part.name} {units.share(width)}" if is_labelled else ""
        segments.append(Segment(style, described, round(x, 3), round(width, 3), label))
        x += width
    return ImageBar(f"{units.duration(whole.us)} {how}", segments)


def stack(trace: TraceReport) -> list[Segment]:
    """Phases side by side; one too thin to be seen is widened at the others' expense."""
    rows, whole = phases(trace), wall_us(trace)
    widths = [max(100 * row.wall_us / whole, _THINNEST) if row.wall_us > 0 else 0.0 for row in rows]
    room = sum(widths)
    segments: list[Segment] = []
    x = 0.0
    for row, width in zip(rows, widths, strict=True):
        scaled = 100 * width / room if room else 0.0
        described = f"{row.phase} {units.duration(row.wall_us)}"
        segments.append(Segment(phase_style(row.phase), described, round(x, 3), round(scaled, 3)))
        x += scaled
    return segments


def bars(filled: Filled) -> list[BarShape]:
    """The bars of a table on one linear scale; [] for a table without."""
    bar = filled.table.bar
    if bar is None:
        return []
    lengths = [float(getattr(row, bar.field)) for row in filled.records]
    if bar.fallback and not any(lengths):
        lengths = [float(getattr(row, bar.fallback)) for row in filled.records]
    scale = _scale(lengths) if filled.table.is_wide else max(lengths, default=0.0)
    return [
        BarShape(
            style=_style(row, bar.style),
            width=_length(length, scale),
            part=_length(getattr(row, bar.part), scale) if bar.part else None,
            cut=length > scale,
        )
        for row, length in zip(filled.records, lengths, strict=True)
    ]


def _style(row: Any, style: str) -> str:
    return phase_style(getattr(row, style)) if hasattr(row, style) else style


def _scale(lengths: Sequence[float]) -> float:
    """The longest bar; where some dwarf the rest, a little more than the longest of the rest."""
    limit = _OUTLIER * median_low(lengths) if lengths else 0.0
    longest = max(lengths, default=0.0)
    return longest if longest <= limit else _HEADROOM * max(length for length in lengths if length <= limit)


def _length(amount: float, longest: float) -> float:
    return round(min(max(100 * amount / longest, 0.0), 100.0), 2) if longest > 0 else 0.0
