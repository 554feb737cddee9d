"""Idle time of the device: every nanosecond has exactly one cause.

Idle is what lies between the first and the last piece of device work with none running on any stream.
A gap is split where the host's doing changes; each part has the first of these causes that holds:

- `capture`, `autotune`, `compile`: the host's phase.
- `device_gap`: when the gap began, launched work was waiting on the device; the host is not to blame.
- `sync`: the queue was empty and the host in a blocking call.
- `between_iterations`: the queue was empty and the host in no iteration.
- `sync` again: after a blocking call returned, for as long as it lasted and within the iteration. By so
  much the host is late.
- `data_wait`: the host was fetching the next batch.
- `host_stall`: more than 100 ms without any op or runtime call; nothing in the trace explains it.
- `other`: the trace does not tell when the next work was launched.
- `launch_bound`: the host was on its way to the next launch, or the launch on its way to the device.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from sdtrace.attribution.launches import LaunchTimes
from sdtrace.attribution.linked_trace import LinkedTrace
from sdtrace.intervals import Bools, Int64s, Intervals, contains, intersect, join, subtract, union
from sdtrace.phases.timeline import AUTOTUNE, CAPTURE, COMPILE, Timeline
from sdtrace.structure.iterations import Iterations
from sdtrace.waiting.waits import (
    BlockingCalls,
    asking_ops,
    blocking_calls,
    data_waits,
    long_silence,
    lost_by_waiting,
    time_by_name,
)

CAUSES: Final = (
    CAPTURE,
    AUTOTUNE,
    COMPILE,
    "device_gap",
    "sync",
    "between_iterations",
    "data_wait",
    "host_stall",
    "other",
    "launch_bound",
)
_SYNC: Final = CAUSES.index("sync")
_LAUNCH_BOUND: Final = CAUSES.index("launch_bound")


class Cause(NamedTuple):
    """Idle time of one cause, in nanoseconds, and in how many gaps it occurs."""

    cause: str
    ns: int
    gaps: int


class Gaps(NamedTuple):
    """Idle gaps in order; arrays of one length.

    The queue is empty from `start_ns` to `launched_ns`. `next_work` (an index into `Attribution.work`)
    starts at the end. `was_queued` says that launched work was waiting when the gap began.
    """

    start_ns: Int64s
    end_ns: Int64s
    launched_ns: Int64s
    next_work: Int64s
    was_queued: Bools


@dataclass(frozen=True)
class Idle:
    """Idle time in parts of one cause each, in order; arrays of one length.

    `cause` indexes `CAUSES`, `gap` the gaps; `blamed` is the number of a name, -1 for none: for `sync`
    the op that asked for it, for `launch_bound` the op that launched the work which ended the gap.
    Parts end where phases and iterations do, so that a mask over parts limits every sum to a phase.
    """

    linked: LinkedTrace
    start_ns: Int64s
    end_ns: Int64s
    cause: NDArray[np.int8]
    gap: Int64s
    blamed: Int64s

    @property
    def lengths(self) -> Int64s:
        """Nanoseconds of each part."""
        return self.end_ns - self.start_ns

    @property
    def total_ns(self) -> int:
        """All idle time."""
        return int(self.lengths.sum())

    def causes(self, mask: Bools | None = None) -> list[Cause]:
        """The causes that occur, longest first; they sum to the idle time (of the parts in `mask`)."""
        found = []
        for code, name in enumerate(CAUSES):
            mine = (self.cause == code) if mask is None else (self.cause == code) & mask
            if mine.any():
                gaps = 1 + int(np.count_nonzero(np.diff(self.gap[mine])))
                found.append(Cause(name, int(self.lengths[mine].sum()), gaps))
        return sorted(found, key=lambda cause: -cause.ns)

    def sync_ops(self, mask: Bools | None = None) -> list[tuple[str, int]]:
        """Ops that made the host wait, with the idle nanoseconds this cost; longest first."""
        return self._by_name(_SYNC, mask)

    def launch_bound_ops(self, mask: Bools | None = None) -> list[tuple[str, int]]:
        """Ops whose launches the device was waiting for, with idle nanoseconds; longest first."""
        return self._by_name(_LAUNCH_BOUND, mask)

    def launch_bound(self, mask: Bools | None = None) -> Intervals:
        """When the device waited for launches."""
        mine = self.cause == _LAUNCH_BOUND if mask is None else (self.cause == _LAUNCH_BOUND) & mask
        return union(self.start_ns[mine], self.end_ns[mine])

    def _by_name(self, code: int, mask: Bools | None) -> list[tuple[str, int]]:
        mine = (self.cause == code) if mask is None else (self.cause == code) & mask
        return time_by_name(self.linked, self.blamed[mine], self.lengths[mine])


def find_idle(linked: LinkedTrace, launches: LaunchTimes, timeline: Timeline, iterations: Iterations) -> Idle:
    """Split the device's idle time by cause."""
    gaps = find_gaps(linked, launches)
    calls = blocking_calls(linked)
    claims = _claims(linked, gaps, launches, timeline, iterations, calls)
    whole = Intervals(gaps.start_ns, gaps.end_ns)
    edges = [timeline.edges, iterations.start_ns, iterations.end_ns]
    edges += [side for claim, _ in claims for side in claim]
    start = _cut(whole, edges)
    gap = np.searchsorted(gaps.start_ns, start, side="right") - 1
    end = np.minimum(np.append(start[1:], gaps.end_ns[-1:]), gaps.end_ns[gap])
    cause = np.full(len(start), _LAUNCH_BOUND, np.int8)
    for claim, name in reversed(claims):
        cause[contains(claim, start)] = CAUSES.index(name)
    blamed = np.full(len(start), -1, np.int64)
    late, synced = cause == _LAUNCH_BOUND, cause == _SYNC
    blamed[late] = _launching_ops(linked, gaps.next_work[gap[late]])
    call = np.searchsorted(calls.start_ns, start[synced], side="right") - 1
    blamed[synced] = asking_ops(linked, calls.event[call])
    return Idle(linked, start, end, cause, gap, blamed)


