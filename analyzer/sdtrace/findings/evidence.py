"""What findings are drawn from: numbers already computed, nothing of the trace itself."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from shlex import quote

from sdtrace.attribution.losses import Losses
from sdtrace.attribution.unwatched import NOTHING, Unwatched
from sdtrace.breakdowns.kernels import CategoryRow, KernelRow
from sdtrace.breakdowns.phases import PhaseRow
from sdtrace.findings.facts import (
    NO_CONVERSIONS,
    Breaks,
    Collectives,
    Conversions,
    CopyTraffic,
    Culprit,
    Dominant,
    Encoded,
    FewBlocks,
    Fusable,
    Late,
    MemoryCalls,
    MemoryPeak,
    Offload,
    Range,
    Replays,
    Searches,
    Slower,
    Tuned,
    Wait,
    Waiting,
)
from sdtrace.roofline.by_shape import ShapeRow
from sdtrace.waiting.devices import Turns

_IN_QUOTES = re.compile(r'[\\"$`]')
"""What a shell obeys within double quotes."""
_ESCAPED = r"\\\g<0>"
_MUCH_MOVED = 0.15
"""Inputs and results take a few percent at most; what takes more is weights, or data of many gigabytes."""
_RECORDS = 2
"""So many times as many launches are recorded as run."""
_COMPILED = 1.0
"""Percent of steady GPU work."""
_OF_HOST = ("launch_bound", "memory", "copy", "runtime_call", "gc", "cpu_work", "lock", "python")
"""Causes of idle time that a faster CPU would shorten."""
_OWN_WORK = ("cpu_work", "lock", "python")
"""Those of them in which the CPU is busy with other things than launching."""


@dataclass(frozen=True)
class Evidence:
    """All times in integer nanoseconds. `steady_*` cover the steady phase."""

    wall_ns: int
    phases: Mapping[str, PhaseRow]
    n_steady: int
    """Steady iterations; 0 when none were found."""
    steady_wall_ns: int | None
    """Median wall of a steady iteration."""
    steady_work_ns: int
    steady_kernels: Sequence[KernelRow]
    steady_categories: Sequence[CategoryRow]
    iteration_work_ns: int = 0
    """GPU work of a steady iteration, the mean; `steady_work_ns` is also of what lies between them."""
    autotune_categories: Sequence[CategoryRow] = ()
    autotune_calls: int = 0
    compile_categories: Sequence[CategoryRow] = ()
    compile_stages: Sequence[Culprit] = ()
    """Exclusive time, longest first."""
    paid_once: Mapping[str, int] = field(default_factory=dict)
    """CPU wall by kind of overhead; of warmup what exceeds as many steady iterations."""
    late_overhead: Sequence[Late] = ()
    first_calls: Sequence[Culprit] = ()
    first_calls_ns: int = 0
    steady_idle: Mapping[str, int] = field(default_factory=dict)
    """Idle time by cause within steady state."""
    device_gaps: int = 0
    """Gaps of the cause `device_gap` in it."""
    collectives: Collectives | None = None
    waits: Sequence[Wait] = ()
    """Ops whose calls wait for the GPU, those with most idle time around them first."""
    launch_bound_culprits: Sequence[Culprit] = ()
    launch_bound_components: Sequence[Waiting] = ()
    """Those in which the GPU waited, longest first."""
    graph_replayed_ns: int = 0
    """Steady GPU work launched by replays of CUDA graphs."""
    kernels: int = 0
    """Steady kernels; copies and fills by the driver are none."""
    small_kernels: int = 0
    """Those under 5 us."""
    ranges: Sequence[Range] = ()
    work_ns: int = 0
    unprofiled_wall_ns: int | None = None
    is_estimated: bool = False
    """Whether that was estimated from the trace, not recorded."""
    variant: str | None = None
    model: str | None = None
    """The collector's name of the model, where it made the trace."""
    on_cpu: bool = True
    """Whether nothing in the file speaks of a GPU."""
    has_counters: bool = False
    """Whether it holds CUPTI's performance counters, which are recorded in place of kernels."""
    has_host: bool = True
    """Whether it holds events of the CPU."""
    path: str = "TRACE"
    """Of the file, for commands."""
    device_name: str = ""
    device_major: int | None = None
    """NVIDIA's compute capability before the point; None when the trace does not tell."""
    autotune_by_pattern: bool = False
    searches: Searches | None = None
    skipped: int = 0
    quarantined: int = 0
    quarantined_examples: Sequence[str] = ()
    salvaged: bool = False
    culprits: Mapping[str, Sequence[Culprit]] = field(default_factory=dict)
    """Ops and calls to blame for steady idle time, by its cause, longest first."""
    memory_calls: MemoryCalls | None = None
    copies: Sequence[CopyTraffic] = ()
    offload: Offload | None = None
    """None where weights do not move."""
    loading_ns: int = 0
    """Steady CPU time in data loaders."""
    loads_alone: bool = False
    """Whether a data loader has no workers."""
    losses: Losses | None = None
    unwatched: Unwatched = NOTHING
    earlier_ns: int = 0
    """How long GPUs ran work from before the profile, which is not in the file."""
    recorded_launches: int = 0
    """Launches of CUDA-graph captures, which run nothing."""
    empty_iterations: int = 0
    """Iterations without GPU work between ones that have some."""
    steady_iterations: Sequence[int] = ()
    """Their places, from 0."""
    dominant: Dominant | None = None
    work_by_shape: Sequence[ShapeRow] = ()
    """Steady GPU work by op and shape, longest first."""
    breaks: Breaks | None = None
    replays: Replays | None = None
    conversions: Conversions = NO_CONVERSIONS
    few_blocks: FewBlocks | None = None
    tuned: Tuned | None = None
    fusable: Fusable | None = None
    fusable_beside: Fusable | None = None
    """The same beside the denoiser."""
    encoded: Encoded | None = None
    slower: Slower | None = None
    memory_peak: MemoryPeak | None = None
    calls_sdpa: bool = True
    """Whether scaled dot product attention is called."""
    slow_cpu_ops: Sequence[Culprit] = ()
    """Ops with a slow implementation on the CPU, by steady CPU time."""
    unlike: str = ""
    """Why an iteration cannot be replayed, '' where it can."""
    turns: Turns | None = None
    """Devices that work one after the other."""
    has_components: bool = False
    """Whether parts of a model are known by name."""
    n_iterations: int = 0
    """Iterations of any phase."""
    noun: str = "iteration"
    """What an iteration makes, for people: an image, or else it is called an iteration."""

    @property
    def makes_images(self) -> bool:
        """Whether the trace shows a diffusion pipeline; only there findings speak of its parts."""
        return self.noun == "image" or self.variant is not None

    @property
    def launched(self) -> int:
        """Pieces of GPU work of all phases."""
        return sum(row.gpu_events for row in self.phases.values())

    @property
    def only_records(self) -> bool:
        """Whether the trace shows how CUDA graphs are recorded and hardly anything that runs."""
        return not self.n_steady and self.recorded_launches > _RECORDS * self.launched

    @property
    def is_sound(self) -> bool:
        """Whether all GPU work is in the file, at times that can be."""
        if self.empty_iterations or self.quarantined or self.skipped or self.salvaged:
            return False
        lost = self.losses
        if lost is None:
            return True
        is_apart = lost.work_before_launch or lost.work_after_wait
        is_missing = lost.launches_without_work or lost.work_without_launch
        return not (is_apart or is_missing or lost.overlapping_work)

    @property
    def larger_batches(self) -> str:
        """What gives each call more work."""
        halves = ", both halves of classifier-free guidance in one call" if self.makes_images else ""
        return f"larger batches{halves}"

    @property
    def is_amd(self) -> bool:
        """Whether the device is AMD's, by its name."""
        return "AMD" in self.device_name or "Radeon" in self.device_name

    @property
    def takes_cuda_settings(self) -> bool:
        """Whether the device may be NVIDIA's: the trace names no other one."""
        return not self.is_amd and (self.device_major is not None or not self.device_name)

    def variant_hint(self, name: str) -> str:
        """` (variant ...)` for a trace of our collector, nothing for anybody else's."""
        return f" (variant `{name}`)" if self.variant else ""

    @property
    def analyze(self) -> str:
        """The command that reports on the trace and says what is wrong with it."""
        return f"sdtrace analyze {quote(self.path)}"

    def query(self, sql: str) -> str:
        """The command that asks the trace this."""
        return f'sdtrace query {quote(self.path)} "{_IN_QUOTES.sub(_ESCAPED, sql)}"'

    def steady_work(self, where: str) -> str:
        """The command that lists steady GPU work of which an SQL condition holds, longest first."""
        return self.query(
            "SELECT name, count(*) AS calls, sum(dur_ns) / 1e6 AS ms FROM launches "
            f"WHERE phase = 'steady' AND {where} GROUP BY name ORDER BY ms DESC"
        )

    def trial(self, variant: str, otherwise: str) -> str:
        """The commands that measure a variant against this trace of our collector; for others `otherwise`."""
        if not self.variant:
            return otherwise
        model = f" --model {quote(self.model)}" if self.model else ""
        return (
            f"sdtrace collect --variant {variant}{model} && "
            f"sdtrace compare {quote(self.path)} traces/{variant}.json"
        )

    def per_iteration(self, ns: float) -> int:
        """A sum over the steady phase as a share of one steady iteration.

        The phase also holds what lies between iterations, and those that the profile cut off.
        """
        if not self.iteration_work_ns or not self.steady_work_ns:
            return round(ns / max(1, self.n_steady))
        return round(ns * self.iteration_work_ns / self.steady_work_ns)

    def share_of_iteration(self, ns: float) -> float:
        """What a sum over the steady phase is of an iteration (0 to 1), without the profiler where known."""
        wall = self.unprofiled_wall_ns or self.steady_wall_ns
        return self.per_iteration(ns) / wall if wall else 0.0

    def saving_of(self, idle_ns: int) -> int:
        """Idle time of one cause per iteration; of the idle time without the profiler its share, if less."""
        saving = self.per_iteration(idle_ns)
        if self.unprofiled_idle_ns is None:
            return saving
        return min(saving, round(self.unprofiled_idle_ns * idle_ns / max(1, sum(self.steady_idle.values()))))

    @property
    def steady_span_ns(self) -> int:
        """Steady time of the device, at work or idle."""
        return self.steady_work_ns + sum(self.steady_idle.values())

    @property
    def unprofiled_idle_ns(self) -> int | None:
        """What an iteration without the profiler takes beyond its GPU work; None when that is unknown."""
        if self.unprofiled_wall_ns is None or not self.n_steady:
            return None
        return max(0, self.unprofiled_wall_ns - self.per_iteration(self.steady_work_ns))

    @property
    def unprofiled_idle_share(self) -> float:
        """The share of an iteration that is not GPU work without the profiler; 1 when that is unknown."""
        if self.unprofiled_idle_ns is None or not self.unprofiled_wall_ns:
            return 1.0
        return self.unprofiled_idle_ns / self.unprofiled_wall_ns

    @property
    def is_host_bound(self) -> bool:
        """Whether the device waits for the CPU so much that shorter GPU work shortens little.

        A third of the time without the profiler; where that is unknown, two thirds with it.
        """
        waiting = sum(self.steady_idle.get(cause, 0) for cause in _OF_HOST) / max(1, self.steady_span_ns)
        if self.unprofiled_idle_ns is None:
            return waiting > 2 / 3
        return min(waiting, self.unprofiled_idle_share) > 1 / 3

    @property
    def is_launch_bound(self) -> bool:
        """Whether it waits so for launches most: other work of the CPU does not go on while the device works,
        and shorter GPU work brings as much as elsewhere."""
        own = sum(self.steady_idle.get(cause, 0) for cause in _OWN_WORK)
        waiting = sum(self.steady_idle.get(cause, 0) for cause in _OF_HOST)
        return self.is_host_bound and 2 * own < waiting

    @property
    def moves_much(self) -> bool:
        """Whether copies between CPU and GPU take much of the steady time."""
        moved, idle = sum(part.ns for part in self.copies), self.steady_idle.get("copy", 0)
        return max(moved, idle) >= _MUCH_MOVED * max(1, self.steady_span_ns)

    @property
    def is_compiled(self) -> bool:
        """Whether kernels of Inductor's do some of the steady work; one compiled helper is not enough."""
        fused = sum(row.gpu_ns for row in self.steady_categories if row.category == "fused_triton")
        return fused > 0 and self.steady_share(fused) >= _COMPILED

    @property
    def replays_graphs(self) -> bool:
        """Whether most steady work comes from CUDA graphs."""
        return 2 * self.graph_replayed_ns > self.steady_work_ns

    def steady_share(self, ns: float) -> float:
        """Percent of steady GPU work."""
        return 100 * ns / self.steady_work_ns if self.steady_work_ns else 0.0
