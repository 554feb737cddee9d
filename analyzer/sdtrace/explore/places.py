"""Places in a run: which phase, component, iteration and step an instant on a thread lies in."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any, Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from sdtrace.analysis.study import Study
from sdtrace.explore.picks import Picks
from sdtrace.intervals import Int64s, place_of
from sdtrace.phases.timeline import ThreadSpans
from sdtrace.structure.components import Components

NONE: Final = -1
"""In no iteration, step or component."""
OTHERS: Final = -2
"""In an iteration or a step that is not kept by itself."""
_SHORT: Final = 4096
"""Events of a thread that are looked up one by one."""
_EARLIEST: Final = np.iinfo(np.int64).min
Index = NDArray[np.integer[Any]]


class Place(NamedTuple):
    """Arrays of one length, numbers; -1 where there is none. `step_iteration` is where the step begins."""

    phase: Int64s
    component: Int64s
    block: Int64s
    iteration: Int64s
    step_iteration: Int64s
    step: Int64s

    @property
    def code(self) -> Int64s:
        """One number for all six."""
        code = self.phase.astype(np.int64)
        for column in self[1:]:
            code = code * (int(column.max(initial=0)) + 3) + column + 2
        return code

    def take(self, rows: Int64s) -> Place:
        """Some of the places."""
        return Place(*(column[rows] for column in self))


@dataclass(frozen=True)
class Places:
    """The places of a study."""

    study: Study
    picks: Picks

    @cached_property
    def of_work(self) -> Place:
        """Of every piece of device work: that of its launch, on the launching thread."""
        launches = self.study.structure.launches
        phase = self.study.phases.work_code.astype(np.int64)
        return self._at(launches.called_ns, launches.thread, phase)

    def of_host(self, start_ns: Int64s, thread: Index) -> tuple[Place, Index]:
        """Places, and which of them each host event begins in; events are given by time.

        A place changes at few instants only, so it is looked up there, not for every event; but for threads
        with few events, of which there may be many.
        """
        places, found = [], np.zeros(len(start_ns), np.int32)
        special = np.array(self._special_threads, np.int64)
        held = np.bincount(thread, minlength=len(self.study.trace.threads))
        is_short = held[special] <= _SHORT
        size = 0
        for number in (NONE, *special[~is_short].tolist()):
            edges = self._edges(number)
            place = self.at(edges, np.full(len(edges), number, np.int64))
            first = np.searchsorted(start_ns, edges, side="left")
            held = np.diff(np.append(first, len(start_ns)))
            filled = np.repeat(np.arange(size, size + len(edges), dtype=np.int32), held)
            found = filled if number == NONE else np.where(thread == number, filled, found)
            places.append(place)
            size += len(edges)
        if is_short.any():
            rows = np.flatnonzero(np.isin(thread, special[is_short]))
            found[rows] = np.arange(size, size + len(rows), dtype=np.int32)
            places.append(self.at(start_ns[rows], thread[rows]))
        return Place(*map(np.concatenate, zip(*places, strict=True))), found

    def at(self, instant: Int64s, thread: Index) -> Place:
        """The place of each instant on its thread."""
        return self._at(instant, thread, self.study.phases.by_thread.at(instant, thread).astype(np.int64))

    def _at(self, instant: Int64s, thread: Index, phase: Int64s) -> Place:
        structure = self.study.structure
        component = structure.components.at(instant, thread)
        block = structure.blocks.at(instant, thread)
        return Place(phase, component, block, *self.rounds(instant))

    def rounds(self, instant: Int64s) -> tuple[Int64s, Int64s, Int64s]:
        """Iteration, iteration of the step, and step of each instant."""
        iterations, steps = self.study.structure.iterations, self.study.structure.steps
        place, index = self._steps
        at = place_of(steps.start_ns, steps.end_ns, instant)
        iteration, step_iteration = iterations.at(instant), np.append(place, NONE)[at]
        step = np.where(step_iteration >= 0, np.append(index, NONE)[at], NONE)
        return iteration, step_iteration, step

    def kept(self, place: Place) -> Place:
        """The same with the iterations and steps that are not kept under one number."""
        iterations, steps = self.picks.iterations, self.picks.steps
        return place._replace(
            iteration=_only(place.iteration, iterations),
            step_iteration=_only(place.step_iteration, iterations),
            step=_only(place.step, steps),
        )

    @cached_property
    def _steps(self) -> tuple[Int64s, Int64s]:
        return self.study.structure.steps.within(self.study.structure.iterations)

    @cached_property
    def _special_threads(self) -> list[int]:
        """Threads with phases or components of their own; all others share one order of places."""
        structure = self.study.structure
        own = [structure.components.thread, structure.blocks.thread]
        own.append(np.flatnonzero(self.study.phases.by_thread.has_own))
        found: list[int] = np.unique(np.concatenate(own)).tolist()
        return found

    def _edges(self, thread: int) -> Int64s:
        """Every instant at which the place of a thread may change."""
        study, by_thread = self.study, self.study.phases.by_thread
        structure = study.structure
        sides = [np.array([_EARLIEST]), study.phases.timeline.edges]
        sides += [side for claim in by_thread.everywhere for side in claim]
        sides += [structure.iterations.start_ns, structure.iterations.end_ns]
        sides += [structure.steps.start_ns, structure.steps.end_ns]
        own: list[ThreadSpans | Components] = [*by_thread.own, structure.components, structure.blocks]
        for spans in own:
            mine = spans.thread == thread
            sides += [spans.start_ns[mine], spans.end_ns[mine]]
        return np.unique(np.concatenate(sides))


def cells_of(places: Places, found: list[Place]) -> tuple[Place, list[Int64s]]:
    """The distinct kept places among several arrays of them, and the number of each element's."""
    kept = [places.kept(place) for place in found]
    together = Place(*map(np.concatenate, zip(*kept, strict=True)))
    _, first, number = np.unique(together.code, return_index=True, return_inverse=True)
    ends = np.cumsum([len(place.phase) for place in kept])[:-1]
    return together.take(first), np.split(number.reshape(-1), ends)


def _only(numbers: Int64s, kept: list[int]) -> Int64s:
    return np.where((numbers < 0) | np.isin(numbers, kept), numbers, OTHERS)


def present(components: Components) -> list[int]:
    """The components that were called, by number."""
    found: list[int] = np.unique(components.code).tolist()
    return found
