"""`report.json` as types: the contract scripts rely on (schema `sdtrace.report/2`).

Times are microseconds with three decimals, that is, exact nanoseconds. Shares (`pct`) are percent of
device time that is work (kernels, copies, fills); ranges such as `gpu_user_annotation` have none.
"""

from __future__ import annotations

from typing import Any, Literal

from sdtrace.model.compare import Amortization as Amortization
from sdtrace.model.compare import Comparison as Comparison
from sdtrace.model.compare import Match as Match
from sdtrace.model.compare import Story as Story
from sdtrace.model.compare import WaterfallStep as WaterfallStep
from sdtrace.model.counsel import Saving as Saving
from sdtrace.model.counsel import Unprofiled as Unprofiled
from sdtrace.model.counsel import Verdict as Verdict
from sdtrace.model.counsel import VerdictLine as VerdictLine
from sdtrace.model.counsel import VerdictPart as VerdictPart
from sdtrace.model.counsel import VerdictWhat as VerdictWhat
from sdtrace.model.finding import Confidence as Confidence
from sdtrace.model.finding import EvidenceRow as EvidenceRow
from sdtrace.model.finding import Finding as Finding
from sdtrace.model.finding import Severity as Severity
from sdtrace.model.hta import HtaMeasure as HtaMeasure
from sdtrace.model.hta import HtaResult as HtaResult
from sdtrace.model.job import Clocks as Clocks
from sdtrace.model.job import Collective as Collective
from sdtrace.model.job import Job as Job
from sdtrace.model.job import JobIdle as JobIdle
from sdtrace.model.job import JobRank as JobRank
from sdtrace.model.job import Late as Late
from sdtrace.model.lost import Events as Events
from sdtrace.model.lost import Lost as Lost
from sdtrace.model.noun import noun_of as noun_of
from sdtrace.model.struct import Struct as Struct
from sdtrace.model.work import ComponentLight as ComponentLight
from sdtrace.model.work import OpByShape as OpByShape
from sdtrace.model.work import Peaks as Peaks
from sdtrace.model.work import SpeedOfLight as SpeedOfLight
from sdtrace.model.work import WaterfallPart as WaterfallPart

SCHEMA = "sdtrace.report/2"


class Gpu(Struct, kw_only=True, frozen=True):
    """Device time: `busy_us + idle_us` is the span from the first to the last device event of work."""

    busy_us: float
    idle_us: float
    kernel_us: float
    memcpy_us: float
    memset_us: float
    launches: int


class IdleCause(Struct, kw_only=True, frozen=True):
    """Device idle time with one cause; the causes sum to `Gpu.idle_us`."""

    cause: str
    us: float
    gaps: int


class Queue(Struct, kw_only=True, frozen=True):
    """How well the host keeps the device fed: launch calls with device work, and what they found.

    `delay_*` is from the start of a call to the start of its first work; `depth_*` counts pieces of work
    launched and not finished when the call began. Short kernels take under 5 us, less than a launch.
    """

    launches: int
    found_empty: int
    delay_median_us: float
    delay_p99_us: float
    depth_median: int
    depth_max: int
    kernels: int
    short_kernels: int
    short_us: float


class Phase(Struct, kw_only=True, frozen=True):
    """One phase: host wall time, and the device work launched in it."""

    phase: str
    wall_us: float
    gpu_us: float
    gpu_events: int


class CompileStage(Struct, kw_only=True, frozen=True):
    """A stage of torch.compile; exclusive times of all stages are disjoint."""

    stage: str
    exclusive_us: float
    inclusive_us: float
    count: int


class Iteration(Struct, kw_only=True, frozen=True):
    """One repetition of the outermost loop (an image, a training step)."""

    name: str
    index: int
    start_us: float
    wall_us: float
    """How long it took: from when the one before was done until its own device work was done."""
    gpu_us: float
    gpu_busy_us: float
    gpu_events: int
    launches: int
    phase: str
    steps: int
    """Denoising steps found inside; 0 when none are visible."""
    note: str
    """Why this one is slow, when that is visible; else empty."""
    host_wall_us: float = 0.0
    """How long the CPU was in it: less than `wall_us` where the CPU runs ahead of the GPU."""
    is_whole: bool = True
    """False where the start or the end of the profile cut it off; it is then no steady iteration."""
    any_busy_us: float = 0.0
    """How long at least one GPU worked; `gpu_busy_us` is the average over the GPUs."""


