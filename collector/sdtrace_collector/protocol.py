"""The messages between the command and its worker process: one `Spec` in, a line of JSON per `Event` out."""

from __future__ import annotations

import msgspec

from sdtrace_collector.peaks.record import MeasuredPeaks
from sdtrace_collector.variants import Axes


class ProfilerOptions(msgspec.Struct, frozen=True):
    """The options of `torch.profiler.profile`, under its own names."""

    record_shapes: bool = True
    with_flops: bool = True
    with_stack: bool = False
    profile_memory: bool = False


class Spec(msgspec.Struct, frozen=True):
    """One variant's run. None means: as the model or the device has it by default; `peaks`: on a GPU only.

    With 0 `images` nothing is profiled and no trace is written: the facts come as `Measured`.
    `known_peaks` are written as they are, and not measured again.
    `scratch` is a folder of the run's own, removed by the parent: pipes, compile caches, torch's own table.
    """

    variant: str
    axes: Axes
    scratch: str
    model: str | None = None
    steps: int | None = None
    images: int | None = None
    batch: int = 1
    height: int | None = None
    width: int | None = None
    frames: int | None = None
    seed: int = 0
    prompt: str = "a photograph of an astronaut riding a horse"
    device: str | None = None
    cold: bool = False
    unprofiled_images: int = 3
    golden: bool = False
    picture: bool = False
    check_picture: bool = True
    peaks: bool | None = None
    known_peaks: MeasuredPeaks | None = None
    profiler: ProfilerOptions = ProfilerOptions()


class GraphWork(msgspec.Struct, frozen=True):
    """The kernels of CUDA graphs, from an image that ran them one by one; distinct things are written once.

    `kernels` are names of device work as the profiler writes them. `ops` are (op, its arguments as JSON text,
    component), empty texts where there are none. `work` has three numbers for each piece of device work in
    its order: indices into `kernels` and `ops`, and the number of the call, which pieces of one call share.
    """

    kernels: list[str]
    ops: list[tuple[str, str, str]]
    work: list[tuple[int, int, int]]


class KernelAccess(msgspec.Struct, frozen=True):
    """What one launch of a kernel touches, in bytes.

    `touched` has what each pointer is used for, in their order, or None where the source does not tell.
    `again` has pairs (after, read): so many bytes are read once more, after so many others were touched.
    """

    touched: list[int | None]
    again: list[tuple[int, int]] = []


class PictureCheck(msgspec.Struct, frozen=True):
    """The first profiled image against that of the plain pipeline: op by op, same dtype, weights and noise.

    `effect` is what the variant is said to do to it: `exact`, `equal up to rounding` or `lossy`. `psnr_db` is
    200 for equal images, None where one has a NaN. `is_as_said`: the image is as like as that effect allows.
    """

    effect: str
    psnr_db: float | None
    is_as_said: bool


class RunFacts(msgspec.Struct, frozen=True):
    """What the trace says of its own run, under its top-level key `sdtrace`.

    Wall times are seconds per image (per batch, when `batch` > 1), in the order run. Those without the
    profiler come from before the profiled images and from after them, for a host is not as fast at all times:
    the first `unprofiled_before` are from before. `peak_memory_bytes` is
    device memory torch allocated once warm (from the start when cold), or the process's resident peak on a
    CPU. `dynamo_compile_times` is torch's own accounting, stage to seconds, where stages contain one another;
    empty when nothing was compiled. `image_means` are the mean pixels, in [0, 1], of the profiled images;
    None where one is not finite. `triton_arguments` tell which pointers of Inductor's kernels are read and
    written, by `kernel_hash` (see `compiled_kernels`), `triton_access` what they touch of them (see
    `kernel_access`); `graph_work` is what kernels inside CUDA graphs are.
    `peaks` is what the card was measured to do after all else, or None. `frames` are those of a video.
    `random_parts` are the networks that have random weights. `picture` is None where it was not compared.
    """

    variant: str
    axes: Axes
    model: str
    parameters: dict[str, int]
    steps: int
    images: int
    batch: int
    height: int
    width: int
    seed: int
    prompt: str
    cold: bool
    scheduler: str
    device: str
    device_name: str
    versions: dict[str, str | None]
    options: ProfilerOptions
    load_s: float
    warmup_wall_s: list[float]
    profiled_wall_s: list[float]
    unprofiled_wall_s: list[float]
    peak_memory_bytes: int | None
    image_means: list[float | None]
    dynamo_compile_times: dict[str, float]
    unprofiled_before: int = 0
    triton_arguments: dict[str, str] = {}
    triton_access: dict[str, KernelAccess] = {}
    graph_work: GraphWork | None = None
    peaks: MeasuredPeaks | None = None
    frames: int | None = None
    random_parts: list[str] = []
    picture: PictureCheck | None = None
    schema: str = "sdtrace.run/1"

    @property
    def compile_s(self) -> float:
        """Seconds torch spent compiling, autotuning included; 0 when nothing was compiled."""
        return self.dynamo_compile_times.get("_compile.compile_inner", 0.0)


class Stage(msgspec.Struct, frozen=True, tag="stage"):
    """The worker has finished `done` of `total` steps of the stage `text`; `total` 0: not known."""

    text: str
    done: int = 0
    total: int = 0


class Exporting(msgspec.Struct, frozen=True, tag="exporting"):
    """The trace is about to come through one of the pipes `paths`, or is whole in the one file there."""

    facts: RunFacts
    paths: list[str]


class Measured(msgspec.Struct, frozen=True, tag="measured"):
    """The facts of a run that profiled nothing."""

    facts: RunFacts


class Golden(msgspec.Struct, frozen=True, tag="golden"):
    """torch's own table of the same profile is in this file, as JSON."""

    path: str


class Picture(msgspec.Struct, frozen=True, tag="picture"):
    """The first profiled image is in this file, as numpy writes an array: float32, channels first."""

    path: str


class Missing(msgspec.Struct, frozen=True, tag="missing"):
    """Something asked for beside the trace could not be made; the rest goes on."""

    message: str


class Note(msgspec.Struct, frozen=True, tag="note"):
    """Something that the user should know; nothing is wrong."""

    message: str


class Done(msgspec.Struct, frozen=True, tag="done"):
    """Everything asked for has been handed over."""


class Failed(msgspec.Struct, frozen=True, tag="failed"):
    """The worker stops. `setup`: no variant can run here. `expected`: the message needs no log beside it.

    `applies`: False where the variant does not suit this model or this machine.
    """

    message: str
    setup: bool = False
    expected: bool = True
    applies: bool = True


Event = Stage | Exporting | Measured | Golden | Picture | Missing | Note | Done | Failed
