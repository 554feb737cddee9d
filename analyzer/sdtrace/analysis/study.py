"""One trace, studied: structure, phases, idle time and categories, each computed once."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Final

import numpy as np

from sdtrace.analysis.part import WHOLE, Part, Selection
from sdtrace.analysis.recorded_run import RecordedRun, recorded_run
from sdtrace.attribution.earlier_work import earlier_work
from sdtrace.attribution.linked_trace import LinkedTrace, attribute
from sdtrace.attribution.losses import Losses, find_losses, with_device_later
from sdtrace.attribution.op_table import OpRow, OpTimes, for_table, op_table
from sdtrace.breakdowns.iterations import IterationRow, StepRow, iteration_rows, lasting, step_rows
from sdtrace.breakdowns.kernels import Categorized, categorize_work
from sdtrace.breakdowns.phases import PhaseRow, phase_rows
from sdtrace.breakdowns.rules import Rules
from sdtrace.intervals import Bools, Int64s, Intervals, subtract, union
from sdtrace.model import noun_of
from sdtrace.phases.compile_stages import Stage, compile_stages
from sdtrace.phases.overhead_spans import find_overhead
from sdtrace.phases.phases import Phases, find_phases
from sdtrace.phases.timeline import COMPILE, OVERHEAD, PHASES, STEADY, WARMUP
from sdtrace.structure.run_structure import RunStructure, find_structure
from sdtrace.trace import Trace
from sdtrace.waiting.claims import DATA_WAIT
from sdtrace.waiting.idle import Idle, find_idle

_UNEVEN: Final = 0.1
"""Of the median: by so much the mean of the iterations exceeds it where they are uneven."""


@dataclass(frozen=True)
class Study:
    """A trace and what was found out about it."""

    linked: LinkedTrace
    structure: RunStructure
    phases: Phases
    idle: Idle
    categorized: Categorized
    iterations: list[IterationRow]
    held_ns: Int64s
    """Wall of each phase in each iteration: a row per iteration, a column per phase of `PHASES`."""
    labels: list[str]
    """The phase of each iteration: `steady`, or the overhead it holds most of."""
    run: RecordedRun

    losses: Losses
    """What the file lost, before its clocks were set right."""

    @property
    def trace(self) -> Trace:
        """The trace itself."""
        return self.linked.trace

    @property
    def noun(self) -> str:
        """What an iteration makes: an image when the trace shows a diffusion pipeline."""
        return noun_of(self.structure.components.names, (row.name for row in self.iterations))

    @property
    def holds_all_work(self) -> bool:
        """Whether the file holds the work of all launches, and the launches of all work."""
        lost = self.losses
        return not (self.trace.salvaged or lost.launches_without_work or lost.work_without_launch)

    @property
    def has_possible_times(self) -> bool:
        """Whether work lies at times that can be, after clocks were set right."""
        lost = self.losses
        is_apart = (lost.work_before_launch or lost.work_after_wait) and not lost.clock_shift_ns
        is_apart = is_apart and not lost.is_small(self.steady_wall_ns)
        return not (is_apart or lost.overlapping_work)

    @cached_property
    def steady(self) -> list[IterationRow]:
        """The steady iterations, without those that the profile cut off."""
        rows = zip(self.iterations, self.labels, strict=True)
        return [facts for facts, label in rows if label == STEADY and facts.is_whole]

    @cached_property
    def steady_spans(self) -> Intervals:
        """When the steady iterations ran, the work that they left queued included."""
        iterations, rows = self.structure.iterations, np.array([row.index for row in self.steady], np.int64)
        launches = self.structure.launches
        begun, done = lasting(self.linked, iterations.start_ns, iterations.end_ns, launches)
        return union(begun[rows], done[rows])

    @cached_property
    def steady_wall_ns(self) -> int | None:
        """What a steady iteration takes: the median, the mean where `is_uneven`; None without one."""
        walls = [facts.wall_ns for facts in self.steady]
        if not walls:
            return None
        return round(float(np.mean(walls) if self.is_uneven else np.median(walls)))

    @cached_property
    def is_uneven(self) -> bool:
        """Whether the mean says more of the iterations than the median: some wait long for data.

        A loader with several workers keeps one iteration of several waiting, for all of them.
        """
        walls = [facts.wall_ns for facts in self.steady]
        usual = float(np.median(walls)) if walls else 0.0
        excess = sum(walls) - usual * len(walls)
        if excess <= _UNEVEN * usual * len(walls):
            return False
        waited = self.idle.within(self.steady_spans)
        return 2 * sum(row.ns for row in waited.causes() if row.cause == DATA_WAIT) > excess

    @cached_property
    def usual_gpu_ns(self) -> float:
        """Median device work of the steady iterations; 0 when there are none."""
        return float(np.median([facts.gpu_ns for facts in self.steady])) if self.steady else 0.0

    @property
    def mean_gpu_ns(self) -> float:
        """Mean device work of the steady iterations; 0 when there are none."""
        return float(np.mean([facts.gpu_ns for facts in self.steady])) if self.steady else 0.0

    @cached_property
    def usual_launches(self) -> float:
        """Median number of launches of the steady iterations; 0 when there are none."""
        return float(np.median([facts.launches for facts in self.steady])) if self.steady else 0.0

    @cached_property
    def paid_once_ns(self) -> Mapping[str, int]:
        """Host wall of each kind of overhead; of warmup what exceeds as many steady iterations."""
        walls = self.phases.timeline.totals()
        usual = int(self.phases.is_warmup.sum()) * (self.steady_wall_ns or 0)
        return {phase: max(0, walls[phase] - (usual if phase == WARMUP else 0)) for phase in OVERHEAD}

    @cached_property
    def steady_work(self) -> Bools:
        """Which work was launched in a steady iteration; where there is none, in the steady phase."""
        if not self.steady:
            return self.phases.work_mask(STEADY)
        place = self.structure.iterations.at(self.structure.launches.called_ns)
        found: Bools = np.isin(place, [facts.index for facts in self.steady])
        return found & self.phases.work_mask(STEADY)

    @cached_property
    def steady_idle(self) -> Idle:
        """Idle time in the steady phase, before the first and after the last work of its iterations too.

        Without what work from before the profile may have taken.
        """
        idle = self.idle
        if idle.around is not None:
            idle = replace(idle, around=idle.around.within(self.steady_spans)).with_around()
        return idle.within(subtract(self.phases.timeline.of(STEADY), earlier_work(self.linked).spans))

    @cached_property
    def iteration_idle(self) -> Idle:
        """Idle time in the steady iterations; in the steady phase where there are none."""
        if not self.steady:
            return self.steady_idle
        return self.idle.with_around().within(subtract(self.steady_spans, earlier_work(self.linked).spans))

    @property
    def before_profile_ns(self) -> int:
        """What iterations before the profiler started took beyond as many steady ones."""
        before, steady = self.run.warmup_wall_ns, self.run.unprofiled_wall_ns or self.steady_wall_ns
        return max(0, sum(before) - len(before) * steady) if steady else 0

    @cached_property
    def compile_stages(self) -> list[Stage]:
        """What compilation spent its time on."""
        return compile_stages(self.trace, self.phases.spans.compile, self.phases.timeline.of(COMPILE))

    @property
    def empty_iterations(self) -> int:
        """Iterations without device work between ones that have some."""
        filled = [bool(row.gpu_events) for row in self.iterations]
        if not any(filled):
            return 0
        return filled[filled.index(True) : len(filled) - filled[::-1].index(True)].count(False)

    @cached_property
    def phase_rows(self) -> Mapping[str, PhaseRow]:
        """Host wall time and device work of each phase."""
        return phase_rows(self.linked, self.phases)

    @cached_property
    def steps(self) -> list[StepRow]:
        """Every denoising step."""
        structure = self.structure
        return step_rows(
            self.linked, structure.iterations, structure.steps, structure.launches, self.idle.devices
        )

    def for_table(self, op_times: OpTimes) -> LinkedTrace:
        """The events that are rows of the op table; kept, for a part of it is often asked for next."""
        if op_times not in self._for_table:
            self._for_table[op_times] = for_table(self.linked, op_times)
        return self._for_table[op_times]

    @cached_property
    def _for_table(self) -> dict[OpTimes, LinkedTrace]:
        return {}

    def select(self, part: Part) -> Selection:
        """A part of the study. Raises UsageError when the trace has no such part."""
        return Selection(self, part)

    def op_rows(self, op_times: OpTimes, part: Part = WHOLE) -> list[OpRow]:
        """The op table, of all or of a part."""
        linked, selection = self.for_table(op_times), self.select(part)
        host_mask = selection.host(linked.host.start_ns, linked.host.thread)
        return op_table(linked, op_times, host_mask=host_mask, work_mask=selection.work)


def study_trace(trace: Trace, rules: Rules) -> Study:
    """Find out everything about a trace that a report shows."""
    linked = attribute(trace)
    losses = find_losses(linked)
    if losses.clock_shift_ns:
        trace = with_device_later(trace, losses.clock_shift_ns)
        linked = attribute(trace)
    spans = find_overhead(trace)
    structure = find_structure(linked, spans.anywhere(trace))
    phases = find_phases(linked, spans, structure.iterations, structure.steps)
    idle = find_idle(linked, structure.launches, phases.timeline, structure.iterations)
    facts = iteration_rows(linked, structure.iterations, structure.steps, structure.launches, idle.devices)
    held_ns = phases.timeline.by_span(structure.iterations.start_ns, structure.iterations.end_ns)
    labels = [
        STEADY if is_steady else _label(held)
        for held, is_steady in zip(held_ns.tolist(), phases.is_steady.tolist(), strict=True)
    ]
    run = recorded_run(trace.run)
    if structure.iterations.confidence == "guess":
        # Recorded times are of images, and what was found may be something else.
        run = run._replace(unprofiled_walls_ns=[])
    return Study(
        linked, structure, phases, idle, categorize_work(linked, rules), facts, held_ns, labels, run, losses
    )


def _label(held_ns: Sequence[int]) -> str:
    """What an iteration holds most of, of all overhead."""
    held = dict(zip(PHASES, held_ns, strict=True))
    return max((WARMUP, *OVERHEAD), key=lambda phase: held[phase])
