"""Which instants each cause of idle time claims, and what is to blame for it."""

from __future__ import annotations

from typing import Final, NamedTuple

import numpy as np

from sdtrace.attribution.earlier_work import EarlierWork
from sdtrace.attribution.launches import LaunchTimes
from sdtrace.attribution.linked_trace import LinkedTrace
from sdtrace.intervals import Intervals, join, subtract, union
from sdtrace.phases.silence import (
    STALL_NS,
    explained,
    lock_waits,
    long_silence,
    longer,
    quiet_frames,
    work_on_cpu,
)
from sdtrace.phases.timeline import AUTOTUNE, CAPTURE, COMPILE, Timeline
from sdtrace.structure.iterations import Iterations
from sdtrace.waiting.activity import (
    Activity,
    activity,
    asking_ops,
    collections,
    data_waits,
    long_calls,
    memory_calls,
    of_events,
)
from sdtrace.waiting.copies import find_copies
from sdtrace.waiting.gaps import Gaps
from sdtrace.waiting.own_python import own_python
from sdtrace.waiting.waits import blocking_calls, lost_by_waiting

EARLIER_WORK: Final = "earlier_work"
OTHER_DEVICE: Final = "other_device"
DEVICE_GAP: Final = "device_gap"
DATA_WAIT: Final = "data_wait"
MEMORY: Final = "memory"
COPY: Final = "copy"
SYNC: Final = "sync"
RUNTIME_CALL: Final = "runtime_call"
GC: Final = "gc"
CPU_WORK: Final = "cpu_work"
LOCK: Final = "lock"
PYTHON: Final = "python"
BETWEEN_ITERATIONS: Final = "between_iterations"
HOST_STALL: Final = "host_stall"
HOST_SILENCE: Final = "host_silence"
OTHER: Final = "other"
_LATE_NS: Final = 1_000_000
"""The device begins with what it was given within some microseconds."""
_EVER: Final = Intervals(np.array([-(1 << 62)]), np.array([1 << 62]))


class Claim(NamedTuple):
    """Instants of a cause, and what to blame; one of the host holds only while the queue is empty."""

    cause: str
    spans: Intervals
    by: Activity | None = None
    of_host: bool = True


class HostClaims(NamedTuple):
    """Claims that are the same for all devices, in the order of priority within each part."""

    phases: list[Claim]
    doing: list[Claim]
    late: list[Claim]
    explained: Intervals
    """Silence that is no stall."""


def host_claims(linked: LinkedTrace, timeline: Timeline, iterations: Iterations) -> HostClaims:
    """What the host did, of all kinds that can be to blame."""
    copies = find_copies(linked)
    memory, blocking = memory_calls(linked), np.setdiff1d(blocking_calls(linked), copies.calls)
    others = np.setdiff1d(long_calls(linked), np.concatenate((memory, blocking, copies.calls)))
    host = linked.host
    start = host.start_ns[blocking]
    sync = activity(start, start + host.dur_ns[blocking], host.name[asking_ops(linked, blocking)])
    inside = union(iterations.start_ns, iterations.end_ns)
    return HostClaims(
        [Claim(phase, timeline.of(phase), of_host=False) for phase in (CAPTURE, AUTOTUNE, COMPILE)],
        [
            _doing(DATA_WAIT, of_events(linked, data_waits(linked))),
            _doing(MEMORY, of_events(linked, memory)),
            _doing(COPY, copies.activity),
            _doing(SYNC, sync),
            _doing(RUNTIME_CALL, of_events(linked, others)),
            _doing(GC, of_events(linked, collections(linked))),
            _doing(CPU_WORK, of_events(linked, work_on_cpu(linked))),
            _doing(LOCK, of_events(linked, lock_waits(linked))),
            _doing(PYTHON, of_events(linked, quiet_frames(linked))),
            _doing(PYTHON, own_python(linked)),
            Claim(BETWEEN_ITERATIONS, subtract(_EVER, inside)),
        ],
        [
            Claim(COPY, lost_by_waiting(copies.blocked, iterations), copies.blocked),
            Claim(SYNC, lost_by_waiting(sync, iterations), sync),
        ],
        explained(linked),
    )


def device_claims(
    linked: LinkedTrace,
    launches: LaunchTimes,
    gaps: Gaps,
    others_busy: Intervals,
    earlier: EarlierWork,
    claims: HostClaims,
) -> list[Claim]:
    """All claims on the gaps of a device, in the order of priority; what none claims is launch-bound."""
    queued, follows = gaps.was_queued, gaps.next_work >= 0
    unknown = ~(follows & np.append(launches.is_known, False)[gaps.next_work])
    empty = union(gaps.start_ns, gaps.launched_ns)
    spoken_for = join(claims.explained, *(claim.spans for claim in claims.phases))
    silence = long_silence(linked, subtract(empty, spoken_for))
    ready = np.where(queued, gaps.start_ns, gaps.launched_ns)
    held = queued | (gaps.end_ns - ready > _LATE_NS)
    return [
        Claim(EARLIER_WORK, earlier.spans, of_host=False),
        *claims.phases,
        Claim(OTHER_DEVICE, others_busy, of_host=False),
        Claim(DEVICE_GAP, Intervals(ready[held], gaps.end_ns[held]), of_host=False),
        *claims.doing,
        *claims.late,
        Claim(HOST_STALL, longer(silence, STALL_NS)),
        Claim(HOST_SILENCE, silence),
        Claim(OTHER, Intervals(gaps.start_ns[unknown], gaps.end_ns[unknown]), of_host=False),
    ]


def _doing(cause: str, by: Activity) -> Claim:
    return Claim(cause, by.spans, by)
