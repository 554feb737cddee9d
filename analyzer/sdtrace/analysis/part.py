"""A part of a run: one phase, component, iteration or step, or what several of these have in common."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any, Final

import numpy as np
from numpy.typing import NDArray

from sdtrace.breakdowns.components import OUTSIDE
from sdtrace.errors import UsageError
from sdtrace.intervals import Bools, Int64s, Intervals, contains, intersect, subtract, union
from sdtrace.phases.phases import wall
from sdtrace.phases.timeline import PHASES
from sdtrace.suggestions import did_you_mean

if TYPE_CHECKING:
    from sdtrace.analysis.study import Study

_Threads = NDArray[np.integer[Any]]


@dataclass(frozen=True)
class Part:
    """What to look at. None is all; what is given must all hold. Iterations and steps count from 0."""

    phase: str | None = None
    component: str | None = None
    iteration: int | None = None
    step: int | None = None

    @property
    def is_whole(self) -> bool:
        """Whether the part is everything."""
        return self == WHOLE

    def __str__(self) -> str:
        """Such as `phase steady, step 3`."""
        given = ((name, getattr(self, name)) for name in ("phase", "component", "iteration", "step"))
        return ", ".join(f"{name} {value}" for name, value in given if value is not None)


WHOLE: Final = Part()


@dataclass(frozen=True)
class Selection:
    """Masks and spans of a part of a study; each is computed when it is first asked for.

    Device work belongs to the instant and the thread of its launch, host events to those of their start.
    Raises UsageError at once when the trace has no such phase, component, iteration or step.
    """

    study: Study
    part: Part

    def __post_init__(self) -> None:
        """Check that what is asked for is there."""
        part, structure = self.part, self.study.structure
        if part.phase is not None:
            _check("phase", part.phase, PHASES)
        if part.component is not None:
            _check("component", part.component, [*self._component_names, OUTSIDE])
        if part.iteration is not None:
            _check_number("iteration", part.iteration, len(structure.iterations))
        if part.step is not None:
            counts = structure.steps.counts(structure.iterations)
            chosen = counts if part.iteration is None else counts[[part.iteration]]
            _check_number("step", part.step, int(chosen.max(initial=0)))

    @cached_property
    def work(self) -> Bools | None:
        """Which pieces of device work (bool, one per piece of `LinkedTrace.work`); None for all."""
        if self.part.is_whole:
            return None
        launches = self.study.structure.launches
        mask = self._at(launches.called_ns, launches.thread)
        return mask if self.part.phase is None else mask & self.study.phases.work_mask(self.part.phase)

    def host(self, start_ns: Int64s, thread: _Threads) -> Bools | None:
        """Which host events, by start and thread; None for all."""
        if self.part.is_whole:
            return None
        mask, phase = self._at(start_ns, thread), self.part.phase
        return mask if phase is None else mask & self.study.phases.host_mask(start_ns, thread, phase)

    @cached_property
    def spans(self) -> Intervals:
        """The host time of the part, on whatever thread."""
        start, end = wall(self.study.trace)
        found = union(np.array([start]), np.array([max(end, start + 1)]))
        if self.part.phase is not None:
            found = self.study.phases.timeline.of(self.part.phase)
        for other in (self._rounds, self._component_spans):
            found = found if other is None else intersect(found, other)
        return found

    @cached_property
    def _component_names(self) -> list[str]:
        return [*self.study.structure.components.names, *self.study.structure.blocks.names]

    @cached_property
    def _rounds(self) -> Intervals | None:
        """The time of the chosen iteration or steps; None for any."""
        structure, part = self.study.structure, self.part
        if part.step is not None:
            place, index = structure.steps.within(structure.iterations)
            mine = (index == part.step) & (place >= 0)
            if part.iteration is not None:
                mine &= place == part.iteration
            return union(structure.steps.start_ns[mine], structure.steps.end_ns[mine])
        if part.iteration is None:
            return None
        chosen = slice(part.iteration, part.iteration + 1)
        return union(structure.iterations.start_ns[chosen], structure.iterations.end_ns[chosen])

    @cached_property
    def _component_spans(self) -> Intervals | None:
        structure, name = self.study.structure, self.part.component
        if name is None:
            return None
        if name == OUTSIDE:
            start, end = wall(self.study.trace)
            whole = union(np.array([start]), np.array([max(end, start + 1)]))
            return subtract(whole, union(structure.components.start_ns, structure.components.end_ns))
        source = structure.blocks if name in structure.blocks.names else structure.components
        calls = source.only([name])
        return union(calls.start_ns, calls.end_ns)

    def _at(self, instant: Int64s, thread: _Threads) -> Bools:
        mask = np.ones(len(instant), np.bool_)
        if self._rounds is not None:
            mask &= contains(self._rounds, instant)
        name, structure = self.part.component, self.study.structure
        if name is not None:
            source = structure.blocks if name in structure.blocks.names else structure.components
            code = source.at(instant, thread)
            mask &= code == (-1 if name == OUTSIDE else source.names.index(name))
        return mask


def _check(what: str, name: str, known: list[str] | tuple[str, ...]) -> None:
    if name not in known:
        listed = f"there are {', '.join(known)}" if known else "none was found"
        raise UsageError(f"no {what} {name!r}{did_you_mean(name, known)}; {listed}")


def _check_number(what: str, number: int, count: int) -> None:
    if not 0 <= number < count:
        known = f"they are 0 to {count - 1}" if count else "none was found"
        raise UsageError(f"no {what} {number}; {known}")
