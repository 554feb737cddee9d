"""A comparison as people read it: sentences in order, a waterfall, work matched on both sides."""

from __future__ import annotations

from typing import Final, NamedTuple

from sdtrace import units
from sdtrace.model import Comparison, Match, Report, Story, WaterfallStep
from sdtrace.tables import Column, Kind, Table
from sdtrace.tables.columns import PAGES
from sdtrace.tables.labels import CAUSES

_MOST_STEPS: Final = 9
"""So many steps have a row of their own; the rest share one."""
_MINUS: Final = "\u2212"
_HOW: Final = {"shape": "shapes", "flops": "FLOPs", "component": "the rest"}
_SORTS: Final = {
    "overlap": "work that runs at once",
    "profiler": "less what the profiler adds",
    "rest": "unattributed, and the spread",
}


class WaterfallRow(NamedTuple):
    """A row of the waterfall; `from_us` is where the iteration stands before it, `change_us` what it adds."""

    what: str
    component: str
    base_us: float
    other_us: float
    change_us: float
    from_us: float
    is_total: bool = False


def sentences(story: Story) -> list[str]:
    """The story in order; what is not known has no sentence."""
    parts = (story.work, story.speed, story.cause, story.pays_off, story.advice)
    return [part for part in parts if part]


def story(report: Report) -> list[str]:
    """The first sentences on several traces: the fastest of each workload, and when that pays off."""
    return [sentence for each in report.comparisons for sentence in _of(each, len(report.comparisons) > 1)]


def _of(comparison: Comparison, is_one_of_several: bool) -> list[str]:
    best = comparison.rows[0].story
    if best is None:
        return []
    where = [f"{comparison.workload}:"] if is_one_of_several and comparison.workload else []
    return [" ".join([*where, *sentences(best)])]


def waterfall_rows(told: Story) -> list[WaterfallRow]:
    """The base's iteration, the largest steps, all others together, and the other's iteration."""
    if not told.waterfall or told.base_us is None or told.other_us is None:
        return []
    large, small = told.waterfall[:_MOST_STEPS], told.waterfall[_MOST_STEPS:]
    last = [step for step in small if step.sort in ("profiler", "rest")]
    small = [step for step in small if step not in last]
    rows = []
    at = told.base_us
    for step in [*large, *_together(small), *last]:
        if step.base_us or step.other_us:
            rows.append(
                WaterfallRow(_what(step), step.component, step.base_us, step.other_us, step.change_us, at)
            )
            at += step.change_us
    change = told.other_us - told.base_us
    return [
        *rows,
        WaterfallRow("one iteration", "", told.base_us, told.other_us, change, told.base_us, is_total=True),
    ]


def _together(steps: list[WaterfallStep]) -> list[WaterfallStep]:
    if not steps:
        return []
    return [
        WaterfallStep(
            sort="work",
            component="",
            what=f"{len(steps)} smaller parts",
            base_us=sum(step.base_us for step in steps),
            other_us=sum(step.other_us for step in steps),
            change_us=sum(step.change_us for step in steps),
        )
    ]


def _what(step: WaterfallStep) -> str:
    if step.sort == "idle":
        return f"GPU idle: {CAUSES.get(step.what, step.what)}"
    return _SORTS.get(step.sort, step.what)


class Fall(NamedTuple):
    """The waterfall of one trace for a page: rows, each with a bar in percent of the longest iteration."""

    name: str
    note: str
    rows: list[WaterfallRow]
    bars: list[tuple[float, float, str]]
    """Left end, width and style: `more`, `less` or `total`."""


def fall_of(name: str, told: Story) -> Fall | None:
    """The waterfall of a trace, for a page; None where there is none."""
    rows = waterfall_rows(told)
    if not rows:
        return None
    ends = [end for row in rows for end in (row.from_us, row.from_us + row.change_us)]
    scale = max([*ends, told.base_us or 0.0]) or 1.0
    return Fall(name, profiled_parts(told), rows, [_bar(row, scale) for row in rows])


def _bar(row: WaterfallRow, scale: float) -> tuple[float, float, str]:
    start, end = (0.0, row.other_us) if row.is_total else (row.from_us, row.from_us + row.change_us)
    style = "total" if row.is_total else "more" if end > start else "less"
    left = max(0.0, min(start, end))
    return round(100 * left / scale, 2), round(100 * abs(end - start) / scale, 2), style


def profiled_parts(told: Story) -> str:
    """How parts with the profiler lead to an iteration without it, where they do."""
    if not any(step.sort == "profiler" for step in told.waterfall):
        return ""
    return "The parts are as profiled; what the profiler adds comes off at the end."


def signed(us: float) -> str:
    """A change with its sign: `+1.20 ms`."""
    return units.duration(0) if not us else f"{'+' if us > 0 else _MINUS}{units.duration(abs(us))}"


WATERFALL: Final = Table(
    id="compare_waterfall",
    title="Where the difference comes from",
    record=WaterfallRow,
    rows=waterfall_rows,
    help="A steady iteration of both traces in parts; the changes sum to the difference.",
    note=profiled_parts,
    columns=(
        Column("what", "Part", Kind.TEXT, "The category of GPU work, or why the GPU was idle."),
        Column("component", "Component", Kind.TEXT, "The part of the pipeline that launched it."),
        Column("base_us", "Before", Kind.TIME, "Time in an iteration of the base."),
        Column("other_us", "After", Kind.TIME, "Time in an iteration of the other trace."),
        Column(
            "change_us", "Change", Kind.FIGURE, "After less before.", value=lambda row: signed(row.change_us)
        ),
    ),
)

MATCHES: Final = Table(
    id="matches",
    title="The same work on both sides",
    record=Match,
    rows=lambda found: found.matches,
    help="GPU work per steady iteration, matched by component, shapes and FLOPs, also across compilation.",
    is_long=True,
    columns=(
        Column("base_work", "Before", Kind.NAME, "Ops of the base, with the shape of the first tensor."),
        Column("component", "Component", Kind.TEXT, "The part of the pipeline that launched it."),
        Column("base_us", "GPU before", Kind.TIME, "GPU time in an iteration of the base."),
        Column("other_us", "after", Kind.TIME, "GPU time in an iteration of the other trace."),
        Column(
            "change_us", "Change", Kind.FIGURE, "After less before.", value=lambda row: signed(row.change_us)
        ),
        Column(
            "by",
            "Matched by",
            Kind.TEXT,
            "Op and shapes; the FLOPs of a call; or the rest of the component as one row.",
            PAGES,
            lambda row: _HOW[row.by],
        ),
        Column("other_work", "Now", Kind.NAME, "Ops or kernels of the other trace.", PAGES),
    ),
)
