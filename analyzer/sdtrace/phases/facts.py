"""Sums per iteration and per component."""

from __future__ import annotations

from typing import Final, NamedTuple

import numpy as np

from sdtrace.attribution.host import sum_by
from sdtrace.attribution.op_table import Attribution
from sdtrace.phases.components import Components
from sdtrace.phases.intervals import Int64s, covered, subtract, union
from sdtrace.phases.iterations import Iterations
from sdtrace.phases.launches import LaunchTimes
from sdtrace.phases.phases import Codes, Phases
from sdtrace.phases.steps import Steps
from sdtrace.phases.timeline import PHASES, Timeline

OUTSIDE: Final = "other"
"""The component of host time and device work outside all components."""


class IterationFacts(NamedTuple):
    """One iteration; times in integer nanoseconds.

    Device work belongs to the iteration in which it was launched, also where it runs on after the end.
    `device_ns` sums its durations. `device_busy_ns` is how long the device was at work while the iteration
    ran on the host, on whatever: never more than `wall_ns`.
    """

    name: str
    number: int
    """Counted from 0."""
    start_ns: int
    wall_ns: int
    device_ns: int
    device_busy_ns: int
    gpu_events: int
    launches: int
    steps: int


class ComponentFacts(NamedTuple):
    """One component in one phase; `calls` begin in it, `wall_ns` is host time, `device_ns` is by launch."""

    component: str
    phase: str
    device_ns: int
    wall_ns: int
    calls: int


def iteration_facts(
    told: Attribution, iterations: Iterations, steps: Steps, launches: LaunchTimes
) -> list[IterationFacts]:
    """Facts of every iteration, in order."""
    trace, work = told.trace, told.work
    place = iterations.at(launches.called_ns)
    order = np.argsort(place, kind="stable")
    row, launch = work.row[order], work.launch[order]
    bounds = np.searchsorted(place[order], np.arange(len(iterations) + 1)).tolist()
    busy = covered(
        union(trace.start_ns[work.row], trace.end_ns[work.row]), iterations.start_ns, iterations.end_ns
    ).tolist()
    step_counts = steps.counts(iterations).tolist()
    facts = []
    for index, name in enumerate(iterations.name):
        mine = slice(bounds[index], bounds[index + 1])
        start, end, calls = trace.start_ns[row[mine]], trace.end_ns[row[mine]], launch[mine]
        facts.append(
            IterationFacts(
                name=name,
                number=index,
                start_ns=int(iterations.start_ns[index]),
                wall_ns=int(iterations.end_ns[index] - iterations.start_ns[index]),
                device_ns=int((end - start).sum()),
                device_busy_ns=busy[index],
                gpu_events=len(start),
                launches=len(np.unique(calls[calls >= 0])),
                steps=step_counts[index],
            )
        )
    return facts


def component_facts(
    told: Attribution, components: Components, launches: LaunchTimes, phases: Phases
) -> list[ComponentFacts]:
    """Facts of every component in every phase it has anything in; with `OUTSIDE` they sum to the trace.

    Host time of a component that runs on several threads at once is counted once.
    """
    timeline = phases.timeline
    device = _device_ns(told, components, launches, phases.work_code)
    walls = [timeline.totals(*_spans(components, code)) for code in range(len(components.names))]
    calls = np.zeros((len(components.names) + 1, len(PHASES)), np.int64)
    np.add.at(calls, (components.code, timeline.at(components.start_ns)), 1)
    walls.append(_outside(components, timeline))
    names = [*components.names, OUTSIDE]
    table = [
        ComponentFacts(name, phase, int(device[i, j]), walls[i][phase], int(calls[i, j]))
        for i, name in enumerate(names)
        for j, phase in enumerate(PHASES)
    ]
    return [facts for facts in table if facts.device_ns or facts.wall_ns or facts.calls]


def block_facts(
    told: Attribution, blocks: Components, launches: LaunchTimes, phases: Phases
) -> list[ComponentFacts]:
    """Facts of parts of components; what lies outside the parts is left out."""
    facts = component_facts(told, blocks, launches, phases)
    return [item for item in facts if item.component != OUTSIDE]


def _device_ns(told: Attribution, components: Components, launches: LaunchTimes, phase: Codes) -> Int64s:
    """Device time per component (the last row is outside all) and phase."""
    component = components.of_work(launches)
    component[component < 0] = len(components.names)
    cell = component * len(PHASES) + phase
    size = (len(components.names) + 1) * len(PHASES)
    return sum_by(cell, told.trace.dur_ns[told.work.row], size).reshape(-1, len(PHASES))


def _spans(components: Components, code: int) -> tuple[Int64s, Int64s]:
    mine = components.code == code
    return components.start_ns[mine], components.end_ns[mine]


def _outside(components: Components, timeline: Timeline) -> dict[str, int]:
    """Nanoseconds of every phase in which no component runs on any thread."""
    everything = union(timeline.edges[:1], timeline.edges[-1:])
    rest = subtract(everything, union(components.start_ns, components.end_ns))
    return timeline.totals(rest.start, rest.end)
