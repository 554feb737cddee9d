"""Phases of a trace: of every host instant, and of device work by the instant of its launch."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final, Protocol

import numpy as np
from numpy.typing import NDArray

from sdtrace.attribution.host import OP_CATEGORIES
from sdtrace.attribution.launches import launch_times
from sdtrace.attribution.linked_trace import LinkedTrace
from sdtrace.intervals import (
    Bools,
    Int64s,
    Intervals,
    covered,
    join,
    nothing,
    subtract,
    total,
    union,
)
from sdtrace.phases.autotune_pattern import is_used_later, unmarked_autotune
from sdtrace.phases.convolution_search import convolution_searches
from sdtrace.phases.first_calls import FirstCalls, find_first_calls
from sdtrace.phases.loading import loading
from sdtrace.phases.overhead_spans import OverheadSpans
from sdtrace.phases.recompiles import Recompile, find_recompiles
from sdtrace.phases.silence import stalls
from sdtrace.phases.timeline import PHASES, WARMUP, ThreadPhases, Timeline, build_timeline
from sdtrace.reader.categories import DEVICE, HOST
from sdtrace.structure.iterations import Iterations
from sdtrace.structure.steps import Steps
from sdtrace.trace import Trace

Codes = NDArray[np.int8]
_FIRST_CALLS_MATTER: Final = 0.1
"""Share of an iteration that its first calls must take for all of it to count as warmup."""
_CLEAN_RUN: Final = 2
"""Iterations in a row without overhead after which the start is over."""


@dataclass(frozen=True)
class Phases:
    """Phases of host instants (`timeline`), of device work and of iterations.

    `work_code` (int8, one per piece of `LinkedTrace.work`) indexes `PHASES`. `by_thread` has the phases of
    threads that launch work: what one launches while another compiles is not compile. `is_warmup` tells
    the iterations that hold or precede overhead, none where all hold some; `is_steady` those that are
    free of it, in which first calls, being no tenth of them, do not count.
    """

    timeline: Timeline
    by_thread: ThreadPhases
    work_code: Codes
    is_warmup: Bools
    is_steady: Bools
    spans: OverheadSpans
    first_calls: FirstCalls
    autotune_by_pattern: bool
    """Autotune was recognized by the pattern of its kernels, because the trace has no spans of it."""
    recompiles: list[Recompile]
    searches: Int64s
    """Host events (indices): convolutions that try algorithms, which is autotune as well."""

    def work_mask(self, phase: str) -> Bools:
        """Which pieces of device work were launched in `phase`."""
        return np.equal(self.work_code, PHASES.index(phase))

    def host_mask(self, start_ns: Int64s, thread: NDArray[np.integer[Any]], phase: str) -> Bools:
        """Which host events, by start and thread, began in `phase`."""
        return np.equal(self.by_thread.at(start_ns, thread), PHASES.index(phase))


def find_phases(linked: LinkedTrace, spans: OverheadSpans, iterations: Iterations, steps: Steps) -> Phases:
    """Split the wall and the device work of a trace into phases (see docs/phases.md).

    Where no iteration is free of overhead, or there is only one, its denoising steps tell warmup from
    steady state instead.
    """
    trace = linked.trace
    capture, autotune, compiling = spans.of_all(trace)
    searches = convolution_searches(linked)
    started = linked.host.start_ns[searches]
    tried = union(started, started + linked.host.dur_ns[searches])
    known = join(capture, autotune, compiling, tried)
    by_pattern = _paid_once(linked, unmarked_autotune(linked, known), iterations)
    unmarked = join(by_pattern, tried)
    autotune = join(autotune, unmarked)
    overhead = join(capture, autotune, compiling)
    first_calls = find_first_calls(linked, overhead, _end_of_first(iterations))
    slow = join(first_calls.spans(linked.host), loading(linked))
    is_warmup, holds = _warmup(iterations, overhead, slow), _holding(iterations, overhead, slow)
    is_steady = ~(is_warmup | holds)
    slow = subtract(slow, union(iterations.start_ns[is_steady], iterations.end_ns[is_steady]))
    units: _Spans = iterations if is_warmup.any() or not holds.any() else steps
    warmup = join(slow, _until_last(units, _warmup(units, overhead, slow)))
    start, end = wall(trace)
    stall = stalls(linked)

    timeline = build_timeline(start, end, [capture, autotune, compiling, warmup, stall])
    by_thread = ThreadPhases(
        timeline,
        spans.by_thread(trace),
        _has_own_phases(linked),
        (nothing(), unmarked, nothing(), warmup, stall),
    )
    return Phases(
        timeline=timeline,
        by_thread=by_thread,
        work_code=_work_codes(linked, by_thread),
        is_warmup=is_warmup,
        is_steady=is_steady,
        spans=spans,
        first_calls=first_calls,
        autotune_by_pattern=total(by_pattern) > 0,
        recompiles=find_recompiles(trace, compiling, iterations),
        searches=searches,
    )


def wall(trace: Trace) -> tuple[int, int]:
    """From the first event's start to the last event's end, of host and device, in nanoseconds.

    A part of a trace lasts as long as the events it was taken from.
    """
    known = trace.in_categories(HOST | DEVICE)
    if not known.any():
        return 0, 1
    first = trace.start_ns.min(where=known, initial=np.iinfo(np.int64).max)
    return trace.lasting(int(first), int(trace.end_ns.max(where=known, initial=0)))


def _paid_once(linked: LinkedTrace, pattern: Intervals, iterations: Iterations) -> Intervals:
    """What looks like autotune; nothing where it is what is measured.

    That is so when each of several iterations has it. Where nothing marks iterations, those that were
    found may be rounds of a benchmark: then, and where there is only one, it is autotune if a kernel that
    was tried is used later.
    """
    held = covered(pattern, iterations.start_ns, iterations.end_ns)
    if len(held) > 1 and not np.all(held > 0):
        return pattern
    are_rounds = iterations.confidence == "guess" and 2 * held.sum() >= int(
        (iterations.end_ns - iterations.start_ns).sum()
    )
    may_be = len(held) == 1 or are_rounds
    return pattern if may_be and is_used_later(linked, pattern) else nothing()


def _has_own_phases(linked: LinkedTrace) -> Bools:
    """Which threads launch work and run ops; some tracers give runtime calls threads of their own."""
    trace, launch = linked.trace, linked.work.launch
    launches, runs_ops = np.zeros((2, len(trace.threads)), np.bool_)
    launches[trace.thread[launch[launch >= 0]]] = True
    runs_ops[trace.thread[trace.in_categories(OP_CATEGORIES)]] = True
    both: Bools = launches & runs_ops
    return both


def _work_codes(linked: LinkedTrace, by_thread: ThreadPhases) -> Codes:
    """Device work has the phase its launching thread was in, or any thread when that one runs no ops.

    Without a launch it has the phase of the latest instant at which it can have been launched; what was
    launched before the profile is warmup.
    """
    trace, work = linked.trace, linked.work
    is_known = work.launch >= 0
    launched = np.flatnonzero(is_known)
    instant, thread = trace.start_ns[work.row], np.full(len(work.row), -1, np.int64)
    instant[launched] = trace.start_ns[work.launch[launched]]
    thread[launched] = trace.thread[work.launch[launched]]
    if not is_known.all():
        instant = np.where(is_known, instant, launch_times(linked).called_ns)
    codes = by_thread.at(instant, thread)
    codes[instant < 0] = PHASES.index(WARMUP)
    return codes


def _end_of_first(iterations: Iterations) -> int:
    """First calls are looked for in the first iteration; anywhere when there is no second one."""
    if len(iterations.start_ns) > 1:
        return int(iterations.end_ns[0])
    return int(np.iinfo(np.int64).max)


class _Spans(Protocol):
    """Iterations or steps: disjoint spans in order."""

    @property
    def start_ns(self) -> Int64s: ...

    @property
    def end_ns(self) -> Int64s: ...


def _holding(units: _Spans, overhead: Intervals, first_calls: Intervals) -> Bools:
    """Which spans hold overhead, or first calls worth a tenth of them."""
    start, end = units.start_ns, units.end_ns
    slow = covered(first_calls, start, end) > _FIRST_CALLS_MATTER * (end - start)
    return np.logical_or(slow, covered(overhead, start, end) > 0)


def _warmup(units: _Spans, overhead: Intervals, first_calls: Intervals) -> Bools:
    """Spans with overhead in them, and those before one unless two clean ones lie between.

    None where all hold overhead: then nothing is left to call steady.
    """
    holds = _holding(units, overhead, first_calls)
    if holds.all():
        return np.zeros(len(holds), np.bool_)
    marked = np.flatnonzero(holds)
    result = holds.copy()
    previous = -1
    for index in marked.tolist():
        if index - previous - 1 >= _CLEAN_RUN:
            break
        result[: index + 1] = True
        previous = index
    return result


def _until_last(units: _Spans, is_warmup: Bools) -> Intervals:
    """The time of the warmup spans; what lies before and between the first ones goes with them."""
    marked = np.flatnonzero(is_warmup)
    if not marked.size:
        return nothing()
    spans = union(units.start_ns[marked], units.end_ns[marked])
    leading = marked[marked == np.arange(len(marked))]
    if not leading.size:
        return spans
    return join(spans, Intervals(np.array([0], np.int64), units.end_ns[leading[-1:]]))
