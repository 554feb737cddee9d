"""Gaps in a device's work, and whether something was queued on it when each began."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from sdtrace.attribution.launches import LaunchTimes
from sdtrace.attribution.linked_trace import LinkedTrace
from sdtrace.intervals import Bools, Int64s
from sdtrace.structure.iterations import Iterations
from sdtrace.waiting.devices import Devices


class Gaps(NamedTuple):
    """Idle gaps of one device in order; arrays of one length.

    The queue is empty from `start_ns` to `launched_ns`. `next_work` (an index into `LinkedTrace.work`)
    starts at the end, -1 where none follows. `was_queued` says that launched work was waiting when the gap
    began.
    """

    start_ns: Int64s
    end_ns: Int64s
    launched_ns: Int64s
    next_work: Int64s
    was_queued: Bools


def find_gaps(linked: LinkedTrace, launches: LaunchTimes, devices: Devices, device: int) -> Gaps:
    """Gaps of the union of all streams of a device, within the time in which it is looked at.

    Work of no length ends a gap and begins another. Of work that begins at one instant, the one whose
    launch is known and was first counts as next, of equal ones the one whose op comes first by alphabet:
    the order of the file does not matter.
    """
    trace = linked.trace
    mine = np.flatnonzero(devices.of_work == device)
    begin, stop = trace.start_ns[linked.work.row[mine]], trace.end_ns[linked.work.row[mine]]
    submitted, known = launches.submitted_ns[mine], launches.is_known[mine]
    order = np.lexsort((_alphabetic(linked, mine), submitted, ~known, begin))
    first, last = devices.start_ns[device], devices.end_ns[device]
    begin = np.concatenate(([first], begin[order], [last]))
    reach = np.maximum.accumulate(np.concatenate(([first], stop[order], [last])))
    opens = np.flatnonzero(begin[1:] > reach[:-1])
    start, end = reach[opens], begin[opens + 1]
    submitted = np.sort(submitted)
    following = np.searchsorted(submitted, start, side="right")
    was_queued = following > np.searchsorted(begin[1:-1], start, side="right")
    launched = np.minimum(np.append(submitted, last)[following], end)
    next_work = np.append(mine[order], -1)[opens]
    return Gaps(start, end, np.where(was_queued, start, launched), next_work, was_queued)


def gaps_around(
    linked: LinkedTrace, launches: LaunchTimes, devices: Devices, device: int, iterations: Iterations
) -> Gaps:
    """Before the time in which a device is looked at and after it, up to where the iterations begin and end
    in which that time does: at most two. Iterations that the profile cut off have none.
    """
    first, last = int(devices.start_ns[device]), int(devices.end_ns[device])
    opens, closes = (int(iterations.at(np.array([instant]))[0]) for instant in (first, last - 1))
    is_whole = np.append(iterations.is_whole, False)
    begin = int(iterations.start_ns[opens]) if is_whole[opens] else first
    end = int(iterations.end_ns[closes]) if is_whole[closes] else last
    mine = np.flatnonzero(devices.of_work == device)
    begun = linked.trace.start_ns[linked.work.row[mine]]
    following = int(mine[np.argmin(begun)])
    reached = min(first, max(begin, int(launches.submitted_ns[mine].min())))
    start, stop = np.array([begin, last], np.int64), np.array([first, end], np.int64)
    launched, next_work = np.array([reached, end], np.int64), np.array([following, -1], np.int64)
    held = start < stop
    return Gaps(start[held], stop[held], launched[held], next_work[held], np.zeros(int(held.sum()), np.bool_))


def _alphabetic(linked: LinkedTrace, work: Int64s) -> Int64s:
    """The place of each piece of work's op among the names of all, by alphabet."""
    op = linked.work.op[work]
    names = np.append(linked.host.name, -1)[op]
    numbers, which = np.unique(names, return_inverse=True)
    texts = np.array([linked.trace.names[number] if number >= 0 else "" for number in numbers.tolist()])
    rank: Int64s = np.argsort(np.argsort(texts))[which]
    return rank
