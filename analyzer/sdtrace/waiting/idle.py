"""Idle time of the devices: every nanosecond of each has exactly one cause.

A device is idle with none of its work running on any stream, from the first to the last piece of device
work (of all devices that one process feeds). What lies before and after, up to the ends of the iterations
of that work, is kept apart. A gap is split where the host's doing changes; each part has
the first of these causes that holds:

- `earlier_work`: not idle, it ran work from before the profile that is not in the file.
- `capture`, `autotune`, `compile`: the host's phase.
- `other_device`: a device was at work with which this one takes turns.
- `device_gap`: when the gap began, launched work was waiting on the device, or it waited for 1 ms and more
  after its launch; the host is not to blame.

For those that follow the queue was empty, and the host

- `data_wait`: was fetching the next batch;
- `memory`: was in a call that gets device or pinned memory from the driver, or gives it back;
- `copy`: was held up by a copy between host and device, or moving many tensors one by one;
- `sync`: was in a blocking call;
- `runtime_call`: was in some other runtime call for 1 ms and more;
- `gc`: was collecting garbage;
- `cpu_work`: was in an op that launches nothing for 1 ms and more: it works on the CPU;
- `lock`: was waiting for another thread, as a Python function (with_stack) or an annotation says;
- `python`: was in a Python function (with_stack) or an annotation for 1 ms and more without any op, or in
  what a function does between the ops that it calls;
- `between_iterations`: was in no iteration;
- `copy`, `sync` again: had returned from a copy or a blocking call, for as long as it had lasted and within
  the iteration. By so much the host is late;
- `host_stall`: ran no op or runtime call for more than 100 ms; nothing in the trace explains it;
- `host_silence`: the same for more than 5 ms.

What is left is

- `other`: the trace does not tell when the next work was launched, or none followed.
- `launch_bound`: the GPU waits for the CPU to launch the next kernel.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from sdtrace.attribution.earlier_work import EarlierWork, earlier_work
from sdtrace.attribution.launches import LaunchTimes
from sdtrace.attribution.linked_trace import LinkedTrace
from sdtrace.intervals import Int64s, Intervals, contains, union
from sdtrace.phases.timeline import AUTOTUNE, CAPTURE, COMPILE, Timeline
from sdtrace.structure.iterations import Iterations
from sdtrace.waiting.claims import (
    BETWEEN_ITERATIONS,
    COPY,
    CPU_WORK,
    DATA_WAIT,
    DEVICE_GAP,
    EARLIER_WORK,
    GC,
    HOST_SILENCE,
    HOST_STALL,
    LOCK,
    MEMORY,
    OTHER,
    OTHER_DEVICE,
    PYTHON,
    RUNTIME_CALL,
    SYNC,
    Claim,
    HostClaims,
    device_claims,
    host_claims,
)
from sdtrace.waiting.devices import Devices, find_devices
from sdtrace.waiting.gaps import Gaps, find_gaps, gaps_around
from sdtrace.waiting.waits import time_by_name

LAUNCH_BOUND: Final = "launch_bound"
CAUSES: Final = (
    CAPTURE,
    AUTOTUNE,
    COMPILE,
    OTHER_DEVICE,
    DEVICE_GAP,
    DATA_WAIT,
    MEMORY,
    COPY,
    SYNC,
    RUNTIME_CALL,
    GC,
    CPU_WORK,
    LOCK,
    PYTHON,
    BETWEEN_ITERATIONS,
    HOST_STALL,
    HOST_SILENCE,
    OTHER,
    LAUNCH_BOUND,
    EARLIER_WORK,
)


class Cause(NamedTuple):
    """Idle time of one cause, in nanoseconds, and in how many gaps it occurs."""

    cause: str
    ns: int
    gaps: int


@dataclass(frozen=True)
class Idle:
    """Idle time in parts of one cause each, by device and in order; arrays of one length.

    `cause` indexes `CAUSES`, `device` the devices, `gap` the gaps of all devices; `blamed` is the number of
    a name, -1 for none: for what the host was doing the op that asked for it, else the call; for
    `launch_bound` the op that launched the work which ended the gap.
    """

    linked: LinkedTrace
    devices: Devices
    start_ns: Int64s
    end_ns: Int64s
    cause: NDArray[np.int8]
    device: Int64s
    gap: Int64s
    blamed: Int64s
    around: Idle | None = None
    """Idle time before the first work and after the last, in the iterations that hold these."""

    @property
    def lengths(self) -> Int64s:
        """Nanoseconds of each part."""
        return self.end_ns - self.start_ns

    @property
    def total_ns(self) -> int:
        """All idle time, summed over the devices."""
        return int(self.lengths.sum())

    def causes(self) -> list[Cause]:
        """The causes that occur, longest first; they sum to the idle time."""
        found = []
        for code, name in enumerate(CAUSES):
            mine = self.cause == code
            if mine.any():
                gaps = 1 + int(np.count_nonzero(np.diff(self.gap[mine])))
                found.append(Cause(name, int(self.lengths[mine].sum()), gaps))
        return sorted(found, key=lambda cause: -cause.ns)

    def blamed_for(self, cause: str) -> list[tuple[str, int]]:
        """Ops or calls to blame for idle time of a cause, with its nanoseconds; longest first."""
        mine = self.cause == CAUSES.index(cause)
        return time_by_name(self.linked, self.blamed[mine], self.lengths[mine])

    def when(self, cause: str) -> Intervals:
        """When a device was idle for one cause."""
        mine = self.cause == CAUSES.index(cause)
        return union(self.start_ns[mine], self.end_ns[mine])

    def with_around(self) -> Idle:
        """The idle time with that before the first work and after the last."""
        if self.around is None:
            return self
        more = self.around
        device = np.concatenate((self.device, more.device))
        start = np.concatenate((self.start_ns, more.start_ns))
        gap = np.concatenate((self.gap, more.gap + int(self.gap.max(initial=-1)) + 1))
        order = np.lexsort((start, device))
        return Idle(
            self.linked,
            self.devices,
            start[order],
            np.concatenate((self.end_ns, more.end_ns))[order],
            np.concatenate((self.cause, more.cause))[order],
            device[order],
            gap[order],
            np.concatenate((self.blamed, more.blamed))[order],
        )

    def of_device(self, device: int) -> Idle:
        """The idle time of one device, by its place among the devices."""
        mine = self.device == device
        return replace(
            self,
            start_ns=self.start_ns[mine],
            end_ns=self.end_ns[mine],
            cause=self.cause[mine],
            device=self.device[mine],
            gap=self.gap[mine],
            blamed=self.blamed[mine],
        )

    def within(self, spans: Intervals) -> Idle:
        """The idle time that lies in `spans`, parts cut where these begin and end."""
        first = np.searchsorted(spans.end, self.start_ns, side="right")
        counts = np.maximum(0, np.searchsorted(spans.start, self.end_ns, side="left") - first)
        part = np.repeat(np.arange(len(counts)), counts)
        span = np.arange(len(part)) - np.repeat(np.cumsum(counts) - counts, counts) + first[part]
        return replace(
            self,
            start_ns=np.maximum(self.start_ns[part], spans.start[span]),
            end_ns=np.minimum(self.end_ns[part], spans.end[span]),
            cause=self.cause[part],
            device=self.device[part],
            gap=self.gap[part],
            blamed=self.blamed[part],
        )


class _Parts(NamedTuple):
    """Idle time of one device in parts; `blamed` as in `Idle`, `gap` an index into its own gaps."""

    start_ns: Int64s
    end_ns: Int64s
    cause: NDArray[np.int8]
    gap: Int64s
    blamed: Int64s


def find_idle(linked: LinkedTrace, launches: LaunchTimes, timeline: Timeline, iterations: Iterations) -> Idle:
    """Split the idle time of every device by cause."""
    devices = find_devices(linked)
    of_host = host_claims(linked, timeline, iterations)
    edges = np.concatenate((timeline.edges, iterations.start_ns, iterations.end_ns))
    unseen = earlier_work(linked)

    def split(gaps: list[Gaps], of_host: HostClaims) -> Idle:
        parts = []
        for device, own in enumerate(gaps):
            earlier = EarlierWork(*(column[devices.of_work[unseen.work] == device] for column in unseen))
            claims = device_claims(linked, launches, own, devices.others_busy(device), earlier, of_host)
            parts.append(_split(linked, own, claims, edges))
        return _together(linked, devices, gaps, parts)

    every = range(len(devices))
    found = split([find_gaps(linked, launches, devices, device) for device in every], of_host)
    around = [gaps_around(linked, launches, devices, device, iterations) for device in every]
    if not any(len(own.start_ns) for own in around):
        return found
    # Nothing follows the last work that the host could be late with.
    return replace(found, around=split(around, of_host._replace(late=[])))


def _together(linked: LinkedTrace, devices: Devices, gaps: list[Gaps], parts: list[_Parts]) -> Idle:
    before = np.append(0, np.cumsum([len(own.start_ns) for own in gaps]))
    return Idle(
        linked,
        devices,
        start_ns=_column([part.start_ns for part in parts]),
        end_ns=_column([part.end_ns for part in parts]),
        cause=_column([part.cause for part in parts]).astype(np.int8),
        device=_column([np.full(len(part.gap), device, np.int64) for device, part in enumerate(parts)]),
        gap=_column([part.gap + before[device] for device, part in enumerate(parts)]),
        blamed=_column([part.blamed for part in parts]),
    )


def _split(linked: LinkedTrace, gaps: Gaps, claims: list[Claim], edges: Int64s) -> _Parts:
    """Cut the gaps wherever a claim begins or ends, or whom to blame changes.

    Each part is of the first claim that holds.
    """
    sides = [edges, gaps.launched_ns, *(side for claim in claims for side in claim.spans)]
    sides += [claim.by.start_ns for claim in claims if claim.by is not None]
    start = _cut(Intervals(gaps.start_ns, gaps.end_ns), sides)
    gap = np.searchsorted(gaps.start_ns, start, side="right") - 1
    end = np.minimum(np.append(start[1:], gaps.end_ns[-1:]), gaps.end_ns[gap])
    cause = np.full(len(start), CAUSES.index(LAUNCH_BOUND), np.int8)
    blamed = _launching_ops(linked, gaps.next_work[gap])
    is_empty = start < gaps.launched_ns[gap]
    for claim in reversed(claims):
        mine = contains(claim.spans, start)
        mine &= is_empty | (not claim.of_host)
        cause[mine] = CAUSES.index(claim.cause)
        blamed[mine] = -1 if claim.by is None else claim.by.blamed(start[mine])
    return _Parts(start, end, cause, gap, blamed)


def _cut(whole: Intervals, edges: list[Int64s]) -> Int64s:
    """Where the parts of `whole` start when it is cut at all edges, sorted."""
    inner = (edge[contains(whole, edge)] for edge in edges)
    cuts = np.sort(np.concatenate([whole.start, *inner]), kind="stable")
    return cuts[np.append(True, np.diff(cuts) != 0)] if cuts.size else cuts


def _launching_ops(linked: LinkedTrace, work: Int64s) -> Int64s:
    """The name (a number) of the op that launched each piece of work, -1 where the trace does not tell."""
    op = np.append(linked.work.op, -1)[work]
    names: Int64s = np.append(linked.host.name, -1)[op].astype(np.int64)
    return names


def _column(parts: list[NDArray[Any]]) -> NDArray[Any]:
    return np.concatenate([np.zeros(0, np.int64), *parts])
