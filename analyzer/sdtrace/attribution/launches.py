"""When device work was launched, from which thread, and when it was with the device."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from sdtrace.attribution.linked_trace import LinkedTrace
from sdtrace.intervals import Bools, Int64s


class LaunchTimes(NamedTuple):
    """One element per piece of device work, in the order of `Attribution.work`.

    `called_ns` is the instant work belongs to: the start of its launch call, its own start where the
    trace does not hold the call (then `is_known` is False and `thread` -1). `submitted_ns` is when the
    device had it: the call's end, or the first start among the call's work if that was sooner.
    """

    called_ns: Int64s
    submitted_ns: Int64s
    thread: Int64s
    is_known: Bools


def launch_times(linked: LinkedTrace) -> LaunchTimes:
    """Look up the launch of all device work."""
    trace, work = linked.trace, linked.work
    start = trace.start_ns[work.row]
    is_known = work.launch >= 0
    called, submitted = start.copy(), start.copy()
    thread = np.full(len(start), -1, np.int64)
    known = np.flatnonzero(is_known)
    launch = work.launch[known]
    called[known] = np.minimum(trace.start_ns[launch], start[known])
    submitted[known] = np.minimum(trace.end_ns[launch], _first_of_launch(launch, start[known]))
    # torch files a call that is linked to no op under the profiler's thread; the file knows better.
    threads = trace.thread.copy()
    threads[linked.host.row] = linked.host.thread
    thread[known] = np.where(trace.external_id[launch] > 0, threads[launch], trace.thread[launch])
    return LaunchTimes(called, np.maximum(submitted, called), thread, is_known)


def _first_of_launch(launch: Int64s, start: Int64s) -> Int64s:
    """For each piece of work the earliest start among those of its launch."""
    if not launch.size:
        return start
    order = np.argsort(launch, kind="stable")
    opens = np.append(True, np.diff(launch[order]) != 0)
    earliest = np.minimum.reduceat(start[order], np.flatnonzero(opens))
    result = np.empty_like(start)
    result[order] = earliest[np.cumsum(opens) - 1]
    return result
