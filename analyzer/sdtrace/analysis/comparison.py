"""Several traces against one of them: speed of steady state, and when overhead is paid back."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from itertools import count
from math import floor
from typing import NamedTuple

from msgspec.structs import replace

from sdtrace import model, units
from sdtrace.analysis.matched_work import matches
from sdtrace.analysis.same_work import differing
from sdtrace.analysis.story import Side, story
from sdtrace.errors import UsageError
from sdtrace.findings.text import time
from sdtrace.version import VERSION

_WORKLOAD = ("model", "steps", "batch", "height", "width")
"""Facts of a run that must agree for its speed to be compared."""


class _Cost(NamedTuple):
    """What a trace says about one way to run: a steady iteration, and its one-time cost; microseconds."""

    steady_us: float
    overhead_us: float


def build_report(
    traces: Sequence[model.TraceReport],
    baseline: str | None = None,
    apart: Collection[str] = (),
    sides: Sequence[Side] | None = None,
) -> model.Report:
    """A report of all traces; those that did the same work on one device are compared with each other.

    In each such group the baseline is `baseline` where it is one of them, else the slowest. `sides` (one per
    trace) tell how they differ; without them only the facts of the runs do. Names that occur twice are
    numbered. Traces whose names are `apart` are compared with nothing. Raises UsageError when `baseline`
    names no trace, or one of these.
    """
    named = unique_names(traces)
    if baseline is not None:
        _check(baseline, named, apart)
    known = {trace.name: side for trace, side in zip(named, sides or (), strict=False)}
    compared = [trace for trace in named if trace.name not in apart]
    found = [_comparison(group, baseline, known) for group in workloads(compared, known)]
    comparisons = [each for each in found if each is not None]
    first = next((each for each in comparisons if each.baseline == baseline), None)
    if baseline is None:
        first = max(comparisons, key=lambda each: len(each.rows), default=None)
    return model.Report(
        schema=model.SCHEMA, version=VERSION, traces=named, comparison=first, comparisons=comparisons
    )


def _check(baseline: str, traces: Sequence[model.TraceReport], apart: Collection[str]) -> None:
    if baseline in apart:
        raise UsageError(f"{baseline!r} (--baseline) is a rank of a job, and no variant to compare with")
    names = [trace.name for trace in traces]
    if baseline not in names:
        raise UsageError(f"no trace is named {baseline!r} (--baseline); there are {', '.join(names)}")


def workloads(
    traces: Sequence[model.TraceReport], sides: Mapping[str, Side]
) -> list[list[model.TraceReport]]:
    """The traces in groups that did the same work on the same device, in the order of the first of each.

    Speeds of different models, sizes or devices say nothing about one another.
    """
    groups: list[list[model.TraceReport]] = []
    for trace in traces:
        group = next((group for group in groups if not _differ(trace, group[0], sides)), None)
        if group is None:
            groups.append([trace])
        else:
            group.append(trace)
    return groups


def _differ(trace: model.TraceReport, other: model.TraceReport, sides: Mapping[str, Side]) -> bool:
    if differences(trace, other):
        return True
    mine, theirs = sides.get(trace.name), sides.get(other.name)
    return mine is not None and theirs is not None and bool(differing(theirs.facts, mine.facts))


def unique_names(traces: Sequence[model.TraceReport]) -> list[model.TraceReport]:
    """The traces, those of a name that an earlier one has with a number; no two have one name then."""
    taken = {trace.name for trace in traces}
    seen: set[str] = set()
    result = []
    for trace in traces:
        name = trace.name
        if name in seen:
            name = next(free for n in count(2) if (free := f"{trace.name} ({n})") not in taken)
            taken.add(name)
        seen.add(name)
        result.append(trace if name == trace.name else replace(trace, name=name))
    return result


def _comparison(
    traces: Sequence[model.TraceReport], baseline: str | None, sides: Mapping[str, Side]
) -> model.Comparison | None:
    """The traces of one workload against the baseline; None with fewer than two that have a speed."""
    names = {trace.name: trace for trace in traces}
    unprofiled = all(trace.unprofiled_wall_us is not None for trace in traces)
    costs = {trace.name: cost for trace in traces if (cost := _cost(trace, unprofiled)) is not None}
    wanted = baseline if baseline in names else None
    if len(costs) < 2 or (wanted is not None and wanted not in costs):
        return None
    base = wanted or max(costs, key=lambda name: costs[name].steady_us)
    rows = []
    for name, cost in costs.items():
        if name == base:
            continue
        paid = _amortized(names[name], cost, base, costs[base], unprofiled)
        both = sides.get(base), sides.get(name)
        told = story(names[base], names[name], both, paid, is_unprofiled=unprofiled)
        rows.append(replace(paid, story=told, matches=_matches(*both)))
    return model.Comparison(
        baseline=base,
        rows=sorted(rows, key=lambda row: row.steady_us),
        workload=workload_of(names[base]),
    )


def _matches(base: Side | None, other: Side | None) -> list[model.Match]:
    """The same GPU work on both sides; [] where it was not asked for."""
    if base is None or other is None or base.items is None or other.items is None:
        return []
    return matches(base.items, other.items)


def workload_of(trace: model.TraceReport) -> str:
    """What a trace did and on which device: `Stable Diffusion 1.5, 512x512, 50 steps on NVIDIA H200`."""
    what = trace.verdict.what if trace.verdict else None
    if what is None:
        return ""
    steps = units.counted(what.steps, "step") if what.steps else ""
    told = ", ".join(part for part in (what.model, what.size, steps) if part)
    device = what.device or ("the CPU" if trace.on_cpu else "")
    told = told[:1].upper() + told[1:]
    return f"{told or 'The same work'} on {device}" if device else told


def _workload(trace: model.TraceReport) -> tuple[str, ...]:
    """What an iteration does and on which device, as far as the trace tells."""
    device = trace.run.get("device_name") or trace.device.get("name") or ""
    return (str(device), *(str(trace.run.get(fact)) for fact in _WORKLOAD))


def differences(trace: model.TraceReport, other: model.TraceReport) -> list[str]:
    """How the workload of a trace differs from another's: `steps 1, not 2`; [] where they can be compared."""
    pairs = zip(("device", *_WORKLOAD), _workload(trace), _workload(other), strict=True)
    return [f"{fact} {_known(mine)}, not {_known(theirs)}" for fact, mine, theirs in pairs if mine != theirs]


