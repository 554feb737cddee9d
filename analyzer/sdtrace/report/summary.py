"""What a reader wants to know first, computed once for every report that shows it."""

from __future__ import annotations

from typing import NamedTuple

from sdtrace.analysis.comparison import differences
from sdtrace.model import Amortization, Comparison, Kernel, Op, Overhead, Report, Steady, TraceReport
from sdtrace.report import units
from sdtrace.report.torch_table import is_range, is_work

UNCOVERED = "outside every phase"
"""The part of the profiled wall that no phase covers."""

_IMAGE_PARTS = {"unet", "transformer", "vae"}
_SIGNIFICANT_PCT = 0.05
"""Below this share of the wall, what no phase covers is rounding and not worth a line."""


class Share(NamedTuple):
    """A phase and its share of the profiled wall."""

    name: str
    wall_us: float
    pct: float
    gpu_us: float
    gpu_events: int


class Figure(NamedTuple):
    """One of the headline numbers: what it is, its value, and what to read it against."""

    label: str
    value: str
    detail: str


class Standing(NamedTuple):
    """One trace among several."""

    trace: TraceReport
    is_baseline: bool
    speedup: float | None
    """How many times faster a steady iteration is than the baseline's; None when it cannot be told."""
    saving_us: float | None
    """Time saved by every iteration against the baseline; negative when it is slower."""
    break_even: str
    arithmetic: str


def noun(trace: TraceReport) -> str:
    """What one iteration makes: an image when the trace shows a diffusion pipeline."""
    diffusion = any(row.component in _IMAGE_PARTS for row in trace.components)
    named = any(row.name == "model_inference" for row in trace.iterations)
    return "image" if diffusion or named else "iteration"


def counted(number: int, word: str) -> str:
    """`1 image`, `3 images`."""
    return f"{units.count(number)} {word}{'' if number == 1 else 's'}"


def phase_shares(trace: TraceReport) -> list[Share]:
    """Every phase that took any time, in the model's order, then what none of them covers."""
    covered = sum(row.wall_us for row in trace.phases)
    whole = max(trace.wall_us, covered)
    shares = [
        Share(row.phase, row.wall_us, 100 * row.wall_us / whole, row.gpu_us, row.gpu_events)
        for row in trace.phases
        if row.wall_us > 0 or row.gpu_us > 0
    ]
    rest = whole - covered
    if whole and 100 * rest / whole >= _SIGNIFICANT_PCT and shares:
        shares.append(Share(UNCOVERED, rest, 100 * rest / whole, 0.0, 0))
    return shares


def has_device(trace: TraceReport) -> bool:
    """Whether the trace holds any device work, in the selected phase or another."""
    return any(row.gpu_events for row in trace.phases)


def device_times(trace: TraceReport) -> str:
    """What the device did, in one line."""
    gpu = trace.gpu
    times = {"busy": gpu.busy_us, "idle": gpu.idle_us, "kernels": gpu.kernel_us}
    times |= {"copies": gpu.memcpy_us, "fills": gpu.memset_us}
    told = [f"{name} {units.duration(us)}" for name, us in times.items()]
    return ", ".join([*told, f"{units.count(gpu.launches)} launches"])


def busy_pct(trace: TraceReport) -> float | None:
    """Device busy time in percent of the span from the first to the last device event."""
    span = trace.gpu.busy_us + trace.gpu.idle_us
    return 100 * trace.gpu.busy_us / span if has_device(trace) and span else None


def steady_busy_pct(trace: TraceReport) -> float | None:
    """Device busy time in percent of the wall time of the steady iterations."""
    steady = [row for row in trace.iterations if row.phase == "steady"]
    wall = sum(row.wall_us for row in steady)
    return 100 * sum(row.gpu_busy_us for row in steady) / wall if has_device(trace) and wall else None


def steady_details(trace: TraceReport) -> list[str]:
    """What the steady figure must be read against: its spread, and the cost of profiling."""
    spread = [] if trace.steady is None else [f"steady: {_spread(trace.steady)}"]
    return [*spread, *_unprofiled(trace)]


def figures(trace: TraceReport) -> list[Figure]:
    """The four numbers that come before everything else."""
    return [_steady_figure(trace), _overhead_figure(trace), _busy_figure(trace), _wall_figure(trace)]


def headline(trace: TraceReport) -> str:
    """The trace in one or two sentences: what was paid once, what is steady."""
    made = f"{counted(len(trace.iterations), noun(trace))} in " if trace.iterations else ""
    paid = _paid_parts(trace.overhead)
    told = f"{made}{units.duration(trace.wall_us)} of profiled wall"
    if paid:
        told += f", {units.duration(trace.overhead.total_us)} of it paid once: {', '.join(paid)}"
    if trace.overhead.before_profile_us:
        told += f"; {units.duration(trace.overhead.before_profile_us)} was paid once before it"
    return f"{told}. {_steady_sentence(trace)}".rstrip()


def caveats(trace: TraceReport) -> list[str]:
    """What must be known before any number is believed."""
    events = trace.events
    remarks = []
    if events.salvaged:
        remarks.append(
            "The file ends in the middle. It was read up to its last whole event; what came after is lost."
        )
    if events.skipped:
        remarks.append(f"{counted(events.skipped, 'event')} could not be decoded and count nowhere.")
    if events.quarantined:
        remarks.append(f"{counted(events.quarantined, 'event')} with an impossible duration count nowhere.")
    if trace.selected_phase is not None:
        remarks.append(
            f"Ops, kernels, categories, components and idle time are limited to the phase "
            f"“{trace.selected_phase}”."
        )
        if all(row.phase != trace.selected_phase for row in trace.phases):
            there = ", ".join(row.phase for row in trace.phases)
            remarks.append(f"Nothing is in that phase; this trace has {there or 'none'}.")
    return remarks


