"""Sums per iteration."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from sdtrace.attribution.launches import LaunchTimes
from sdtrace.attribution.linked_trace import LinkedTrace
from sdtrace.intervals import Int64s, covered
from sdtrace.structure.iterations import Iterations
from sdtrace.structure.steps import Steps
from sdtrace.waiting.devices import Devices


@dataclass(frozen=True)
class IterationRow:
    """One iteration; times in integer nanoseconds.

    Device work belongs to the iteration in which it was launched, also where it runs on after the end.
    `gpu_ns` sums its durations. `host_wall_ns` is how long the host was in the iteration. `wall_ns` is
    how long the iteration took: from when the one before was done until its own work was done. The two
    differ where the host runs ahead of the device. `gpu_busy_ns` is how long the device was at work in
    that time, on whatever: never more than `wall_ns`. Of several devices it is the average.
    """

    name: str
    index: int
    """Counted from 0."""
    start_ns: int
    host_wall_ns: int
    wall_ns: int
    gpu_ns: int
    gpu_busy_ns: int
    gpu_events: int
    launches: int
    steps: int
    is_whole: bool
    """False where the start or the end of the profile cut it off."""


def iteration_rows(
    linked: LinkedTrace, iterations: Iterations, steps: Steps, launches: LaunchTimes, devices: Devices
) -> list[IterationRow]:
    """Facts of every iteration, in order."""
    trace, work = linked.trace, linked.work
    place = iterations.at(launches.called_ns)
    order = np.argsort(place, kind="stable")
    row, launch = work.row[order], work.launch[order]
    bounds = np.searchsorted(place[order], np.arange(len(iterations) + 1)).tolist()
    begun, done = _lasting(iterations, trace.end_ns[row], bounds)
    busy = _busy_ns(devices, begun, done)
    walls = (done - begun).tolist()
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
                host_wall_ns=int(iterations.end_ns[index] - iterations.start_ns[index]),
                wall_ns=walls[index],
                gpu_ns=int((end - start).sum()),
                gpu_busy_ns=busy[index],
                gpu_events=len(start),
                launches=len(np.unique(calls[calls >= 0])),
                steps=step_counts[index],
                is_whole=bool(iterations.is_whole[index]),
            )
        )
    return facts


def _lasting(iterations: Iterations, work_end: Int64s, bounds: list[int]) -> tuple[Int64s, Int64s]:
    """From when to when each iteration lasts, the work that it left queued included.

    An iteration is done when the host and all work it launched are; the next one lasts from then on, or
    from its own start on the host where that is later. `work_end` has the ends of work in the order of
    iterations, `bounds` where each one's begin. An iteration that is done before the one before it (its
    work ran beside) lasts as long as the host was in it.
    """
    start, end = iterations.start_ns, iterations.end_ns
    ends = np.split(work_end, bounds)[1:-1]
    device_end = np.array([mine.max(initial=0) for mine in ends], np.int64)
    done = np.maximum(end, device_end)
    reached = np.append(start[:1], np.maximum.accumulate(done)[:-1])
    begun = np.maximum(start, reached)
    is_beside = begun >= done
    return np.where(is_beside, start, begun), np.where(is_beside, end, done)


def _busy_ns(devices: Devices, begun: Int64s, done: Int64s) -> list[int]:
    """How long a device was at work in each iteration, on average over the devices."""
    held = np.zeros(len(begun), np.int64)
    for busy in devices.busy:
        held += covered(busy, begun, done)
    return (held // max(1, len(devices))).tolist()