def _known(fact: str) -> str:
    return "unknown" if fact in ("", "None") else fact


def amortized(
    base: model.TraceReport, other: model.TraceReport, unprofiled: bool
) -> model.Amortization | None:
    """When `other` pays off against `base`; None where one of them has no steady iteration."""
    ours, theirs = _cost(base, unprofiled), _cost(other, unprofiled)
    return None if ours is None or theirs is None else _amortized(other, theirs, base.name, ours, unprofiled)


def _cost(trace: model.TraceReport, unprofiled: bool) -> _Cost | None:
    """Wall times without the profiler when all traces have them, else those with it."""
    steady = trace.unprofiled_wall_us if unprofiled else trace.steady.usual_us if trace.steady else None
    if not steady:
        return None
    return _Cost(steady, trace.overhead.paid_us)


def _amortized(
    trace: model.TraceReport, cost: _Cost, base_name: str, base: _Cost, unprofiled: bool
) -> model.Amortization:
    saving = base.steady_us - cost.steady_us
    extra = max(0.0, cost.overhead_us - base.overhead_us)
    iterations = floor(extra / saving) + 1 if saving > 0 else None
    times = f"({time(base.steady_us * 1e3)} - {time(cost.steady_us * 1e3)})"
    how = "without the profiler" if unprofiled else "with the profiler"
    if iterations is None:
        mine, other = time(cost.steady_us * 1e3), time(base.steady_us * 1e3)
        arithmetic = f"Not faster than `{base_name}`: {mine} against {other} {how}"
    else:
        arithmetic = (
            f"{time(extra * 1e3)} more one-time cost / {times} saved each time = {extra / saving:.1f}: "
            f"ahead of `{base_name}` from {trace.noun} {iterations} on ({how})"
        )
    return model.Amortization(
        name=trace.name,
        steady_us=cost.steady_us,
        overhead_us=cost.overhead_us,
        speedup=base.steady_us / cost.steady_us,
        saving_per_iteration_us=saving,
        break_even_iterations=iterations,
        arithmetic=arithmetic,
        extra_us=extra,
    )
