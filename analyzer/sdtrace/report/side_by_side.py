"""Several traces of one report against the baseline: one table in all media."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, NamedTuple

from sdtrace import units
from sdtrace.analysis.comparison import differences
from sdtrace.analysis.image_time import gpu_works_us, image_time
from sdtrace.model import Amortization, Comparison, Match, Report, Story, TraceReport
from sdtrace.report.story import sentences
from sdtrace.report.summary import busy_pct
from sdtrace.tables import Column, Kind, Table

_OF_JOB: Final = "Not compared: it is a rank of the job."


class Standing(NamedTuple):
    """One trace among several."""

    trace: TraceReport
    is_baseline: bool
    speedup: float | None
    """How many times faster a steady iteration is than the baseline's; None when it is not known."""
    saving_us: float | None
    """Time saved by every iteration against the baseline; negative when it is slower."""
    break_even: str
    told: str
    """The comparison in sentences, or why there is none; '' for the baseline."""
    story: Story | None = None
    matches: list[Match] = []  # noqa: RUF012  # never changed
    """GPU work that it has in common with the baseline."""


def standings(report: Report) -> list[Standing]:
    """Every trace of a report against the baseline, in the report's order; [] for a single trace or job."""
    in_job = {rank.trace for rank in report.job.ranks} if report.job else set()
    if len(report.traces) < 2 or in_job >= {trace.name for trace in report.traces}:
        return []
    comparisons = report.comparisons or ([report.comparison] if report.comparison else [])
    return [_of_trace(trace, report, comparisons, trace.name in in_job) for trace in report.traces]


def _of_trace(
    trace: TraceReport, report: Report, comparisons: Sequence[Comparison], is_rank: bool
) -> Standing:
    """The standing of a trace in the comparison it belongs to, else against the first baseline."""
    for each in comparisons:
        row = next((row for row in each.rows if row.name == trace.name), None)
        if row is not None or trace.name == each.baseline:
            return _standing(trace, _named(report, each.baseline), row, is_rank)
    first = report.comparison or next(iter(comparisons), None)
    return _standing(trace, _named(report, first.baseline) if first else None, None, is_rank)


def _named(report: Report, name: str) -> TraceReport | None:
    return next((trace for trace in report.traces if trace.name == name), None)


def _standing(
    trace: TraceReport, base: TraceReport | None, row: Amortization | None, is_rank: bool
) -> Standing:
    if row is None:
        is_baseline = trace is base
        why = "" if is_baseline else _OF_JOB if is_rank else _uncompared(trace, base)
        return Standing(trace, is_baseline, 1.0 if is_baseline else None, None, "", why)
    after = row.break_even_iterations
    if after is None:
        pays = "never: not faster"
    else:
        pays = f"after {units.counted(after, trace.noun)}" if after > 1 or row.extra_us else "at once"
    told = " ".join(sentences(row.story)) if row.story else row.arithmetic
    return Standing(
        trace, False, row.speedup, row.saving_per_iteration_us, pays, told, row.story, row.matches
    )


def _uncompared(trace: TraceReport, base: TraceReport | None) -> str:
    """Why a trace has no speed against the baseline."""
    if trace.steady is None and trace.unprofiled_wall_us is None:
        return f"Not compared: it has no steady {trace.noun}."
    if base is None:
        return "Not compared: each trace is of another model, size, number of steps, batch or device."
    why = differences(trace, base) or [f"it has no steady {trace.noun} with the profiler"]
    return f"Not compared with `{base.name}`: {'; '.join(why)}."


def _speed(standing: Standing) -> str:
    return "baseline" if standing.is_baseline else units.factor(standing.speedup)


def _busy(standing: Standing) -> float | None:
    works, whole = gpu_works_us(standing.trace), image_time(standing.trace)
    return busy_pct(standing.trace) if works is None or whole is None else 100 * works / whole.us


SIDE_BY_SIDE: Final = Table(
    id="comparison",
    title="Side by side",
    record=Standing,
    rows=standings,
    help="Every trace of the report against the baseline, by its steady time.",
    columns=(
        Column("trace", "Trace", Kind.NAME, "The trace.", value=lambda row: row.trace.name),
        Column(
            "unprofiled_us",
            "No profiler",
            Kind.TIME,
            "Steady time without the profiler, as it was measured.",
            value=lambda row: row.trace.unprofiled_wall_us,
            optional=True,
        ),
        Column(
            "steady_us",
            "Profiled",
            Kind.TIME,
            "Median steady wall time, with the profiler, which slows the CPU.",
            value=lambda row: row.trace.steady.usual_us if row.trace.steady else None,
        ),
        Column("speedup", "Speed", Kind.FIGURE, "Times as fast as the baseline.", value=_speed),
        Column(
            "paid_us",
            "One-time cost",
            Kind.TIME,
            "Compile, autotune, capture, and warmup beyond steady time.",
            value=lambda row: row.trace.overhead.paid_us,
        ),
        Column("break_even", "Pays off", Kind.TEXT, "When the one-time cost is paid back."),
        Column("saving_us", "Saved each", Kind.TIME, "What each one saves against the baseline."),
        Column(
            "busy_pct",
            "GPU busy",
            Kind.SHARE,
            "Share of steady time, without the profiler where that is known or estimated.",
            value=_busy,
        ),
    ),
)
