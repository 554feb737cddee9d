"""The structure of a run: iterations, the denoising steps in them, the components that ran."""

from __future__ import annotations

from dataclasses import dataclass

from sdtrace.attribution.event_selection import busiest_thread
from sdtrace.attribution.launches import LaunchTimes, launch_times
from sdtrace.attribution.linked_trace import LinkedTrace
from sdtrace.intervals import Intervals
from sdtrace.structure.candidates import op_sequence
from sdtrace.structure.component_guess import guess_components
from sdtrace.structure.components import (
    Components,
    find_blocks,
    find_marked_components,
)
from sdtrace.structure.iterations import Iterations
from sdtrace.structure.judge import find_iterations
from sdtrace.structure.marks import recorded_iterations
from sdtrace.structure.noise_runs import as_one_run, noised_calls
from sdtrace.structure.of_whole import iterations_of_whole
from sdtrace.structure.steps import Steps, find_steps
from sdtrace.structure.time_steps import timed_calls
from sdtrace.structure.work import work_asked_for


@dataclass(frozen=True)
class RunStructure:
    """What ran, again and again; each part says how it was found."""

    launches: LaunchTimes
    iterations: Iterations
    steps: Steps
    components: Components
    blocks: Components
    """Parts of UNet calls, named `unet.down_blocks` and so on; often none."""

    @property
    def notes(self) -> list[str]:
        """How it was found, a sentence or two each."""
        parts = (self.iterations, self.steps, self.components, self.blocks)
        found = [f"{part.how} ({part.confidence})" for part in parts if part.how]
        return [found[0], self.iterations.runner_up, *found[1:]] if self.iterations.runner_up else found


def find_structure(linked: LinkedTrace, overhead: Intervals) -> RunStructure:
    """Marked components first, then iterations, steps, and components guessed from the steps.

    `overhead` is the time of compile, autotune and capture on any thread (`phases.overhead_spans`).
    """
    launches = launch_times(linked)
    ops = op_sequence(linked, busiest_thread(linked))
    marked = find_marked_components(linked)
    timed = timed_calls(linked, ops)
    timed = as_one_run(linked, ops, timed) if timed else noised_calls(linked, ops)
    work = work_asked_for(linked, launches, overhead)
    told = iterations_of_whole(linked.trace) or recorded_iterations(linked)
    iterations = told or find_iterations(linked, ops, marked, timed, work, overhead)
    steps = find_steps(linked, ops, iterations, marked, timed, work)
    components = (
        marked if len(marked) else guess_components(linked, ops, iterations, steps, launches, overhead)
    )
    return RunStructure(launches, iterations, steps, components, find_blocks(linked, components))
