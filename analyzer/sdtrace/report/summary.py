"""What a reader wants to know first, computed once for every report that shows it."""

from __future__ import annotations

from typing import Final, NamedTuple

from sdtrace import units
from sdtrace.analysis.image_time import gpu_works_us, image_time
from sdtrace.analysis.promise import before_and_after, likely_range, promised
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
_AFTER: Final = "A steady one without the profiler, once the first thing is fixed: an estimate."
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


def as_profiled(trace: TraceReport) -> str:
    """What an iteration takes with the profiler, as in tables and pictures; '' where none is steady."""
    if trace.steady is None:
        return ""
    told = f"A steady {trace.noun} takes {units.duration(trace.steady.usual_us)} with the profiler"
    if trace.steady.iterations > 1:
        told = f"{told} ({_spread(trace.steady, trace.noun)})"
    return f"{told}."


def figures(trace: TraceReport) -> list[Figure]:
    """The four numbers that come before everything else; without the profiler where that is known."""
    return [_steady_figure(trace), _busy_figure(trace), _overhead_figure(trace), _last_figure(trace)]


def headline(trace: TraceReport) -> str:
    """The whole trace in a few sentences, all of it as profiled."""
    made = (
        f"{units.counted(len(trace.iterations), trace.noun)}{_doubt(trace)} in " if trace.iterations else ""
    )
    sentences = [f"As profiled: {made}{units.duration(trace.wall_us)}."]
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
    """What a finding brings: `227 ms → 80.4 ms (67.5 to 90.5 ms)`, `saves 12.0 ms`, or ''.

    Times are of an iteration without the profiler.
    """
    if finding.saving is None:
        return "" if finding.saving_us is None else f"saves {units.duration(finding.saving_us)}"
    return promised(finding.saving)


def brings(finding: Finding) -> str:
    """As `saving`, without the range."""
    return saving(finding) if finding.saving is None else before_and_after(finding.saving)


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
    """How long it takes: the number that the verdict gives too."""
    label = f"One steady {trace.noun}"
    whole = image_time(trace)
    if whole is None:
        why = "every one includes a one-time cost" if trace.iterations else f"no {trace.noun}s were found"
        return Figure(label, units.MISSING, why, _STEADY)
    if whole.how == "as profiled":
        detail = "" if trace.steady is None else _spread(trace.steady, trace.noun)
        return Figure(f"{label}, with the profiler", whole.told, detail, _STEADY)
    detail = ", ".join(part for part in (whole.how, whole.ends) if part)
    return Figure(f"{label}, without the profiler", whole.told, detail, _STEADY)


def _spread(steady: Steady, noun: str) -> str:
    if steady.iterations == 1:
        return f"one steady {noun}"
    return f"median of {units.count(steady.iterations)}, {units.span(steady.min_us, steady.max_us)}"


def _overhead_figure(trace: TraceReport) -> Figure:
    parts = _one_time_parts(trace)
    if trace.overhead.before_profile_us:
        parts.append(f"{units.duration(trace.overhead.before_profile_us)} before the profiler started")
    detail = f"as profiled: {', '.join(parts)}" if parts else "nothing compiled, tuned or warmed up"
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
    sentence = as_profiled(trace)
    return [sentence if busy is None else f"{sentence} The GPU is busy {units.share(busy)} of it."]


def _busy_figure(trace: TraceReport) -> Figure:
    """The GPU's share of the time of the first figure."""
    works, whole, overall = gpu_works_us(trace), image_time(trace), busy_pct(trace)
    if overall is None:
        return Figure("GPU busy", units.MISSING, "the trace holds no GPU work", _BUSY)
    if works is None or whole is None:
        detail = "as profiled, from the first to the last GPU event"
        return Figure("GPU busy", units.share(overall), detail, _BUSY)
    how = ", with the profiler" if whole.how == "as profiled" else ""
    detail = f"{units.duration(works)} of {units.duration(whole.us)}{how}"
    return Figure(f"GPU busy in that {trace.noun}", units.percent(works, whole.us), detail, _BUSY)


def _last_figure(trace: TraceReport) -> Figure:
    """What the first fix brings; where nothing is promised, how long the whole trace is."""
    first = trace.verdict.first if trace.verdict else ""
    found = next((row.saving for row in trace.findings if row.id == first and row.saving), None)
    if found is not None and found.to_us:
        speed = f"{units.factor(found.from_us / found.to_us)} as fast"
        value = f"about {units.duration(found.to_us)}"
        return Figure(
            f"That {trace.noun} after the first fix", value, f"{speed}; {likely_range(found)}", _AFTER
        )
    made = f"{units.counted(len(trace.iterations), trace.noun)}, " if trace.iterations else ""
    detail = f"as profiled; {made}{units.counted(trace.events.total, 'event')}"
    return Figure("Whole trace", units.duration(trace.wall_us), detail, _WALL)
