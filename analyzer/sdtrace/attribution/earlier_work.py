"""Work that ran on the device when the profile began and is not in the file."""

from __future__ import annotations

from typing import Final, NamedTuple

import numpy as np

from sdtrace.attribution.linked_trace import LinkedTrace
from sdtrace.intervals import Int64s, Intervals, covered, union

_LONG_NS: Final = 1_000_000
"""The device takes work from an empty queue within some microseconds."""


class EarlierWork(NamedTuple):
    """Times in which a stream must have run work from before the profile; one element per stream.

    `work` (an index into `LinkedTrace.work`) is the first piece of the stream that the file holds. The device
    had it from `start_ns` on and began with it at `end_ns`.
    """

    start_ns: Int64s
    end_ns: Int64s
    work: Int64s

    @property
    def spans(self) -> Intervals:
        """When any stream ran such work."""
        return union(self.start_ns, self.end_ns)


def earlier_work(linked: LinkedTrace) -> EarlierWork:
    """Streams that ran unseen work when the profile began.

    A stream runs its work in order. So its first piece, launched as soon as the profile began, waited for
    earlier work if it began long after its launch, while no device ran anything that the file holds. The
    profile began less before the launch than the wait was long: later on, such a wait has other causes.
    """
    trace, work = linked.trace, linked.work
    start, stream = trace.start_ns[work.row], trace.thread[work.row]
    order = np.lexsort((start, stream))
    first = order[np.append(True, np.diff(stream[order]) != 0)] if order.size else order
    first = first[work.launch[first] >= 0]
    end = start[first]
    given = np.minimum(trace.end_ns[work.launch[first]], end)
    began = int(linked.host.start_ns.min(initial=np.iinfo(np.int64).max))
    may_be = (end - given > _LONG_NS) & (2 * (end - given) > end - began)
    first, given, end = first[may_be], given[may_be], end[may_be]
    before = start < end.max(initial=0)
    unseen = end - given - covered(union(start[before], trace.end_ns[work.row[before]]), given, end)
    mine = (unseen > _LONG_NS) & (2 * unseen > end - began)
    return EarlierWork(given[mine], end[mine], first[mine])
