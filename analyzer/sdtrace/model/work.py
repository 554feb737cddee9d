"""Device work held against the card: records of `report.json`."""

from __future__ import annotations

from typing import Literal

from sdtrace.model.struct import Struct


class OpByShape(Struct, kw_only=True, frozen=True):
    """All calls of one op with tensors of these shapes and types; FLOPs and bytes are of all calls."""

    op: str
    input_dims: str
    """Of its tensors in order: `2x320x64x64, 320`; '' where the profiler recorded none."""
    input_types: str
    calls: int
    device_us: float
    flops: int
    bytes_read: int | None
    """What must be read at least: every argument once. None, as the written ones, where it is not known."""
    bytes_written: int | None
    dram_bytes_read: int | None = None
    """What the kernels read from memory: what they return to once the cache has lost it counts again.

    Known of Inductor's kernels whose sources the collector saw. Caches are taken to be empty before."""
    tflops: float | None
    """Tera-operations per second; None where it has no operations."""
    tbps: float | None
    """Terabytes read and written per second."""
    bound: Literal["compute", "memory", "latency"] | None
    """What the least time is bound by; `latency` where any kernel takes longer than its work."""
    pct_of_peak: float | None
    """The least time the card could take, as a share of what it took."""
    lost_us: float | None
    """What it took more than that."""
    exact: bool
    """False where the bytes are a bound or a guess; there is no least time then."""


class WaterfallPart(Struct, kw_only=True, frozen=True):
    """A part of the wall of a steady iteration. The parts sum to the wall."""

    part: Literal["roofline", "lost", "unknown", "overlap", "idle"]
    """The least time of a component's work; what a category's work takes more; work whose least time is not
    known; work of several streams at once (negative); idle time of a cause."""
    name: str
    us: float


class ComponentLight(Struct, kw_only=True, frozen=True):
    """A component of the steady iteration, and the least time of its work."""

    component: str
    gpu_us: float
    roofline_us: float
    """Work whose least time is not known counts with the time it took."""
    best_dtype_us: float
    """The same, if all of it computed in `SpeedOfLight.best_dtype`."""


class Peaks(Struct, kw_only=True, frozen=True):
    """A card's peaks. Rates are per second, of dense work; links count one direction.

    `origin` says in words where the figures are from. `launch_us` is the host's time from one launch to the
    next, `graph_gap_us` the device's from one kernel of a CUDA graph to the next, in microseconds. `l2_bytes`
    is the size of the last cache before memory, `l2_bytes_per_s` what kernels read and write in it together.
    None: not known. See docs/peaks.md.
    """

    card: str
    source: Literal["measured", "datasheet", "given"]
    origin: str
    flops_per_s: dict[str, float]
    """By type of the operands, one of `sdtrace.roofline.cards.DTYPES`."""
    memory_bytes_per_s: float
    l2_bytes: int | None = None
    l2_bytes_per_s: float | None = None
    launch_us: float | None = None
    graph_gap_us: float | None = None
    pcie_bytes_per_s: float | None = None
    """To or from the host; over NVLink-C2C where the host has it."""
    nvlink_bytes_per_s: float | None = None
    """To or from other GPUs."""


class DeviceLight(Struct, kw_only=True, frozen=True):
    """One of several devices in a steady iteration. Its parts sum to the wall of that iteration."""

    device: int | None
    """None where the trace gives it no number."""
    name: str
    busy_us: float
    image_us: float
    """The least time of its work, one piece after the other; never more than `busy_us`."""
    waterfall: list[WaterfallPart]


class SpeedOfLight(Struct, kw_only=True, frozen=True):
    """A steady iteration against what the card could do: the one of median wall, as profiled.

    Several devices are held against one card, and each is in `devices`. All together: `overlap` is then work
    of several at once too, and `idle` is when none of them worked, by the causes of the busiest one.
    """

    card: str
    peaks: Peaks
    iteration: int
    """Its place among the iterations, counted from 0."""
    wall_us: float
    image_us: float
    """The least time of the work that ran, one piece after the other; never more than the GPU was busy. Of
    several devices that of the one whose work takes longest: the others may work meanwhile."""
    best_dtype: str | None
    """The fastest type of those that products of the model already use."""
    best_dtype_us: float
    """The least time if all of it computed in that type."""
    components: list[ComponentLight]
    waterfall: list[WaterfallPart]
    in_graphs: int
    """Pieces of device work in CUDA graphs, in the whole trace."""
    unnamed_in_graphs: int
    """Those of which no op was found."""
    devices: list[DeviceLight] = []
    """Each device by itself; empty where there is one."""
