"""Sums per iteration and per denoising step."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from sdtrace.attribution.earlier_work import earlier_work
from sdtrace.attribution.host import sum_by
from sdtrace.attribution.launches import LaunchTimes
from sdtrace.attribution.linked_trace import LinkedTrace
from sdtrace.intervals import Int64s, covered, join, place_of
from sdtrace.structure.iterations import Iterations
from sdtrace.structure.steps import Steps
from sdtrace.waiting.devices import Devices


@dataclass(frozen=True, kw_only=True)
class SpanSums:
    """What ran in a span of host time; times in integer nanoseconds.

    Device work belongs to the span in which it was launched, also where it runs on after the end. `gpu_ns`
    sums its durations. `host_wall_ns` is how long the host was in the span. `wall_ns` is how long the span
    took: from when the one before was done until its own work was done. The two differ where the host runs
    ahead of the device. `gpu_busy_ns` is how long the device was at work in that time, on whatever: never
    more than `wall_ns`. Of several devices it is the average, and `any_busy_ns` is how long at least one was.
    """

    start_ns: int
    host_wall_ns: int
    wall_ns: int
    gpu_ns: int
    gpu_busy_ns: int
    any_busy_ns: int
    gpu_events: int
    launches: int


@dataclass(frozen=True, kw_only=True)
class IterationRow(SpanSums):
    """One iteration."""

    name: str
    index: int
    """Counted from 0."""
    steps: int
    is_whole: bool
    """False where the start or the end of the profile cut it off."""


@dataclass(frozen=True, kw_only=True)
class StepRow(SpanSums):
    """One denoising step."""

    iteration: int | None
    """None outside all iterations."""
    index: int
    """Its place in the iteration, counted from 0."""


def iteration_rows(
    linked: LinkedTrace, iterations: Iterations, steps: Steps, launches: LaunchTimes, devices: Devices
) -> list[IterationRow]:
    """Facts of every iteration, in order."""
    sums = _sums(linked, iterations.start_ns, iterations.end_ns, launches, devices)
    step_counts = steps.counts(iterations).tolist()
    rows = zip(iterations.name, sums, step_counts, iterations.is_whole.tolist(), strict=True)
    return [
        IterationRow(name=name, index=index, steps=held, is_whole=is_whole, **row)
        for index, (name, row, held, is_whole) in enumerate(rows)
    ]


def step_rows(
    linked: LinkedTrace, iterations: Iterations, steps: Steps, launches: LaunchTimes, devices: Devices
) -> list[StepRow]:
    """Facts of every denoising step, in order."""
    sums = _sums(linked, steps.start_ns, steps.end_ns, launches, devices)
    place, index = (column.tolist() for column in steps.within(iterations))
    return [
        StepRow(iteration=None if iteration < 0 else iteration, index=number, **row)
        for iteration, number, row in zip(place, index, sums, strict=True)
    ]


def _sums(
    linked: LinkedTrace, start_ns: Int64s, end_ns: Int64s, launches: LaunchTimes, devices: Devices
) -> list[dict[str, int]]:
    """The fields of `SpanSums` for each of some disjoint spans of host time, given in order."""
    trace, work, count = linked.trace, linked.work, len(start_ns)
    place = place_of(start_ns, end_ns, launches.called_ns)
    begun, done = lasting(linked, start_ns, end_ns, launches)
    columns = {
        "start_ns": start_ns,
        "host_wall_ns": end_ns - start_ns,
        "wall_ns": done - begun,
        "gpu_ns": sum_by(place, trace.dur_ns[work.row], count),
        "gpu_busy_ns": _busy_ns(devices, begun, done),
        "any_busy_ns": covered(join(*devices.busy), begun, done),
        "gpu_events": sum_by(place, np.ones(len(place), np.int64), count),
        "launches": _launches(place, work.launch, count),
    }
    rows = zip(*(column.tolist() for column in columns.values()), strict=True)
    return [dict(zip(columns, row, strict=True)) for row in rows]


def lasting(linked: LinkedTrace, start: Int64s, end: Int64s, launches: LaunchTimes) -> tuple[Int64s, Int64s]:
    """From when to when each span lasts, the work that it left queued included, in nanoseconds.

    A span is done when the host and all work it launched are; the next one lasts from then on, or from its
    own start on the host where that is later, and the first one from when work launched before it is done,
    that from before the profile too. A span that is done before the one before it (its work ran beside) lasts
    as long as the host was in it.
    """
    device_end = np.zeros(len(start) + 1, np.int64)
    place = place_of(start, end, launches.called_ns)
    np.maximum.at(device_end, place, linked.trace.end_ns[linked.work.row])
    done = np.maximum(end, device_end[:-1])
    queued = linked.work.row[launches.called_ns < start.min(initial=np.iinfo(np.int64).max)]
    unseen = earlier_work(linked).end_ns
    before = np.concatenate((linked.trace.end_ns[queued], unseen)).max(initial=0)
    begun = np.maximum(start, np.append(before, np.maximum.accumulate(done))[:-1])
    is_beside = begun >= done
    return np.where(is_beside, start, begun), np.where(is_beside, end, done)


def _busy_ns(devices: Devices, begun: Int64s, done: Int64s) -> Int64s:
    """How long a device was at work in each span, on average over the devices."""
    held = np.zeros(len(begun), np.int64)
    for busy in devices.busy:
        held += covered(busy, begun, done)
    return held // max(1, len(devices))


def _launches(place: Int64s, launch: Int64s, count: int) -> Int64s:
    """How many launch calls have work in each span."""
    mine = (place >= 0) & (launch >= 0)
    calls = np.unique(place[mine] + count * launch[mine])
    return np.bincount(calls % max(1, count), minlength=count)
