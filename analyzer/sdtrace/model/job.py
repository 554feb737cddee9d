"""Several ranks that worked together: records of `report.json`."""

from __future__ import annotations

from sdtrace.model.finding import Confidence, Finding
from sdtrace.model.struct import Struct


class JobRank(Struct, kw_only=True, frozen=True):
    """One rank of a job, over its whole trace.

    `busy_us` is `compute_us` + copies alone + `exposed_us`: how long its device was at work. Of
    `communication_us` the part `exposed_us` has no other work beside it, and `waiting_us` is spent waiting
    for ranks that came later.
    """

    rank: int
    trace: str
    """The name of its trace; of several ranks in one file that of the file."""
    device: str
    wall_us: float
    busy_us: float
    compute_us: float
    """When kernels ran that do not communicate."""
    copies_us: float
    """When copies and fills ran."""
    communication_us: float
    exposed_us: float
    waiting_us: float
    idle_us: float
    idle_cause: str
    """What it was idle for longest; '' where it never was."""
    last: int
    """Collectives at which it was the last to arrive."""
    late_us: float
    """How long all others waited for this rank alone, for what it did itself: docs/ranks.md."""
    clock_shift_us: float | None
    """What its clock was set forward by; None where no collective shows it."""


class JobIdle(Struct, kw_only=True, frozen=True):
    """Idle time of one rank's device with one cause."""

    rank: int
    cause: str
    us: float
    gaps: int


class Collective(Struct, kw_only=True, frozen=True):
    """Collectives of one kind, size, type and group. Each counts once, however many ranks take part."""

    kind: str
    bytes: int | None
    """What NCCL's tests call the size: of the larger of input and output of a rank. None if unknown."""
    dtype: str
    group: str
    """The process group: its name and its ranks; '' where the trace does not say."""
    group_size: int | None
    calls: int
    us: float
    """Device time, summed over the ranks; without a device the time on the CPU. Waiting is in it."""
    waiting_us: float | None
    """How much of it was waiting for the last rank; None where the trace of only one rank is there."""
    overlapped_us: float
    """What of it ran beside other work of its rank."""
    transfer_us: float | None
    """Of the middle call: from the arrival of the last rank to the end. None as for `waiting_us`."""
    algbw_gbps: float | None
    """`bytes` / `transfer_us`, in 10^9 bytes a second."""
    busbw_gbps: float | None
    """The same, times what each byte costs on the links: see docs/ranks.md."""
    pct_of_link: float | None
    """`busbw_gbps` as a share of what the card's links to other GPUs can do."""


class Late(Struct, kw_only=True, frozen=True):
    """The last rank to arrive at one collective."""

    collective: str
    index: int
    """Its place among the collectives of its group, counted from 0."""
    group: str
    rank: int
    iteration: int | None
    """Of that rank, counted from 0; None outside all iterations."""
    step: int | None
    """The denoising step of the iteration, counted from 0."""
    at_us: float
    """When it arrived, since the job's first event."""
    by_us: float
    """How long the first rank waited for it."""
    alone_us: float
    """How long it kept all others waiting: its distance to the last but one."""
    first: int
    """The rank that arrived first."""
    cause: str
    """What it spent more time on than the first rank since their last collective: an id."""
    cause_us: float
    """How much more."""
    doing: str
    """The same in words, with the op, the component or the data."""


class Clocks(Struct, kw_only=True, frozen=True):
    """How far times of different ranks can be compared."""

    how: str
    collectives: int
    """Collectives that ended on all ranks at once, by which the clocks were set."""
    residual_us: float | None
    """Nine in ten of these ends differ by less, once the clocks are set. Without collectives, what sends and
    receives leave open; None where neither tells."""


class Job(Struct, kw_only=True, frozen=True):
    """Ranks that worked together on one job."""

    verdict: str
    how: str
    """How they were recognised."""
    confidence: Confidence
    world_size: int | None
    """Ranks of the job, also those whose traces are not here; None where no trace says."""
    clocks: Clocks
    ranks: list[JobRank]
    idle: list[JobIdle]
    collectives: list[Collective]
    late: list[Late]
    findings: list[Finding]
    """A saving is of all iterations in the traces together."""
