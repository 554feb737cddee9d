"""Gaps in a device's work, and whether something was queued on it when each began."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from sdtrace.attribution.launches import LaunchTimes
from sdtrace.attribution.linked_trace import LinkedTrace
from sdtrace.intervals import Bools, Int64s
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


def _alphabetic(linked: LinkedTrace, work: Int64s) -> Int64s:
    """The place of each piece of work's op among the names of all, by alphabet."""
    op = linked.work.op[work]
    names = np.append(linked.host.name, -1)[op]
    numbers, which = np.unique(names, return_inverse=True)
    texts = np.array([linked.trace.names[number] if number >= 0 else "" for number in numbers.tolist()])
    rank: Int64s = np.argsort(np.argsort(texts))[which]
    return rank
