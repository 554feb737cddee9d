"""Device time, host time and calls per component and phase."""

from __future__ import annotations

from typing import Final, NamedTuple

import numpy as np

from sdtrace.attribution.host import sum_by
from sdtrace.attribution.launches import LaunchTimes
from sdtrace.attribution.linked_trace import LinkedTrace
from sdtrace.intervals import Bools, Int64s, Intervals, contains, covered, highest_over
from sdtrace.phases.phases import Codes, Phases
from sdtrace.phases.timeline import PHASES, Timeline
from sdtrace.structure.components import Components

OUTSIDE: Final = "other"
"""The component of host time and device work outside all components."""


class ComponentRow(NamedTuple):
    """One component in one phase; `calls` begin in it, `wall_ns` is host time, `gpu_ns` is by launch."""

    component: str
    phase: str
    gpu_ns: int
    wall_ns: int
    calls: int


class Chosen(NamedTuple):
    """A part of a trace: pieces of device work, and host time in which calls begin."""

    work: Bools | None
    spans: Intervals


def component_rows(
    linked: LinkedTrace,
    components: Components,
    launches: LaunchTimes,
    phases: Phases,
    chosen: Chosen | None = None,
) -> list[ComponentRow]:
    """Facts of every component in every phase it has anything in; with `OUTSIDE` they sum to the trace.

    `chosen` limits them to a part of it. Host time in which components run on several threads at once is
    counted once: for the one on the thread that launches most.
    """
    timeline = phases.timeline
    device = _device_ns(linked, components, launches, phases.work_code, chosen)
    walls = _wall_ns(components, launches, timeline, chosen)
    calls = np.zeros((len(components.names) + 1, len(PHASES)), np.int64)
    begun = 1 if chosen is None else contains(chosen.spans, components.start_ns)
    np.add.at(calls, (components.code, timeline.at(components.start_ns)), begun)
    names = [*components.names, OUTSIDE]
    table = [
        ComponentRow(name, phase, int(device[i, j]), int(walls[i, j]), int(calls[i, j]))
        for i, name in enumerate(names)
        for j, phase in enumerate(PHASES)
    ]
    return [facts for facts in table if facts.gpu_ns or facts.wall_ns or facts.calls]


def block_rows(
    linked: LinkedTrace,
    blocks: Components,
    launches: LaunchTimes,
    phases: Phases,
    chosen: Chosen | None = None,
) -> list[ComponentRow]:
    """Facts of parts of components; what lies outside the parts is left out."""
    facts = component_rows(linked, blocks, launches, phases, chosen)
    return [item for item in facts if item.component != OUTSIDE]


def _device_ns(
    linked: LinkedTrace, components: Components, launches: LaunchTimes, phase: Codes, chosen: Chosen | None
) -> Int64s:
    """Device time per component (the last row is outside all) and phase."""
    component = components.of_work(launches)
    component[component < 0] = len(components.names)
    cell = component * len(PHASES) + phase
    if chosen is not None and chosen.work is not None:
        cell[~chosen.work] = -1
    size = (len(components.names) + 1) * len(PHASES)
    return sum_by(cell, linked.trace.dur_ns[linked.work.row], size).reshape(-1, len(PHASES))


def _wall_ns(
    components: Components, launches: LaunchTimes, timeline: Timeline, chosen: Chosen | None
) -> Int64s:
    """Host time per component (the last row is outside all) and phase."""
    size = len(components.names)
    edges = np.unique(np.concatenate((components.start_ns, components.end_ns, timeline.edges)))
    component = running(components, launches, edges)
    walls = np.zeros((size + 1, len(PHASES)), np.int64)
    lengths = np.diff(edges) if chosen is None else covered(chosen.spans, edges[:-1], edges[1:])
    np.add.at(walls, (component, timeline.at(edges[:-1])), lengths)
    return walls


def running(components: Components, launches: LaunchTimes, edges: Int64s) -> Int64s:
    """The component (a code) that has the host between each edge and the next, one past all for none.

    `edges` are sorted and hold every start and end of a component.
    """
    size = len(components.names)
    first, stop = (np.searchsorted(edges, side) for side in (components.start_ns, components.end_ns))
    wins = highest_over(first, stop, _rank(components.thread, launches) * size + components.code, len(edges))
    found: Int64s = np.where(wins >= 0, wins % max(1, size), size)[:-1]
    return found


def _rank(thread: Int64s, launches: LaunchTimes) -> Int64s:
    """The place of each thread among them, by how much it launches; of equal ones the first comes last."""
    numbers, which = np.unique(thread, return_inverse=True)
    place = np.searchsorted(numbers, launches.thread)
    known = place < len(numbers)
    known[known] = numbers[place[known]] == launches.thread[known]
    launched = np.bincount(place[known], minlength=len(numbers))
    order = np.lexsort((-numbers, launched)) if numbers.size else numbers
    rank = np.empty(len(numbers), np.int64)
    rank[order] = np.arange(len(numbers))
    return rank[which]
