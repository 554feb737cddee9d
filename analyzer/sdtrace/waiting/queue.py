"""How well the host keeps the device fed: launch delay, queue depth, short kernels."""

from __future__ import annotations

from typing import Final, NamedTuple

import numpy as np

from sdtrace.attribution.launches import LaunchTimes
from sdtrace.attribution.linked_trace import LinkedTrace
from sdtrace.intervals import Bools, Int64s
from sdtrace.waiting.devices import Devices

SHORT_NS: Final = 5_000
"""Kernels below this take the device less time than a launch takes the host."""


class QueueStats(NamedTuple):
    """Launch calls with device work and what they found.

    `delay_*` is from the start of the call to the start of its first work. `depth_*` counts pieces of
    work that were launched on its device and not finished when the call began, its own not among them;
    `found_empty` is the number of calls that found none. `short_kernels` took less than 5 us, out of
    `kernels`. Percentiles are nearest ranks, 0 of no launches.
    """

    launches: int
    found_empty: int
    delay_median_ns: int
    delay_p99_ns: int
    depth_median: int
    depth_max: int
    kernels: int
    short_kernels: int
    short_ns: int


class Queue(NamedTuple):
    """One element per launch call and device, in the order of time: int64 arrays of one length.

    `depth` as in `QueueStats`; `work` is the first piece of its work, an index into `Attribution.work`.
    """

    called_ns: Int64s
    delay_ns: Int64s
    depth: Int64s
    work: Int64s


def find_queue(linked: LinkedTrace, launches: LaunchTimes, devices: Devices) -> Queue:
    """Queue depth and delay at every launch call whose work the trace holds, each on its own device."""
    parts = [_on_device(linked, launches, devices.of_work == device) for device in range(len(devices))]
    columns = [np.concatenate([np.zeros(0, np.int64), *column]) for column in zip(*parts, strict=True)]
    if not columns:
        return Queue(*(np.zeros(0, np.int64) for _ in Queue._fields))
    order = np.argsort(columns[0], kind="stable")
    return Queue(*(column[order] for column in columns))


def _on_device(linked: LinkedTrace, launches: LaunchTimes, mine: Bools) -> Queue:
    trace, work = linked.trace, linked.work
    start, end = trace.start_ns[work.row], trace.end_ns[work.row]
    known = np.flatnonzero(launches.is_known & mine)
    order = known[np.lexsort((start[known], work.launch[known]))]
    first = order[np.append(True, np.diff(work.launch[order]) != 0)] if order.size else order
    first = first[np.argsort(launches.called_ns[first], kind="stable")]
    called = launches.called_ns[first]
    before = np.searchsorted(np.sort(launches.called_ns[mine]), called, side="left")
    # Empty work that is launched at this very instant is not finished before it.
    finished = np.sort(np.maximum(end, launches.called_ns + 1)[mine])
    depth = before - np.searchsorted(finished, called, side="right")
    return Queue(called, start[first] - called, depth, first)


def queue_stats(linked: LinkedTrace, queue: Queue, work_mask: Bools | None = None) -> QueueStats:
    """Percentiles over the launches of all work, or of the work in `work_mask` (one per piece of work)."""
    trace, work = linked.trace, linked.work
    chosen = np.ones(len(work.row), np.bool_) if work_mask is None else work_mask
    mine = chosen[queue.work]
    kernels = work.row[chosen & trace.in_categories({"kernel"})[work.row]]
    duration = trace.dur_ns[kernels]
    short = duration[duration < SHORT_NS]
    return QueueStats(
        launches=int(mine.sum()),
        found_empty=int((queue.depth[mine] == 0).sum()),
        delay_median_ns=_percentile(queue.delay_ns[mine], 50),
        delay_p99_ns=_percentile(queue.delay_ns[mine], 99),
        depth_median=_percentile(queue.depth[mine], 50),
        depth_max=int(queue.depth[mine].max(initial=0)),
        kernels=len(kernels),
        short_kernels=len(short),
        short_ns=int(short.sum()),
    )


def _percentile(values: Int64s, percent: int) -> int:
    return int(np.percentile(values, percent, method="inverted_cdf")) if values.size else 0
