"""Facts that findings are drawn from, one record for each kind."""

from __future__ import annotations

from typing import NamedTuple


class Range(NamedTuple):
    """A device row of a user annotation: a hull, not work."""

    name: str
    total_ns: int


class Collectives(NamedTuple):
    """Steady communication between devices, in nanoseconds: as kernels sum up, as time covered, and the
    part of that time in which nothing else ran."""

    work_ns: int
    covered_ns: int
    exposed_ns: int


class Searches(NamedTuple):
    """Convolutions that tried algorithms: how many, of which op, their wall time and what they launched."""

    op: str
    calls: int
    wall_ns: int
    launched: int
    gpu_ns: int


class Culprit(NamedTuple):
    """An op or a stage that something is charged to, and how much, in nanoseconds."""

    name: str
    ns: int


class Waiting(NamedTuple):
    """A component of the pipeline: steady time in which the queue was empty while the host ran it, and the
    steady device work it launched, in nanoseconds."""

    component: str
    idle_ns: int
    work_ns: int


class MemoryCalls(NamedTuple):
    """Steady calls that get memory from the driver or give it back: how many, their host time in nanoseconds,
    and how many give back."""

    calls: int
    host_ns: int
    frees: int


class CopyTraffic(NamedTuple):
    """Steady copies between host and device in one direction.

    `ns` is device time, `blocked_ns` host time of the calls that waited for their copy, both in
    nanoseconds. `nbytes` is None where the trace does not give the size of every copy; `pageable` counts
    copies from or to memory that is not pinned.
    """

    to_device: bool
    ns: int
    nbytes: int | None
    calls: int
    pageable: int
    blocked_ns: int


class Late(NamedTuple):
    """An iteration (from 0) that holds overhead after the first steady one, or compiles again before it: of
    which kind, how much."""

    iteration: int
    phase: str
    ns: int
