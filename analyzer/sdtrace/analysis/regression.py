"""One trace against another, by steady iteration: what became slower, and which work did it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Literal, NamedTuple

import msgspec

from sdtrace import model
from sdtrace.analysis.comparison import amortized, differences, unique_names
from sdtrace.analysis.conditions import METRICS, Condition
from sdtrace.analysis.matched_work import Items, matches
from sdtrace.analysis.slower_work import slower_work
from sdtrace.analysis.story import Side, story
from sdtrace.errors import UsageError
from sdtrace.version import VERSION

SCHEMA = "sdtrace.compare/1"


class Measure(model.Struct, kw_only=True, frozen=True):
    """One metric of `sdtrace.analysis.conditions.METRICS`; None where a trace does not tell."""

    metric: str
    base: float | None
    candidate: float | None
    change_pct: float | None
    """Against the base; None where that is nothing or unknown."""


class Mover(model.Struct, kw_only=True, frozen=True):
    """Device work of one kind, a mean over steady iterations, on both sides."""

    name: str
    base_us: float
    candidate_us: float
    change_us: float
    base_calls: float
    candidate_calls: float
    state: Literal["appeared", "disappeared", "moved"]


class Difference(model.Struct, kw_only=True, frozen=True):
    """A candidate against the base; movers with the largest change first, those without left out."""

    name: str
    path: str
    measures: list[Measure]
    categories: list[Mover]
    kernels: list[Mover]
    slower: list[Mover]
    """Work that both do as often, by op and shape, and the candidate slower: what grew most first."""
    break_even: str
    """When the candidate has paid for itself, with the arithmetic; '' when that is unknown."""
    notes: list[str]
    story: model.Story | None = None
    """The comparison in sentences, and from where the difference comes."""
    matches: list[model.Match] = msgspec.field(default_factory=list)
    """Device work that is the same on both sides, also where one was compiled; largest change first."""


class Verdict(model.Struct, kw_only=True, frozen=True):
    """A condition put to a candidate."""

    condition: str
    metric: str
    name: str
    base: float | None
    candidate: float
    limit: float
    is_met: bool


class Regression(model.Struct, kw_only=True, frozen=True):
    """A whole comparison (schema `sdtrace.compare/1`)."""

    schema: str
    version: str
    base: str
    base_path: str
    is_unprofiled: bool
    """Whether `steady_ms` is without the profiler: every trace must tell it."""
    differences: list[Difference]
    verdicts: list[Verdict]


class Depth(NamedTuple):
    """What a comparison tells beyond the reports: one of each per trace, the base first."""

    sides: Sequence[Side]
    items: Sequence[Items]


def compare_traces(
    base: model.TraceReport,
    candidates: Sequence[model.TraceReport],
    conditions: Sequence[Condition] = (),
    depth: Depth | None = None,
) -> Regression:
    """Compare each candidate with the base; all must be reports on the phase `steady`.

    With `depth` the result says whether they did the same work, and from where the difference comes. Raises
    UsageError when a condition asks for what a trace does not tell.
    """
    first, *others = unique_names([base, *candidates])
    unprofiled = all(trace.unprofiled_wall_us is not None for trace in (first, *others))
    differences = [
        _difference(first, trace, unprofiled, place, depth) for place, trace in enumerate(others, start=1)
    ]
    return Regression(
        schema=SCHEMA,
        version=VERSION,
        base=base.name,
        base_path=base.path,
        is_unprofiled=unprofiled,
        differences=differences,
        verdicts=[_verdict(condition, found) for condition in conditions for found in differences],
    )


def _difference(
    base: model.TraceReport, candidate: model.TraceReport, unprofiled: bool, place: int, depth: Depth | None
) -> Difference:
    paid = amortized(base, candidate, unprofiled)
    sides = (None, None) if depth is None else (depth.sides[0], depth.sides[place])
    before, after = metrics(base, unprofiled), metrics(candidate, unprofiled)
    return Difference(
        name=candidate.name,
        path=candidate.path,
        measures=[_measure(metric, before[metric], after[metric]) for metric in METRICS],
        categories=_movers(_categories(base), _categories(candidate)),
        kernels=_movers(_kernels(base), _kernels(candidate)),
        slower=_slower(base, candidate),
        break_even=paid.arithmetic if paid else "",
        notes=_notes(base, candidate, is_told=depth is not None),
        story=story(base, candidate, sides, paid, is_unprofiled=unprofiled),
        matches=[] if depth is None else matches(depth.items[0], depth.items[place]),
    )


def _slower(base: model.TraceReport, candidate: model.TraceReport) -> list[Mover]:
    return [
        Mover(
            name=name,
            base_us=before.us,
            candidate_us=after.us,
            change_us=after.us - before.us,
            base_calls=before.calls,
            candidate_calls=after.calls,
            state="moved",
        )
        for name, (before, after) in slower_work(base, candidate).items()
    ]


def metrics(trace: model.TraceReport, unprofiled: bool) -> dict[str, float | None]:
    """Every metric of a trace; None where it does not tell."""
    steady, overhead = trace.steady, trace.overhead
    wall_us = trace.unprofiled_wall_us if unprofiled else steady.usual_us if steady else None
    memory = trace.run.get("peak_memory_bytes")
    return {
        "steady_ms": None if wall_us is None else wall_us / 1000,
        "gpu_ms": steady.gpu_median_us / 1000 if steady else None,
        "launches": steady.launches_median if steady else None,
        "paid_ms": overhead.paid_us / 1000,
        "before_profile_ms": overhead.before_profile_us / 1000,
        "overhead_ms": overhead.total_us / 1000,
        "compile_ms": overhead.compile_us / 1000,
        "autotune_ms": overhead.autotune_us / 1000,
        "capture_ms": overhead.capture_us / 1000,
        "warmup_ms": overhead.warmup_us / 1000,
        "peak_memory_mib": memory / 2**20 if isinstance(memory, int | float) and memory > 0 else None,
    }


def _measure(metric: str, base: float | None, candidate: float | None) -> Measure:
    change = None if not base or candidate is None else 100 * (candidate - base) / base
    return Measure(metric=metric, base=base, candidate=candidate, change_pct=change)


class _Work(NamedTuple):
    """Device time (microseconds) and calls per steady iteration."""

    us: float
    calls: float


def _categories(trace: model.TraceReport) -> dict[str, _Work]:
    n = trace.steady.iterations if trace.steady else 0
    return {row.category: _Work(row.gpu_us / n, row.calls / n) for row in trace.categories if n}


def _kernels(trace: model.TraceReport) -> dict[str, _Work]:
    n = trace.steady.iterations if trace.steady else 0
    return {row.name: _Work(row.total_us / n, row.calls / n) for row in trace.kernels if n}


def _movers(base: Mapping[str, _Work], candidate: Mapping[str, _Work]) -> list[Mover]:
    """What differs; nothing when a side has no steady device work to compare with."""
    if not base or not candidate:
        return []
    none = _Work(0.0, 0.0)
    pairs = {name: (base.get(name, none), candidate.get(name, none)) for name in {**base, **candidate}}
    movers = [
        Mover(
            name=name,
            base_us=before.us,
            candidate_us=after.us,
            change_us=after.us - before.us,
            base_calls=before.calls,
            candidate_calls=after.calls,
            state="moved" if before.calls and after.calls else "appeared" if after.calls else "disappeared",
        )
        for name, (before, after) in pairs.items()
        if before != after
    ]
    return sorted(movers, key=lambda mover: (-abs(mover.change_us), mover.name))


def _notes(base: model.TraceReport, candidate: model.TraceReport, *, is_told: bool) -> list[str]:
    """What to know before the figures are believed; `is_told` where the story says whether work differs."""
    notes = [
        f"{trace.name} has no steady iteration: only the one-time cost can be compared."
        for trace in (base, candidate)
        if trace.steady is None
    ]
    if not notes and not is_told and (how := differences(candidate, base)):
        notes.append(f"The runs differ ({'; '.join(how)}): their times say little about each other.")
    notes += [
        f"{trace.name} was cut off; what came after is missing."
        for trace in (base, candidate)
        if trace.events.salvaged
    ]
    return notes


def _verdict(condition: Condition, found: Difference) -> Verdict:
    measure = next(measure for measure in found.measures if measure.metric == condition.metric)
    base, candidate = measure.base, measure.candidate
    if candidate is None or (base is None and condition.is_relative):
        side = found.name if candidate is None else "the base"
        raise UsageError(f"{condition.metric} of {side} is unknown, so {condition.text!r} cannot be checked")
    against = base or 0.0  # An absolute condition needs no base.
    return Verdict(
        condition=condition.text,
        metric=condition.metric,
        name=found.name,
        base=base,
        candidate=candidate,
        limit=condition.limit(against),
        is_met=condition.is_met(against, candidate),
    )
