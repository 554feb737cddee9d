"""Traces against one another, in a few lines each."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final

from sdtrace import units
from sdtrace.analysis.regression import Difference, Measure, Mover
from sdtrace.api import Analysis
from sdtrace.api import compare as compare_analyses
from sdtrace.breakdowns.short_names import short_name
from sdtrace.errors import DifferentWork, UsageError
from sdtrace.report.story import sentences
from sdtrace.safe_text import one_line

_LABELS: Final = {
    "steady_ms": "steady wall of one",
    "gpu_ms": "GPU time in it",
    "launches": "launches in it",
    "paid_ms": "one-time cost",
    "before_profile_ms": "of it before the profile",
    "overhead_ms": "of it in the trace",
    "compile_ms": "of it compile",
    "autotune_ms": "of it autotune",
    "capture_ms": "of it capture",
    "warmup_ms": "of it warmup",
    "peak_memory_mib": "peak GPU memory",
}
_MOVERS: Final = 5


def compare(base: Analysis, candidates: Sequence[Analysis], *, allow_different_work: bool = False) -> str:
    """Each candidate against `base` by steady iteration: time, launches, one-time cost, which work moved.

    Raises DifferentWork when one did other work than `base`, unless `allow_different_work`; UsageError
    without a candidate.
    """
    if not candidates:
        raise UsageError("give at least one candidate to compare with the base")
    try:
        found = compare_analyses(base, *candidates, allow_different_work=allow_different_work)
    except DifferentWork as error:
        raise different(error) from error
    how = "without the profiler" if found.is_unprofiled else "with the profiler, which slows the CPU"
    parts = [f"Steady {base.report.noun}s were timed {how}."]
    parts += ["\n".join(_lines(each, found.base)) for each in found.differences]
    return "\n\n".join(parts)


def different(error: DifferentWork) -> DifferentWork:
    """The same, with what a tool's caller can do about it."""
    what, _, _ = str(error).partition("; --allow-different-work")
    return DifferentWork(f"{what}; set allow_different_work=true to compare them all the same")


def _lines(found: Difference, base: str) -> Iterator[str]:
    yield one_line(f"{found.name} against {base}")
    yield from (measured(each) for each in found.measures if each.base or each.candidate)
    if found.story is not None:
        yield from sentences(found.story)
    yield from found.notes
    if found.categories:
        yield "GPU work that moved most, in a steady one, by category:"
        yield from (_moved(each, each.name) for each in found.categories[:_MOVERS])
    if found.kernels:
        yield "By kernel:"
        yield from (_moved(each, short_name(each.name)) for each in found.kernels[:_MOVERS])
    if found.slower:
        yield "The same work, slower (a layout, a fusion or a kernel that did not pay):"
        yield from (_moved(each, each.name) for each in found.slower[:_MOVERS])


def measured(found: Measure) -> str:
    """A metric before and after, with the change in percent."""
    before, after = (_value(found.metric, value) for value in (found.base, found.candidate))
    change = "" if found.change_pct is None else f" ({found.change_pct:+.1f} %)"
    return f"{_LABELS[found.metric]}: {before} -> {after}{change}"


def _value(metric: str, value: float | None) -> str:
    if value is None:
        return "unknown"
    if metric.endswith("_ms"):
        return units.duration(value * 1000)
    return units.size(value * 2**20) if metric.endswith("_mib") else units.count(value)


def _moved(found: Mover, name: str) -> str:
    times = f"{units.duration(found.base_us)} -> {units.duration(found.candidate_us)}"
    calls = (
        f"{units.count(round(found.base_calls, 1))} -> {units.count(round(found.candidate_calls, 1))} calls"
    )
    return one_line(f"- {name}: {times}, {calls}")