def find_gaps(linked: LinkedTrace, launches: LaunchTimes) -> Gaps:
    """Gaps of the union of all streams, and whether launched work was waiting when each began."""
    row = linked.work.row
    some = np.flatnonzero(linked.trace.dur_ns[row] > 0)
    begin, stop = linked.trace.start_ns[row[some]], linked.trace.end_ns[row[some]]
    submitted = np.sort(launches.submitted_ns[some])
    order = np.argsort(begin, kind="stable")
    busy = union(begin, stop)
    start, end = busy.end[:-1], busy.start[1:]
    waiting = np.searchsorted(submitted, start) - np.searchsorted(begin[order], start)
    was_queued = waiting > 0
    following = np.searchsorted(submitted, start)
    launched = np.minimum(np.append(submitted, submitted[-1:])[following], end)
    next_work = some[order[np.searchsorted(begin[order], end)]]
    return Gaps(start, end, np.where(was_queued, start, launched), next_work, was_queued)


def _claims(
    linked: LinkedTrace,
    gaps: Gaps,
    launches: LaunchTimes,
    timeline: Timeline,
    iterations: Iterations,
    calls: BlockingCalls,
) -> list[tuple[Intervals, str]]:
    """Sets of instants with their cause, in the order of priority; what none claims is launch-bound."""
    empty = union(gaps.start_ns, gaps.launched_ns)
    queued = Intervals(gaps.start_ns[gaps.was_queued], gaps.end_ns[gaps.was_queued])
    unknown = ~launches.is_known[gaps.next_work]
    overhead = [(timeline.of(phase), phase) for phase in (CAPTURE, AUTOTUNE, COMPILE)]
    stalls = long_silence(linked, subtract(empty, join(*(claim for claim, _ in overhead))))
    inside = union(iterations.start_ns, iterations.end_ns)
    return [
        *overhead,
        (queued, "device_gap"),
        (intersect(empty, union(calls.start_ns, calls.end_ns)), "sync"),
        (subtract(empty, inside), "between_iterations"),
        (intersect(empty, lost_by_waiting(calls, iterations)), "sync"),
        (intersect(empty, data_waits(linked)), "data_wait"),
        (stalls, "host_stall"),
        (Intervals(gaps.start_ns[unknown], gaps.end_ns[unknown]), "other"),
    ]


def _cut(whole: Intervals, edges: list[Int64s]) -> Int64s:
    """Where the parts of `whole` start when it is cut at all edges, sorted."""
    inner = (edge[contains(whole, edge)] for edge in edges)
    cuts = np.sort(np.concatenate([whole.start, *inner]), kind="stable")
    return cuts[np.append(True, np.diff(cuts) != 0)] if cuts.size else cuts


def _launching_ops(linked: LinkedTrace, work: Int64s) -> Int64s:
    """The name (a number) of the op that launched each piece of work, -1 where the trace does not tell."""
    op = linked.work.op[work]
    return np.where(op >= 0, linked.host.name[op], -1) if len(linked.host) else np.full(len(op), -1, np.int64)
