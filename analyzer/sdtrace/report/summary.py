"""What a reader wants to know first, computed once for every report that shows it."""

from __future__ import annotations

from typing import Final, NamedTuple

from sdtrace import units
from sdtrace.model import Finding, Overhead, Steady, TraceReport


class Figure(NamedTuple):
    """One of the headline numbers: what it is, its value, and what to read it against."""

    label: str
    value: str
    detail: str
    help: str
    """What the label means."""


_STEADY: Final = "After all one-time work: what every further one costs."
_ONCE: Final = "Compile, autotune, capture, and warmup beyond a steady one: not paid again with the next."
_BUSY: Final = "The part of the time in which at least one kernel, copy or fill ran on the GPU."
_WALL: Final = "From the first event to the last; recording slows the CPU."


def device_times(trace: TraceReport) -> str:
    """What the device did, in one line."""
    gpu = trace.gpu
    times = {"busy": gpu.busy_us, "idle": gpu.idle_us, "kernels": gpu.kernel_us}
    times |= {"copies": gpu.memcpy_us, "fills": gpu.memset_us}
    parts = [f"{name} {units.duration(us)}" for name, us in times.items()]
    return ", ".join([*parts, f"{units.count(gpu.launches)} launches"])


def busy_pct(trace: TraceReport) -> float | None:
    """Device busy time in percent of the span from the first to the last device event."""
    span = trace.gpu.busy_us + trace.gpu.idle_us
    return 100 * trace.gpu.busy_us / span if trace.has_device and span else None


def steady_busy_pct(trace: TraceReport) -> float | None:
    """Device busy time in percent of the wall time of the steady iterations."""
    steady = [row for row in trace.iterations if row.phase == "steady" and row.is_whole]
    wall = sum(row.wall_us for row in steady)
    return 100 * sum(row.gpu_busy_us for row in steady) / wall if trace.has_device and wall else None


def steady_details(trace: TraceReport) -> list[str]:
    """What the steady figure must be read against: its spread, and the cost of profiling."""
    spread = [] if trace.steady is None else [f"steady: {_spread(trace.steady, trace.noun)}"]
    return [*spread, *_unprofiled(trace)]


def figures(trace: TraceReport) -> list[Figure]:
    """The four numbers that come before everything else."""
    return [_steady_figure(trace), _overhead_figure(trace), _busy_figure(trace), _wall_figure(trace)]


def headline(trace: TraceReport) -> str:
    """The trace in a few sentences: how long it took, what was a one-time cost, what is steady."""
    made = (
        f"{units.counted(len(trace.iterations), trace.noun)}{_doubt(trace)} in " if trace.iterations else ""
    )
    sentences = [f"{made}{units.duration(trace.wall_us)} (with the profiler)."]
    if parts := _one_time_parts(trace):
        total = units.duration(trace.overhead.total_us)
        sentences.append(f"One-time cost {total}: {', '.join(parts)}.")
    if trace.overhead.before_profile_us:
        before = units.duration(trace.overhead.before_profile_us)
        sentences.append(f"One-time cost before the profiler started: {before}.")
    return " ".join([*sentences, *_steady_sentence(trace)])


def _doubt(trace: TraceReport) -> str:
    """How far the number of iterations is to be trusted, where it is not certain."""
    structure = trace.structure
    return "" if structure is None or structure.confidence == "certain" else f" ({structure.confidence})"


def saving(finding: Finding) -> str:
    """What a finding brings: `211 ms → 76.8 ms (68.4 ms to 85.7 ms)`, `saves 12.0 ms`, or ''."""
    if finding.saving is None:
        return "" if finding.saving_us is None else f"saves {units.duration(finding.saving_us)}"
    parts = finding.saving
    low, high = units.duration(parts.low_us), units.duration(parts.high_us)
    return f"{units.duration(parts.from_us)} → {units.duration(parts.to_us)} ({low} to {high})"


def brings(finding: Finding) -> str:
    """As `saving`, without the range."""
    if finding.saving is None:
        return saving(finding)
    return f"{units.duration(finding.saving.from_us)} → {units.duration(finding.saving.to_us)}"


def verdict(trace: TraceReport) -> str:
    """The verdict with how sure it is; '' where there is none."""
    if trace.verdict is None:
        return ""
    sure = "" if trace.verdict.confidence == "certain" else f" ({trace.verdict.confidence})"
    return f"{trace.verdict.text}{sure}"


