"""Several traces against one of them: speed of steady state, and when overhead is paid back."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Sequence
from itertools import count
from math import floor
from typing import NamedTuple

from msgspec.structs import replace

from sdtrace import model
from sdtrace.errors import UsageError
from sdtrace.findings.text import time
from sdtrace.version import VERSION

_WORKLOAD = ("model", "steps", "batch", "height", "width")
"""Facts of a run that must agree for its speed to be compared."""


class _Cost(NamedTuple):
    """What a trace says about one way to run: a steady iteration, and what is paid once; microseconds."""

    steady_us: float
    overhead_us: float


def build_report(
    traces: Sequence[model.TraceReport], baseline: str | None = None, apart: Collection[str] = ()
) -> model.Report:
    """A report of all traces; with two or more steady ones, compared with `baseline` or the slowest.

    Names that occur twice are numbered. Traces whose names are `apart` are compared with nothing. Raises
    UsageError when `baseline` names no trace, or one of these.
    """
    named = unique_names(traces)
    if baseline is not None and baseline in apart:
        raise UsageError(f"{baseline!r} (--baseline) is a rank of a job, and no variant to compare with")
    return model.Report(
        schema=model.SCHEMA,
        version=VERSION,
        traces=named,
        comparison=_comparison(named, baseline, apart),
    )


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
    traces: Sequence[model.TraceReport], baseline: str | None, apart: Collection[str]
) -> model.Comparison | None:
    if baseline is not None and baseline not in (names := [trace.name for trace in traces]):
        raise UsageError(f"no trace is named {baseline!r} (--baseline); there are {', '.join(names)}")
    compared = [trace for trace in traces if trace.name not in apart]
    traces = _comparable(compared, baseline) if compared else []
    unprofiled = all(trace.unprofiled_wall_us is not None for trace in traces)
    costs = {trace.name: cost for trace in traces if (cost := _cost(trace, unprofiled)) is not None}
    if len(costs) < 2 or (baseline is not None and baseline not in costs):
        return None
    base = baseline or max(costs, key=lambda name: costs[name].steady_us)
    rows = [
        _amortized(name, cost, base, costs[base], unprofiled) for name, cost in costs.items() if name != base
    ]
    return model.Comparison(baseline=base, rows=sorted(rows, key=lambda row: row.steady_us))


def _comparable(traces: Sequence[model.TraceReport], baseline: str | None) -> list[model.TraceReport]:
    """The traces of one workload: the baseline's, else the one most traces share.

    Speeds of different models, sizes or devices say nothing about one another.
    """
    workloads = {trace.name: _workload(trace) for trace in traces}
    most, _ = Counter(workloads.values()).most_common(1)[0]
    wanted = workloads[baseline] if baseline is not None else most
    return [trace for trace in traces if workloads[trace.name] == wanted]


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


def _cost(trace: model.TraceReport, unprofiled: bool) -> _Cost | None:
    """Wall times without the profiler when all traces have them, else those with it."""
    steady = trace.unprofiled_wall_us if unprofiled else trace.steady.median_us if trace.steady else None
    if not steady:
        return None
    return _Cost(steady, trace.overhead.paid_us)


def _amortized(name: str, cost: _Cost, base_name: str, base: _Cost, unprofiled: bool) -> model.Amortization:
    saving = base.steady_us - cost.steady_us
    extra = max(0.0, cost.overhead_us - base.overhead_us)
    iterations = floor(extra / saving) + 1 if saving > 0 else None
    times = f"({time(base.steady_us * 1e3)} - {time(cost.steady_us * 1e3)})"
    how = "without the profiler" if unprofiled else "under the profiler"
    if iterations is None:
        mine, other = time(cost.steady_us * 1e3), time(base.steady_us * 1e3)
        arithmetic = f"Not faster than `{base_name}`: {mine} against {other} {how}"
    else:
        arithmetic = (
            f"{time(extra * 1e3)} more one-time cost / {times} saved each time = {extra / saving:.1f}: "
            f"ahead of `{base_name}` from iteration {iterations} on ({how})"
        )
    return model.Amortization(
        name=name,
        steady_us=cost.steady_us,
        overhead_us=cost.overhead_us,
        speedup=base.steady_us / cost.steady_us,
        saving_per_iteration_us=saving,
        break_even_iterations=iterations,
        arithmetic=arithmetic,
    )
