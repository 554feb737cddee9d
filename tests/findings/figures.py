"""Figures of a trace about which there is nothing to say, and changes to them that a finding is about."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from sdtrace.attribution.losses import Losses
from sdtrace.attribution.unwatched import Unwatched
from sdtrace.breakdowns.kernels import KernelRow
from sdtrace.breakdowns.phases import PhaseRow
from sdtrace.findings import (
    Collectives,
    Conversions,
    CopyTraffic,
    Culprit,
    Dominant,
    Encoded,
    Evidence,
    FewBlocks,
    Finding,
    Fusable,
    MemoryCalls,
    Part,
    Searches,
    Tuned,
    Waiting,
    find_all,
)
from sdtrace.roofline.by_shape import ShapeRow

MS = 1_000_000
WALL = 1_000 * MS
WORK = 100 * MS
"""Steady device work; steady time is this and the idle time."""

QUIET = Evidence(
    wall_ns=WALL,
    phases={"steady": PhaseRow("steady", WALL, WORK, 100)},
    n_steady=10,
    steady_wall_ns=WALL // 10,
    steady_work_ns=WORK,
    steady_kernels=[],
    steady_categories=[],
    work_ns=WORK,
    device_major=9,
)
"""A trace about which there is nothing to say."""


def found(**changes: Any) -> dict[str, Finding]:
    return {item.id: item for item in find_all(replace(QUIET, **changes))}


def work(name: str, ns: int, category: str = "gemm", calls: int = 10) -> list[KernelRow]:
    return [KernelRow(name, name, category, calls, ns, ns // calls, ns // calls)]


def idle(cause: str, percent: float) -> dict[str, Any]:
    """Idle time of one cause that makes `percent` of steady time."""
    return {"steady_idle": {cause: round(WORK * percent / (100 - percent))}}


def launch_bound(percent: float) -> dict[str, Any]:
    return idle("launch_bound", percent)


def gaps(percent: float, mean_us: float) -> dict[str, Any]:
    given = idle("device_gap", percent)
    return given | {"device_gaps": round(given["steady_idle"]["device_gap"] / (mean_us * 1000))}


def component(percent: float, idle_percent: float = 10) -> dict[str, Any]:
    span = WORK * 100 / (100 - idle_percent)
    part = Waiting("vae", round(span * percent / 100), MS)
    return launch_bound(idle_percent) | {"launch_bound_components": [part]}


def autotune(ns: int) -> dict[str, Any]:
    return {"phases": {**QUIET.phases, "autotune": PhaseRow("autotune", ns, ns // 2, 10)}}


def search(ns: int) -> dict[str, Any]:
    return {"searches": Searches("aten::cudnn_convolution", 3, ns, 99, ns // 2)}


def collectives(ns: int, exposed_ns: int) -> dict[str, Any]:
    return {"collectives": Collectives(ns, ns, exposed_ns)}


def small(short: int, percent: float = 6) -> dict[str, Any]:
    return launch_bound(percent) | {"kernels": 100, "small_kernels": short}


def memory(percent: float) -> dict[str, Any]:
    return idle("memory", percent) | {"memory_calls": MemoryCalls(10, MS, 5)}


def copies(percent: float) -> dict[str, Any]:
    return {"copies": [CopyTraffic(True, round(WORK * percent / 100), 10**6, 100, 0, MS)]}


def lost(**counts: int) -> dict[str, Any]:
    return {"losses": Losses(0, 0, 0, 0, 0)._replace(**counts), "kernels": 100}


def unwatched(ns: int) -> dict[str, Any]:
    return {"unwatched": Unwatched(10, ns, 1)}


FLOAT32, SOFTMAX = "ampere_sgemm_128x64_tn", "cunn_SoftMaxForward<float>"
GEMM = "nvjet_sm90_tst_128x256_64x4_2x1_v_bz_coopA_TNT"
FLASH, LAYOUT = "flash_fwd_kernel", "void cudnn::nchwToNhwcKernel<float>"
EFFICIENT = "fmha_cutlassF_{}_aligned_64x64_rf_sm80"


def layout(eager_ns: int, compiled_ns: int = 0, weights_ns: int = 0) -> dict[str, Any]:
    """Conversions between NCHW and NHWC: in eager code, in compiled code, and of weights."""
    kernels = work(LAYOUT, eager_ns + compiled_ns) if eager_ns + compiled_ns else []
    return {
        "steady_kernels": kernels,
        "conversions": Conversions(eager_ns, compiled_ns, weights_ns, ["triton_poi_fused_convolution_0"]),
    }


def shaped(op: str, ns: int, percent_of_peak: float) -> dict[str, Any]:
    """Work of one op and shape."""
    roof_ns = round(ns * percent_of_peak / 100)
    row = ShapeRow(op, "2x8", "float16", 1, ns, 0, 1, 1, "memory", roof_ns, ns - roof_ns, exact=True)
    return {"work_by_shape": [row]}


def tiny(ns: int) -> dict[str, Any]:
    """Work that no kernel does in the least time the card could take."""
    row = ShapeRow("aten::mm", "8x8, 8x8", "float16", 1, ns, 0, 1, 1, "latency", 600, ns - 600, exact=True)
    return {"work_by_shape": [row]}


def few_blocks(lost_ns: int) -> dict[str, Any]:
    """Kernels of 20 ms whose blocks do not fill the card, which lose so much."""
    return {"few_blocks": FewBlocks(20 * MS, 10 * MS, lost_ns, ["kernel"], 64, 132)}


def tuned(lost_ns: int = 0, elsewhere_ns: int = 0) -> dict[str, Any]:
    """Tuned kernels of 20 ms, that lose so much, or run so long at sizes that were not tried."""
    times = (3, 4_000, 2_000, 3, 30_000, 3_000)
    return {"tuned": Tuned(20 * MS, lost_ns, ["kernel"], *times, elsewhere_ns, ["kernel"])}


def fusable(ns: int, component: str = "vae", kernels: int = 1_000, **more: Any) -> dict[str, Any]:
    return {"fusable": Fusable(component, ns, 50 * MS, kernels), **more}


def encoded(wall_ns: int) -> dict[str, Any]:
    return {"encoded": Encoded("text_encoder", 10, wall_ns, MS)}


def on_cpu(slow_ns: int) -> dict[str, Any]:
    """A run on the CPU of 100 ms, so much of it in a slow op."""
    most = Dominant(WORK, False, None, None, Part("aten::mm", WORK), [])
    return {"dominant": most, "slow_cpu_ops": [Culprit("aten::_slow_conv2d_forward", slow_ns)]}


NORM, CONVOLUTION = "aten::native_group_norm", "aten::cudnn_convolution"
REGIONS = ["Torch-Compiled Region: 0/0", "Torch-Compiled Region: 1/0"]


def exact(cause: str, percent: int, **more: Any) -> dict[str, Any]:
    """Idle time of one cause that is exactly so many percent of steady time."""
    return {"steady_work_ns": (100 - percent) * MS, "steady_idle": {cause: percent * MS}, **more}


def third(cause: str, **more: Any) -> dict[str, Any]:
    """Idle time of one cause that is exactly a third of steady time."""
    return {"steady_work_ns": 100 * MS, "steady_idle": {cause: 50 * MS}, **more}


def half_waiting(**more: Any) -> dict[str, Any]:
    """An iteration of 9.8 ms of work, which waits as long for launches under the profiler."""
    return {"steady_work_ns": 98 * MS, "steady_idle": {"launch_bound": 98 * MS}, **more}


def one_component(waits_ns: int, *, of: int) -> dict[str, Any]:
    """A component that waits so long of all launch-bound time, in 100 ms of steady time."""
    given = {"steady_work_ns": 100 * MS - of, "steady_idle": {"launch_bound": of}}
    return {**given, "launch_bound_components": [Waiting("vae", waits_ns, MS)]}


def attention(**ns: int) -> list[KernelRow]:
    """Memory-efficient attention by type."""
    return [row for kind, of in ns.items() for row in work(EFFICIENT.format(kind), of, "attention_efficient")]


CALLS = {"memory_calls": MemoryCalls(10, MS, 5)}
