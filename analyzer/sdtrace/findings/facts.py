"""Facts that findings are drawn from, one record for each kind."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal, NamedTuple


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
    """A component of the pipeline: steady time in which the queue was empty while the CPU ran it, and the
    steady GPU work it launched, in nanoseconds; whether most of that is launched by compiled code."""

    component: str
    idle_ns: int
    work_ns: int
    is_compiled: bool = False


class MemoryCalls(NamedTuple):
    """Steady calls that get memory from the driver or give it back: how many, their CPU time in nanoseconds,
    how many give back, and how many of these no op asked for."""

    calls: int
    host_ns: int
    frees: int
    direct_frees: int = 0

    @property
    def are_asked_for(self) -> bool:
        """Whether the program itself, or a library, has most of the memory freed."""
        return 2 * self.direct_frees > self.frees > 0


class CopyTraffic(NamedTuple):
    """Steady copies between CPU and GPU in one direction.

    `ns` is GPU time, `blocked_ns` CPU time of the calls that waited for their copy, both in
    nanoseconds. `nbytes` is None where the trace does not give the size of every copy; `pageable` counts
    copies from or to memory that is not pinned.
    """

    to_device: bool
    ns: int
    nbytes: int | None
    calls: int
    pageable: int
    blocked_ns: int


class Wait(NamedTuple):
    """An op whose calls wait for the GPU in steady state, and the idle time around them in nanoseconds.

    `component` is where most of them are made, '' outside every component; `frame` the Python function that
    makes them, '' without stacks.
    """

    op: str
    ns: int
    calls: int
    component: str = ""
    frame: str = ""


class Offload(NamedTuple):
    """How weights come to the GPU in steady state: `bursts` of copies between kernels, `nbytes` in all.

    `what` is `models` where whole models come and go, `layers` where each layer comes again and again and
    nothing goes back, '' where the copies do not tell. `total_bytes` is the GPU's memory, 0 where unknown.
    """

    what: Literal["models", "layers", ""]
    bursts: int
    nbytes: int
    total_bytes: int = 0


class Late(NamedTuple):
    """An iteration (from 0) that holds overhead after the first steady one, or compiles again before it: of
    which kind, how much. Of a compile also the iteration's wall, the numbers of the frames that torch
    compiled again, and what had changed of the inputs: `kind` is shape, type, '' where nothing had, None
    where the trace does not tell; `change` says it in words."""

    iteration: int
    phase: str
    ns: int
    wall_ns: int = 0
    frames: Sequence[str] = ()
    kind: str | None = None
    change: str = ""


class Part(NamedTuple):
    """A part of steady work: its time, and of what is held against the card the time and the least time."""

    name: str
    ns: int
    known_ns: int = 0
    roof_ns: int = 0


class Dominant(NamedTuple):
    """What takes most of the steady work, in nanoseconds: GPU work, or CPU time where there is none.

    `callers` are the modules or functions around most of the op's time, from the inside out. Without GPU
    work: `quiet_ns` of steady iterations no op runs, most of it in the annotation `quiet_in`.
    """

    whole_ns: int
    on_device: bool
    component: Part | None
    category: Part | None
    op: Part | None
    callers: Sequence[str]
    quiet_ns: int = 0
    quiet_in: Part | None = None


class Breaks(NamedTuple):
    """Compiled pieces that always run one after the other, by name; `is_named` where one is called a
    function that resumes."""

    pieces: Sequence[str]
    calls: int
    is_named: bool


class Replays(NamedTuple):
    """Steady launches of CUDA graphs: how many, the median of the kernels in each, and their CPU time."""

    launches: int
    kernels: int
    host_ns: int


class Conversions(NamedTuple):
    """Steady GPU time of conversions between NCHW and NHWC: by cuDNN in eager code and in compiled code,
    and of weights by kernels that Inductor generated; `forward_ns` is what forward convolutions launched."""

    eager_ns: int
    compiled_ns: int
    weights_ns: int
    weight_kernels: Sequence[str]
    forward_ns: int = 0


NO_CONVERSIONS = Conversions(0, 0, 0, ())


class FewBlocks(NamedTuple):
    """Steady kernels of 5 us and more whose blocks do not fill the card: with fewer blocks than it has
    multiprocessors, or with a last round that few of them are busy in.

    `ns` is their device time, `few_ns` the part with less than one round, `lost_ns` what they would take less
    at the same pace with all multiprocessors busy. `names` has those that lose most first, `blocks` the
    blocks of the first; `sms` are the card's multiprocessors.
    """

    ns: int
    few_ns: int
    lost_ns: int
    names: Sequence[str]
    blocks: int
    sms: int


class Fusable(NamedTuple):
    """The component with the most steady device work that runs op by op and that a compiler would fuse:
    elementwise ops, norms, reductions and conversions; `ns` of `whole_ns`, in `kernels` kernels."""

    component: str
    ns: int
    whole_ns: int
    kernels: int


class Encoded(NamedTuple):
    """What text encoders do in steady state: their calls, wall on the host and device work, in ns."""

    component: str
    calls: int
    wall_ns: int
    work_ns: int


class Slower(NamedTuple):
    """Kernels that ran slower at the end of the trace than at its start, with the same arguments."""

    ratio: float
    ns: int
    example: str


class MemoryPeak(NamedTuple):
    """The most bytes that the allocator held on the GPU, the GPU's memory, and its number."""

    reserved: int
    total: int
    device: int = 0


class Tuned(NamedTuple):
    """Steady kernels that autotune chose in the same trace.

    `ns` is their device time, `lost_ns` what they would take less had each been as fast as the fastest
    variant tried (only where that is 5 % and more); `names` has those that lose most first, `kernels` counts
    them. The first took `chosen_ns` when it was tried, the fastest of `tried` variants `best_ns`. Before a
    variant of median duration `timed_ns` the GPU waited for `waited_ns`. `elsewhere_ns` is the part of `ns`
    with sizes that were not tried, `elsewhere_names` those that have most of it.
    """

    ns: int
    lost_ns: int
    names: Sequence[str]
    kernels: int
    chosen_ns: int
    best_ns: int
    tried: int
    waited_ns: int
    timed_ns: int
    elsewhere_ns: int
    elsewhere_names: Sequence[str]
