"""Sums per iteration."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from sdtrace.attribution.launches import LaunchTimes
from sdtrace.attribution.linked_trace import LinkedTrace
from sdtrace.intervals import covered, union
from sdtrace.structure.iterations import Iterations
from sdtrace.structure.steps import Steps


@dataclass(frozen=True)
class IterationRow:
    """One iteration; times in integer nanoseconds.

    Device work belongs to the iteration in which it was launched, also where it runs on after the end.
    `gpu_ns` sums its durations. `gpu_busy_ns` is how long the device was at work while the iteration
    ran on the host, on whatever: never more than `wall_ns`.
    """

    name: str
    index: int
    """Counted from 0."""
    start_ns: int
    wall_ns: int
    gpu_ns: int
    gpu_busy_ns: int
    gpu_events: int
    launches: int
    steps: int


def iteration_rows(
    linked: LinkedTrace, iterations: Iterations, steps: Steps, launches: LaunchTimes
) -> list[IterationRow]:
    """Facts of every iteration, in order."""
    trace, work = linked.trace, linked.work
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
            IterationRow(
                name=name,
                index=index,
                start_ns=int(iterations.start_ns[index]),
                wall_ns=int(iterations.end_ns[index] - iterations.start_ns[index]),
                gpu_ns=int((end - start).sum()),
                gpu_busy_ns=busy[index],
                gpu_events=len(start),
                launches=len(np.unique(calls[calls >= 0])),
                steps=step_counts[index],
            )
        )
    return facts
