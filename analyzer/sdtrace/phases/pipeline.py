"""The structure of a run: iterations, the denoising steps in them, the components that ran."""

from __future__ import annotations

from dataclasses import dataclass

from sdtrace.attribution.op_table import Attribution
from sdtrace.phases.component_guess import guess_components
from sdtrace.phases.components import Components, find_blocks, find_marked_components
from sdtrace.phases.iterations import Iterations, find_iterations
from sdtrace.phases.launches import LaunchTimes, launch_times
from sdtrace.phases.steps import Steps, find_steps


@dataclass(frozen=True)
class Pipeline:
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
        return [f"{part.how} ({part.confidence})" for part in parts if part.how]


def find_pipeline(told: Attribution) -> Pipeline:
    """Iterations first, then steps, then components: marked ones, else guessed from the steps."""
    launches = launch_times(told)
    iterations = find_iterations(told)
    marked = find_marked_components(told)
    steps = find_steps(told, iterations, marked)
    components = marked if len(marked) else guess_components(told, iterations, steps, launches)
    return Pipeline(launches, iterations, steps, components, find_blocks(told, components))