class Step(Struct, kw_only=True, frozen=True):
    """One denoising step; times as in `Iteration`."""

    iteration: int | None
    """None where it lies in no iteration."""
    index: int
    """Its place in the iteration, counted from 0."""
    start_us: float
    wall_us: float
    host_wall_us: float
    gpu_us: float
    gpu_busy_us: float
    gpu_events: int
    launches: int
    any_busy_us: float = 0.0


class Op(Struct, kw_only=True, frozen=True):
    """One row of the op table, as torch's `key_averages()` has it."""

    name: str
    device_type: Literal["cpu", "device"]
    is_user_annotation: bool
    calls: int
    self_cpu_us: float
    cpu_total_us: float
    self_device_us: float
    device_total_us: float
    flops: int
    cpu_memory_bytes: int = 0
    """Bytes allocated less bytes freed while the op ran, on any thread; known with `profile_memory`."""
    self_cpu_memory_bytes: int = 0
    device_memory_bytes: int = 0
    self_device_memory_bytes: int = 0
    is_wait: bool = False
    """A `cuda_sync` row, which only `--op-times torch` lists: the device waits, and has no share."""

    @property
    def is_work(self) -> bool:
        """Whether the row is device work: device percentages divide by the sum of these."""
        return self.device_type == "device" and not self.is_user_annotation and not self.is_wait

    @property
    def is_range(self) -> bool:
        """Whether the row is the device's copy of an annotation: a hull with idle time in it, not work."""
        return self.device_type == "device" and self.is_user_annotation


class Kernel(Struct, kw_only=True, frozen=True):
    """Device work grouped by name: kernels, copies and fills."""

    name: str
    short_name: str
    category: str
    calls: int
    total_us: float
    mean_us: float
    min_us: float
    max_us: float
    pct: float
    fused_kind: str | None = None
    """Of a kernel that Inductor generated: pointwise, reduction, persistent or template."""
    fused_ops: str | None = None
    """The ATen ops in its name, with commas between them."""
    flops: int | None = None
    """Of all calls; None, as the fields that follow, where some of it is not known."""
    bytes_read: int | None = None
    """What must be read at least: every argument once."""
    bytes_written: int | None = None
    dram_bytes_read: int | None = None
    """What the kernels read from memory: what they return to once the cache has lost it counts again.

    Known of Inductor's kernels whose sources the collector saw. It is what Nsight Compute counts as
    `dram__bytes_read.sum`, with caches flushed before each kernel."""
    tbps: float | None = None
    """Terabytes read and written per second."""
    pct_of_peak: float | None = None
    """The least time the card could take for it, as a share of what it took."""
    bytes_are: Literal["exact", "bound"] | None = None


class Category(Struct, kw_only=True, frozen=True):
    """Device time of one category of work."""

    category: str
    gpu_us: float
    pct: float
    calls: int


class Component(Struct, kw_only=True, frozen=True):
    """A part of the pipeline within one phase."""

    component: str
    phase: str
    gpu_us: float
    wall_us: float
    calls: int


class Steady(Struct, kw_only=True, frozen=True):
    """The steady iterations, without compile, autotune, capture and warmup."""

    iterations: int
    median_us: float
    min_us: float
    max_us: float
    gpu_median_us: float
    launches_median: float
    mean_us: float | None = None
    """Where the median says too little: some iterations wait long for data. None elsewhere."""

    @property
    def usual_us(self) -> float:
        """What an iteration takes: the median, or the mean where the median says too little."""
        return self.median_us if self.mean_us is None else self.mean_us


class Overhead(Struct, kw_only=True, frozen=True):
    """The one-time cost: CPU wall time outside steady state. `total_us` counts the trace only."""

    compile_us: float
    autotune_us: float
    capture_us: float
    warmup_us: float
    total_us: float
    before_profile_us: float = 0.0
    """What iterations before the profiler started took beyond as many steady ones, by the run's facts."""

    @property
    def paid_us(self) -> float:
        """The whole one-time cost, in the trace and before it."""
        return self.total_us + self.before_profile_us