def listed_ops(trace: TraceReport) -> list[Op]:
    """Ops with most self device time first, then self CPU time; ranges, which are no work, last.

    Device rows that the kernel table has are left out, so that no time is listed twice.
    """
    kernels = {kernel.name for kernel in trace.kernels}
    ops = [op for op in trace.ops if not (is_work(op) and op.name in kernels)]
    return sorted(ops, key=lambda op: (is_range(op), -op.self_device_us, -op.self_cpu_us))


def listed_kernels(trace: TraceReport) -> list[Kernel]:
    """Kernels with most device time first."""
    return sorted(trace.kernels, key=lambda kernel: -kernel.total_us)


def standings(report: Report) -> list[Standing]:
    """Every trace of a report against the baseline, in the report's order; [] for a single trace."""
    if len(report.traces) < 2:
        return []
    compared = report.comparison or Comparison(baseline="", rows=[])
    rows = {row.name: row for row in compared.rows if row.name != compared.baseline}
    base = next((trace for trace in report.traces if trace.name == compared.baseline), None)
    return [_standing(trace, base, rows.get(trace.name)) for trace in report.traces]


def _standing(trace: TraceReport, base: TraceReport | None, row: Amortization | None) -> Standing:
    if row is None:
        is_baseline = trace is base
        why = "" if is_baseline else _uncompared(trace, base)
        return Standing(trace, is_baseline, 1.0 if is_baseline else None, None, "", why)
    after = row.break_even_iterations
    if after is None:
        pays = "never: not faster"
    else:
        pays = f"after {counted(after, noun(trace))}" if after > 0 else "at once"
    return Standing(trace, False, row.speedup, row.saving_per_iteration_us, pays, row.arithmetic)


def _uncompared(trace: TraceReport, base: TraceReport | None) -> str:
    """Why a trace has no speed against the baseline."""
    if trace.steady is None and trace.unprofiled_wall_us is None:
        return f"Not compared: it has no steady {noun(trace)}."
    if base is None:
        return "Not compared: each trace is of another model, size, number of steps, batch or device."
    why = differences(trace, base) or [f"it has no steady {noun(trace)} under the profiler"]
    return f"Not compared with `{base.name}`: {'; '.join(why)}."


def _steady_figure(trace: TraceReport) -> Figure:
    label = f"One steady {noun(trace)}"
    steady = trace.steady
    if steady is None:
        why = "every one paid for something once" if trace.iterations else "no iterations were found"
        return Figure(label, units.MISSING, "; ".join([why, *_unprofiled(trace)]))
    return Figure(label, units.duration(steady.median_us), "; ".join([_spread(steady), *_unprofiled(trace)]))


def _spread(steady: Steady) -> str:
    if steady.iterations == 1:
        return "the only one"
    spread = f"{units.duration(steady.min_us)} to {units.duration(steady.max_us)}"
    return f"median of {units.count(steady.iterations)}, {spread}"


def _unprofiled(trace: TraceReport) -> list[str]:
    us = trace.unprofiled_wall_us
    return [] if us is None else [f"{units.duration(us)} without the profiler"]


def _overhead_figure(trace: TraceReport) -> Figure:
    paid = trace.overhead
    parts = _paid_parts(paid)
    if paid.before_profile_us:
        parts.append(f"{units.duration(paid.before_profile_us)} before the profiler started")
    return Figure(
        "Paid once", units.duration(paid.paid_us), ", ".join(parts) or "nothing compiled, tuned or warmed up"
    )


def _paid_parts(paid: Overhead) -> list[str]:
    parts = {"compile": paid.compile_us, "autotune": paid.autotune_us}
    parts |= {"capture": paid.capture_us, "extra warmup": paid.warmup_us}
    return [f"{name} {units.duration(us)}" for name, us in parts.items() if us > 0]


def _steady_sentence(trace: TraceReport) -> str:
    if trace.steady is None:
        return f"No steady {noun(trace)} to measure." if trace.iterations else ""
    busy = steady_busy_pct(trace)
    told = f"A steady {noun(trace)} takes {units.duration(trace.steady.median_us)}"
    return f"{told}, the GPU busy for {units.share(busy)} of it." if busy is not None else f"{told}."


def _busy_figure(trace: TraceReport) -> Figure:
    overall, steady = busy_pct(trace), steady_busy_pct(trace)
    if overall is None:
        return Figure("GPU busy", units.MISSING, "the trace holds no device work")
    if steady is None:
        return Figure("GPU busy", units.share(overall), "of the time from the first to the last device event")
    return Figure(
        "GPU busy in steady state", units.share(steady), f"{units.share(overall)} over the whole trace"
    )


def _wall_figure(trace: TraceReport) -> Figure:
    found = f"{counted(len(trace.iterations), noun(trace))}, " if trace.iterations else ""
    return Figure(
        "Profiled wall", units.duration(trace.wall_us), f"{found}{counted(trace.events.total, 'event')}"
    )


def feeding(trace: TraceReport) -> str:
    """How well the host kept the GPU fed, in two sentences; empty where nothing was launched."""
    queue = trace.queue
    if queue is None:
        return ""
    empty = units.percent(queue.found_empty, queue.launches)
    return (
        f"{empty} of {units.count(queue.launches)} launches found the GPU's queue empty; half of the work "
        f"began within {units.duration(queue.delay_median_us)} of its launch. "
        f"{units.count(queue.short_kernels)} of {units.count(queue.kernels)} kernels took under 5 µs, "
        f"{units.duration(queue.short_us)} in all."
    )
