"""Device time, host time and calls per component and phase."""

from __future__ import annotations

from typing import Final, NamedTuple

import numpy as np

from sdtrace.attribution.host import sum_by
from sdtrace.attribution.launches import LaunchTimes
from sdtrace.attribution.linked_trace import LinkedTrace
from sdtrace.intervals import Int64s, subtract, union
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


def component_rows(
    linked: LinkedTrace, components: Components, launches: LaunchTimes, phases: Phases
) -> list[ComponentRow]:
    """Facts of every component in every phase it has anything in; with `OUTSIDE` they sum to the trace.

    Host time of a component that runs on several threads at once is counted once.
    """
    timeline = phases.timeline
    device = _device_ns(linked, components, launches, phases.work_code)
    walls = [timeline.totals(*_spans(components, code)) for code in range(len(components.names))]
    calls = np.zeros((len(components.names) + 1, len(PHASES)), np.int64)
    np.add.at(calls, (components.code, timeline.at(components.start_ns)), 1)
    walls.append(_outside(components, timeline))
    names = [*components.names, OUTSIDE]
    table = [
        ComponentRow(name, phase, int(device[i, j]), walls[i][phase], int(calls[i, j]))
        for i, name in enumerate(names)
        for j, phase in enumerate(PHASES)
    ]
    return [facts for facts in table if facts.gpu_ns or facts.wall_ns or facts.calls]


def block_rows(
    linked: LinkedTrace, blocks: Components, launches: LaunchTimes, phases: Phases
) -> list[ComponentRow]:
    """Facts of parts of components; what lies outside the parts is left out."""
    facts = component_rows(linked, blocks, launches, phases)
    return [item for item in facts if item.component != OUTSIDE]


def _device_ns(linked: LinkedTrace, components: Components, launches: LaunchTimes, phase: Codes) -> Int64s:
    """Device time per component (the last row is outside all) and phase."""
    component = components.of_work(launches)
    component[component < 0] = len(components.names)
    cell = component * len(PHASES) + phase
    size = (len(components.names) + 1) * len(PHASES)
    return sum_by(cell, linked.trace.dur_ns[linked.work.row], size).reshape(-1, len(PHASES))


def _spans(components: Components, code: int) -> tuple[Int64s, Int64s]:
    mine = components.code == code
    return components.start_ns[mine], components.end_ns[mine]


def _outside(components: Components, timeline: Timeline) -> dict[str, int]:
    """Nanoseconds of every phase in which no component runs on any thread."""
    everything = union(timeline.edges[:1], timeline.edges[-1:])
    rest = subtract(everything, union(components.start_ns, components.end_ns))
    return timeline.totals(rest.start, rest.end)