class Device(Struct, kw_only=True, frozen=True):
    """One device. `busy_us + idle_us` is the span from the first to the last work of its process."""

    index: int | None
    """None where the trace gives it no number."""
    name: str
    busy_us: float
    idle_us: float
    kernels: int
    steady_busy_us: float
    """Within steady iterations, as `steady_wall_us`; both 0 where there are none."""
    steady_wall_us: float


class Structure(Struct, kw_only=True, frozen=True):
    """How the iterations were found, how far to trust it, and what else they might be."""

    how: str
    confidence: Confidence
    runner_up: str
    """The next best reading, in a sentence; '' where there is none."""


class TraceReport(Struct, kw_only=True, frozen=True):
    """Everything known about one trace."""

    path: str
    name: str
    variant: str | None
    run: dict[str, Any]
    """Facts the collector wrote into the trace: model, steps, versions, unprofiled times; {} when absent."""
    device: dict[str, Any]
    """First device's properties as the profiler recorded them; {} for a CPU-only trace."""
    events: Events
    wall_us: float
    unprofiled_wall_us: float | None
    """Median steady wall time of one iteration without the profiler, as the collector timed it."""
    op_times: Literal["true", "torch"]
    selected_phase: str | None
    """Set when the breakdowns below are limited to one phase (`--phase`)."""
    gpu: Gpu
    idle: list[IdleCause]
    phases: list[Phase]
    overhead: Overhead
    steady: Steady | None
    compile: list[CompileStage]
    iterations: list[Iteration]
    ops: list[Op]
    kernels: list[Kernel]
    categories: list[Category]
    components: list[Component]
    findings: list[Finding]
    notes: list[str]
    """How iterations and phases were determined, with confidence, and what is uncertain."""
    queue: Queue | None = None
    """None for a trace without launches of device work."""
    devices: list[Device] = []
    lost: Lost | None = None
    on_cpu: bool = True
    """Whether nothing in the file speaks of a GPU: no event, no call of its runtime, no name or process."""
    structure: Structure | None = None
    steps: list[Step] = []
    ops_by_shape: list[OpByShape] = []
    speed_of_light: SpeedOfLight | None = None
    """None without a steady iteration, where nothing is known of the card, or cards of several kinds work."""
    selected_component: str | None = None
    """Set, as the two that follow, when the breakdowns are limited to a part by `Analysis.at`."""
    selected_iteration: int | None = None
    selected_step: int | None = None
    unprofiled: Unprofiled | None = None
    """None without a steady iteration on one device that can be replayed, or where the file lost work."""
    verdict: Verdict | None = None
    hta: list[HtaMeasure] = []
    """Filled, as `hta_results`, when HTA was asked for (`--hta`)."""
    hta_results: list[HtaResult] = []

    @property
    def noun(self) -> str:
        """What one iteration makes: an image when the trace shows a diffusion pipeline."""
        return noun_of((row.component for row in self.components), (row.name for row in self.iterations))

    @property
    def is_sound(self) -> bool:
        """Whether conclusions rest on whole data: all events could be read, at times that can be."""
        events = self.events
        lost = events.skipped or events.quarantined or events.salvaged
        return not lost and (self.lost is None or self.lost.is_sound)

    @property
    def waterfall(self) -> list[WaterfallPart]:
        """Where the wall of a steady iteration goes; empty where that is not known."""
        return [] if self.speed_of_light is None else self.speed_of_light.waterfall

    @property
    def has_device(self) -> bool:
        """Whether the trace holds any device work, in the selected phase or another."""
        return any(row.gpu_events for row in self.phases)


class Report(Struct, kw_only=True, frozen=True):
    """A whole `report.json`."""

    schema: str
    version: str
    traces: list[TraceReport]
    comparison: Comparison | None
    """Of the baseline asked for, else of the workload that most traces share."""
    comparisons: list[Comparison] = []
    """All of them: traces are compared where they did the same work on the same device."""
    job: Job | None = None
    """What the traces say as ranks of one job; None where they are none."""