def caveats(trace: TraceReport, *, with_selection: bool = True) -> list[str]:
    """What must be known before any number is believed; and, if asked for, that tables are of one phase."""
    events = trace.events
    remarks = []
    if events.salvaged:
        remarks.append(
            "The file ends in the middle. It was read up to its last whole event; what came after is lost."
        )
    if events.skipped:
        remarks.append(
            f"{units.counted(events.skipped, 'event')} could not be decoded. They are in no table and no sum."
        )
    if events.quarantined:
        events_there = units.counted(events.quarantined, "event")
        remarks.append(f"{events_there} with an impossible duration are in no table and no sum.")
    return [*remarks, *(_selection(trace) if with_selection else [])]


def _selection(trace: TraceReport) -> list[str]:
    """That the tables show one phase, where they do."""
    if trace.selected_phase is None:
        return []
    limited = "Ops, kernels, categories, components and idle time are limited to the phase"
    remarks = [f"{limited} “{trace.selected_phase}”."]
    if all(row.phase != trace.selected_phase for row in trace.phases):
        there = ", ".join(row.phase for row in trace.phases)
        remarks.append(f"Nothing is in that phase; this trace has {there or 'none'}.")
    return remarks


def _steady_figure(trace: TraceReport) -> Figure:
    """How long it takes without the profiler, where that is known: the number that the verdict gives too."""
    label = f"One steady {trace.noun}"
    steady = trace.steady
    if steady is None:
        why = "every one includes a one-time cost" if trace.iterations else "no iterations were found"
        return Figure(label, units.MISSING, "; ".join([why, *_unprofiled(trace)]), _STEADY)
    profiled = f"{units.duration(steady.median_us)} with the profiler ({_spread(steady, trace.noun)})"
    if trace.unprofiled_wall_us is not None:
        return Figure(
            f"{label}, without the profiler", units.duration(trace.unprofiled_wall_us), profiled, _STEADY
        )
    if trace.unprofiled is not None:
        value = f"about {units.duration(trace.unprofiled.mid_us)}"
        return Figure(f"{label}, without the profiler", value, f"an estimate; {profiled}", _STEADY)
    spread = _spread(steady, trace.noun)
    return Figure(f"{label}, with the profiler", units.duration(steady.median_us), spread, _STEADY)


def _spread(steady: Steady, noun: str) -> str:
    if steady.iterations == 1:
        return f"one steady {noun}"
    spread = f"{units.duration(steady.min_us)} to {units.duration(steady.max_us)}"
    return f"median of {units.count(steady.iterations)}, {spread}"


def _unprofiled(trace: TraceReport) -> list[str]:
    us = trace.unprofiled_wall_us
    if us is not None:
        return [f"{units.duration(us)} without the profiler"]
    bare = trace.unprofiled
    return [] if bare is None else [f"about {units.duration(bare.mid_us)} without the profiler (estimated)"]


def _overhead_figure(trace: TraceReport) -> Figure:
    parts = _one_time_parts(trace)
    if trace.overhead.before_profile_us:
        parts.append(f"{units.duration(trace.overhead.before_profile_us)} before the profiler started")
    detail = ", ".join(parts) or "nothing compiled, tuned or warmed up"
    return Figure("One-time cost", units.duration(trace.overhead.paid_us), detail, _ONCE)


def _one_time_parts(trace: TraceReport) -> list[str]:
    paid: Overhead = trace.overhead
    parts = {"compile": paid.compile_us, "autotune": paid.autotune_us, "capture": paid.capture_us}
    parts[f"warmup beyond a steady {trace.noun}"] = paid.warmup_us
    return [f"{name} {units.duration(us)}" for name, us in parts.items() if us > 0]


def _steady_sentence(trace: TraceReport) -> list[str]:
    if trace.steady is None:
        return [f"No steady {trace.noun} to measure."] if trace.iterations else []
    busy = steady_busy_pct(trace)
    sentence = f"A steady {trace.noun} takes {units.duration(trace.steady.median_us)}"
    return [f"{sentence}." if busy is None else f"{sentence}; the GPU is busy {units.share(busy)} of it."]


def _busy_figure(trace: TraceReport) -> Figure:
    overall, steady = busy_pct(trace), steady_busy_pct(trace)
    if overall is None:
        return Figure("GPU busy", units.MISSING, "the trace holds no GPU work", _BUSY)
    if steady is None:
        detail = "of the time from the first to the last GPU event"
        return Figure("GPU busy", units.share(overall), detail, _BUSY)
    detail = f"{units.share(overall)} over the whole trace"
    return Figure("GPU busy in steady state", units.share(steady), f"with the profiler; {detail}", _BUSY)


def _wall_figure(trace: TraceReport) -> Figure:
    found = f"{units.counted(len(trace.iterations), trace.noun)}, " if trace.iterations else ""
    detail = f"with the profiler; {found}{units.counted(trace.events.total, 'event')}"
    return Figure("Wall time", units.duration(trace.wall_us), detail, _WALL)
