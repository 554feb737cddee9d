"""Sums per iteration."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from sdtrace.attribution.launches import LaunchTimes
from sdtrace.attribution.linked_trace import LinkedTrace
from sdtrace.intervals import covered
from sdtrace.structure.iterations import Iterations
from sdtrace.structure.steps import Steps
from sdtrace.waiting.devices import Devices


@dataclass(frozen=True)
class IterationRow:
    """One iteration; times in integer nanoseconds.

    Device work belongs to the iteration in which it was launched, also where it runs on after the end.
    `gpu_ns` sums its durations. `gpu_busy_ns` is how long the device was at work while the iteration
    ran on the host, on whatever: never more than `wall_ns`. Of several devices it is the average.
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
    linked: LinkedTrace, iterations: Iterations, steps: Steps, launches: LaunchTimes, devices: Devices
) -> list[IterationRow]:
    """Facts of every iteration, in order."""
    trace, work = linked.trace, linked.work
    place = iterations.at(launches.called_ns)
    order = np.argsort(place, kind="stable")
    row, launch = work.row[order], work.launch[order]
    bounds = np.searchsorted(place[order], np.arange(len(iterations) + 1)).tolist()
    busy = _busy_ns(devices, iterations)
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


def _busy_ns(devices: Devices, iterations: Iterations) -> list[int]:
    """How long a device was at work in each iteration, on average over the devices."""
    held = np.zeros(len(iterations), np.int64)
    for busy in devices.busy:
        held += covered(busy, iterations.start_ns, iterations.end_ns)
    return (held // max(1, len(devices))).tolist()
