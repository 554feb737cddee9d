"""Each finding on both sides of the threshold that docs/findings.md gives: figures from the page, by hand."""

from __future__ import annotations

import re
import subprocess
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from sdtrace.attribution.losses import Losses
from sdtrace.breakdowns.kernels import CategoryRow, KernelRow
from sdtrace.breakdowns.phases import PhaseRow
from sdtrace.findings import (
    Breaks,
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
    Late,
    MemoryCalls,
    MemoryPeak,
    Part,
    Range,
    Replays,
    Searches,
    Slower,
    Tuned,
    Waiting,
    find_all,
)
from sdtrace.roofline.by_shape import ShapeRow
from sdtrace.waiting.devices import Turns

MS = 1_000_000
WALL = 1_000 * MS
WORK = 100 * MS
"""Steady device work; steady time is this and the idle time."""
PAGE = Path(__file__).parents[2] / "docs" / "findings.md"

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


def fusable(ns: int, component: str = "vae", **more: Any) -> dict[str, Any]:
    return {"fusable": Fusable(component, ns, 50 * MS, 10), **more}


def encoded(wall_ns: int) -> dict[str, Any]:
    return {"encoded": Encoded("text_encoder", 10, wall_ns, MS)}


def on_cpu(slow_ns: int) -> dict[str, Any]:
    """A run on the CPU of 100 ms, so much of it in a slow op."""
    most = Dominant(WORK, False, None, None, Part("aten::mm", WORK), [])
    return {"dominant": most, "slow_cpu_ops": [Culprit("aten::_slow_conv2d_forward", slow_ns)]}


NORM, CONVOLUTION = "aten::native_group_norm", "aten::cudnn_convolution"
REGIONS = ["Torch-Compiled Region: 0/0", "Torch-Compiled Region: 1/0"]

SIDES: list[tuple[str, dict[str, Any], dict[str, Any]]] = [
    ("overhead.once", {"paid_once": {"compile": 50 * MS}}, {"paid_once": {"compile": 50 * MS + 1}}),
    ("overhead.autotune", autotune(MS - 1), autotune(MS)),
    ("overhead.convolution_search", {}, search(MS)),
    ("overhead.recompile", {}, {"late_overhead": [Late(3, "compile", MS)]}),
    ("overhead.first_calls", {"first_calls_ns": 10 * MS - 1}, {"first_calls_ns": 10 * MS}),
    ("host.launch_bound", launch_bound(14.9), launch_bound(15.1)),
    ("host.component", component(1.9, 3.7), component(2.1, 3.7)),
    ("host.component", component(4.9, 10), component(5.1, 10)),
    ("host.sync", idle("sync", 1.9), idle("sync", 2.1)),
    ("host.data", idle("data_wait", 1.9), idle("data_wait", 2.1)),
    ("device.gaps", gaps(4.9, 2), gaps(5.1, 2)),
    ("host.stall", {}, {"phases": {**QUIET.phases, "stall": PhaseRow("stall", 101 * MS, 0, 0)}}),
    ("host.profiler", {"unprofiled_wall_ns": 92 * MS}, {"unprofiled_wall_ns": 90 * MS}),
    (
        "device.float32",
        {"steady_kernels": work(FLOAT32, 4_900_000)},
        {"steady_kernels": work(FLOAT32, 5_100_000)},
    ),
    (
        "device.float32",
        {"steady_kernels": work(FLOAT32, 50 * MS), "device_major": 6},
        {"steady_kernels": work(FLOAT32, 50 * MS), "device_major": 7},
    ),
    (
        "device.tf32",
        {"steady_kernels": work(FLOAT32, 4_900_000)},
        {"steady_kernels": work(FLOAT32, 5_100_000)},
    ),
    (
        "device.tf32",
        {"steady_kernels": work(FLOAT32, 50 * MS), "device_major": 7},
        {"steady_kernels": work(FLOAT32, 50 * MS), "device_major": 8},
    ),
    ("device.few_blocks", few_blocks(4_900_000), few_blocks(5_100_000)),
    ("device.few_blocks", few_blocks(9 * MS) | launch_bound(70), few_blocks(9 * MS)),
    ("device.autotune_choice", tuned(990_000), tuned(1_010_000)),
    ("device.autotune_size", tuned(elsewhere_ns=1_900_000), tuned(elsewhere_ns=2_100_000)),
    ("device.fusion", fusable(9_900_000), fusable(10_100_000)),
    (
        "device.fusion",
        fusable(50 * MS, "unet", **launch_bound(70)),
        fusable(50 * MS, "unet"),
    ),
    ("host.text_encoder", encoded(1_900_000), encoded(2_100_000)),
    (
        "host.batch",
        launch_bound(70) | {"unprofiled_wall_ns": 14 * MS},
        launch_bound(70) | {"unprofiled_wall_ns": 16 * MS},
    ),
    ("trace.other_ranks", {}, collectives(MS, 0)),
    ("trace.no_replay", {}, {"unlike": "iterations lie one in the other"}),
    (
        "device.unfused_attention",
        {"steady_kernels": work(SOFTMAX, 4_900_000, "softmax")},
        {"steady_kernels": work(SOFTMAX, 5_100_000, "softmax")},
    ),
    (
        "device.unfused_attention",
        {"steady_kernels": work(SOFTMAX, 10 * MS, "softmax") + work(FLASH, 10 * MS, "attention_flash")},
        {"steady_kernels": work(SOFTMAX, 10 * MS + 1, "softmax") + work(FLASH, 10 * MS, "attention_flash")},
    ),
    (
        "device.slow_attention",
        {"steady_kernels": work(EFFICIENT.format("bf16"), 4_900_000, "attention_efficient")},
        {"steady_kernels": work(EFFICIENT.format("bf16"), 5_100_000, "attention_efficient")},
    ),
    (
        "device.layout",
        layout(4_900_000),
        layout(5_100_000),
    ),
    ("device.weight_layout", layout(0, 0, 1_900_000), layout(0, 0, 2_100_000)),
    ("device.norm", shaped(NORM, 4_900_000, 29), shaped(NORM, 5_100_000, 29)),
    ("device.norm", shaped(NORM, 50 * MS, 31), shaped(NORM, 50 * MS, 29)),
    ("device.convolution", shaped(CONVOLUTION, 9_900_000, 29), shaped(CONVOLUTION, 10_100_000, 29)),
    ("device.convolution", shaped(CONVOLUTION, 50 * MS, 31), shaped(CONVOLUTION, 50 * MS, 29)),
    ("device.latency", tiny(19 * MS), tiny(21 * MS)),
    ("device.clock", {"slower": Slower(1.04, WORK, GEMM)}, {"slower": Slower(1.06, WORK, GEMM)}),
    ("device.clock", {"slower": Slower(2, 9 * MS, GEMM)}, {"slower": Slower(2, 11 * MS, GEMM)}),
    ("device.memory_limit", {"memory_peak": MemoryPeak(89, 100)}, {"memory_peak": MemoryPeak(91, 100)}),
    ("host.graph_breaks", {}, {"breaks": Breaks(REGIONS, 20, False)}),
    ("host.small_graphs", {"replays": Replays(30, 10, MS)}, {"replays": Replays(40, 10, MS)}),
    ("host.small_graphs", {"replays": Replays(40, 50, MS)}, {"replays": Replays(40, 49, MS)}),
    ("host.slow_op", on_cpu(4_900_000), on_cpu(5_100_000)),
    ("steady.dominant", {}, on_cpu(0)),
    ("device.small_kernels", small(49), small(50)),
    ("device.small_kernels", small(80, 4.9), small(80, 5.1)),
    ("device.collectives", collectives(4_900_000, 0), collectives(5_100_000, 0)),
    ("host.memory", memory(1.9), memory(2.1)),
    ("host.copies", copies(14.9), copies(15.1)),
    ("host.runtime_call", idle("runtime_call", 1.9), idle("runtime_call", 2.1)),
    ("host.gc", idle("gc", 1.9), idle("gc", 2.1)),
    ("host.python", idle("python", 1.9), idle("python", 2.1)),
    ("device.turns", {}, {"turns": Turns((0, 1), 90 * MS, 0, 20 * MS)}),
    ("trace.clock", lost(), lost(work_before_launch=1)),
    ("trace.lost_work", lost(), lost(launches_without_work=1)),
    ("trace.overlap", lost(), lost(overlapping_work=1)),
    ("trace.foreign", lost(), lost(foreign_events=1)),
    ("trace.empty_iterations", {}, {"empty_iterations": 1}),
    ("trace.impossible", {}, {"quarantined": 1, "quarantined_examples": ["x"]}),
    ("trace.cut", {}, {"salvaged": True}),
    ("trace.skipped", {}, {"skipped": 1}),
    ("trace.no_device_work", {}, {"phases": {"steady": PhaseRow("steady", WALL, 0, 0)}}),
    ("trace.ranges", {"ranges": [Range("image", 50 * MS)]}, {"ranges": [Range("image", 50 * MS + 1)]}),
]


def test_there_is_nothing_to_say_about_a_quiet_trace() -> None:
    assert found() == {}


def test_every_finding_of_the_page_is_tried() -> None:
    ids = set(re.findall(r"`(\w+\.\w+)`", "".join(line.split("|")[1] for line in _rows())))
    # Those of jobs are tried by the tests of jobs.
    assert {name for name, _, _ in SIDES} >= {name for name in ids if not name.startswith("job.")}


def _rows() -> list[str]:
    return [line for line in PAGE.read_text(encoding="utf-8").splitlines() if line.startswith("| `")]


@pytest.mark.parametrize(
    ("name", "below", "above"), SIDES, ids=[f"{n}-{i}" for i, (n, _, _) in enumerate(SIDES)]
)
def test_a_finding_appears_from_its_threshold_on(
    name: str, below: dict[str, Any], above: dict[str, Any]
) -> None:
    assert name not in found(**below)
    assert name in found(**above)


@pytest.mark.parametrize(
    ("name", "severity", "given"),
    [
        ("overhead.once", "medium", {"paid_once": {"compile": WALL // 2}}),
        ("overhead.once", "high", {"paid_once": {"compile": WALL // 2 + 1}}),
        ("overhead.recompile", "high", {"late_overhead": [Late(3, "compile", WALL // 4)]}),
        ("overhead.recompile", "medium", {"late_overhead": [Late(3, "compile", WALL // 10)]}),
        ("overhead.recompile", "low", {"late_overhead": [Late(3, "compile", WALL // 40)]}),
        ("overhead.autotune", "low", autotune(50 * MS)),
        ("overhead.autotune", "medium", autotune(50 * MS + 1)),
        ("overhead.convolution_search", "low", search(50 * MS)),
        ("overhead.convolution_search", "medium", search(50 * MS + 1)),
        ("host.launch_bound", "medium", launch_bound(33.2)),
        ("host.launch_bound", "high", launch_bound(33.5)),
        ("host.launch_bound", "low", launch_bound(50) | {"unprofiled_wall_ns": round(WORK / 10 / 0.86)}),
        ("host.launch_bound", "medium", launch_bound(50) | {"unprofiled_wall_ns": round(WORK / 10 / 0.84)}),
        ("host.launch_bound", "info", launch_bound(50) | {"unprofiled_wall_ns": round(WORK / 10 / 0.985)}),
        ("host.component", "low", component(4.9, 9)),
        ("host.component", "medium", component(5.1, 9)),
        ("device.gaps", "low", gaps(10, 4.9)),
        ("device.gaps", "medium", gaps(10, 5.1)),
        ("device.gaps", "medium", gaps(33.2, 50)),
        ("device.gaps", "high", gaps(33.5, 50)),
        ("device.float32", "medium", {"steady_kernels": work(FLOAT32, 6 * MS)}),
        ("device.float32", "high", {"steady_kernels": work(FLOAT32, 67 * MS)}),
        ("device.float32", "high", {"steady_kernels": work(FLOAT32, 6 * MS), "steady_wall_ns": None}),
        (
            "device.slow_attention",
            "high",
            {"steady_kernels": work(EFFICIENT.format("f32"), 50 * MS, "attention_efficient")},
        ),
        (
            "device.slow_attention",
            "medium",
            {"steady_kernels": work(EFFICIENT.format("bf16"), 50 * MS, "attention_efficient")},
        ),
        ("host.data", "medium", idle("data_wait", 33)),
        ("host.data", "high", idle("data_wait", 34)),
        ("host.memory", "medium", memory(14.9)),
        ("host.memory", "high", memory(15.1)),
        ("host.python", "low", idle("python", 14.9)),
        ("host.python", "medium", idle("python", 15.1)),
        ("device.turns", "medium", {"turns": Turns((0, 1), 90 * MS, 0, 30 * MS)}),
        ("device.turns", "high", {"turns": Turns((0, 1), 90 * MS, 0, 31 * MS)}),
        ("trace.lost_work", "medium", lost(launches_without_work=5)),
        ("trace.lost_work", "high", lost(launches_without_work=6)),
        ("device.collectives", "info", collectives(9 * MS, 5 * MS)),
        ("device.collectives", "medium", collectives(9 * MS, 5 * MS + 1)),
    ],
)
def test_severity_follows_the_page(name: str, severity: str, given: dict[str, Any]) -> None:
    assert found(**given)[name].severity == severity


@pytest.mark.parametrize(
    ("name", "saving_ms", "given"),
    [
        ("host.launch_bound", 2.5, launch_bound(20)),
        ("host.sync", 2.5, idle("sync", 20)),
        ("host.data", 2.5, idle("data_wait", 20)),
        ("device.float32", 3.0, {"steady_kernels": work(FLOAT32, 40 * MS)}),
        ("device.unfused_attention", 2.0, {"steady_kernels": work(SOFTMAX, 20 * MS, "softmax")}),
        ("device.weight_layout", 1.0, layout(0, 0, 10 * MS)),
        ("device.norm", 0.8, shaped(NORM, 10 * MS, 20)),
        ("device.collectives", 0.8, collectives(9 * MS, 8 * MS)),
    ],
)
def test_a_saving_is_of_one_iteration(name: str, saving_ms: float, given: dict[str, Any]) -> None:
    saving = found(**given)[name].saving_ns
    assert saving == pytest.approx(saving_ms * MS, rel=1e-6)


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


@pytest.mark.parametrize(
    ("name", "severity", "given"),
    [
        ("host.launch_bound", "medium", exact("launch_bound", 20, unprofiled_wall_ns=None)),
        ("host.launch_bound", "low", exact("launch_bound", 15)),
        ("host.sync", "medium", exact("sync", 2)),
        ("host.data", "medium", exact("data_wait", 2)),
        ("host.memory", "medium", exact("memory", 2, **CALLS)),
        ("host.memory", "medium", exact("memory", 15, **CALLS)),
        ("host.python", "low", exact("python", 2)),
        ("host.python", "low", exact("python", 15)),
        ("device.gaps", "low", exact("device_gap", 5, device_gaps=5 * MS // 2000)),
        ("device.gaps", "medium", exact("device_gap", 5, device_gaps=5 * MS // 5000)),
        ("device.small_kernels", "low", exact("launch_bound", 5, kernels=100, small_kernels=50)),
        ("device.small_kernels", "low", exact("launch_bound", 5, kernels=1, small_kernels=1)),
        ("device.collectives", "info", collectives(5 * MS, 5 * MS)),
        ("device.layout", "low", layout(5 * MS)),
        ("device.weight_layout", "medium", layout(0, 0, 2 * MS)),
        ("host.copies", "high", copies(15)),
        ("overhead.first_calls", "low", {"first_calls_ns": 10 * MS}),
        ("overhead.first_calls", "low", {"first_calls_ns": MS, "wall_ns": 100 * MS}),
        ("host.launch_bound", "medium", third("launch_bound")),
        ("host.launch_bound", "info", half_waiting(unprofiled_wall_ns=10 * MS)),
        ("host.data", "medium", third("data_wait")),
        ("host.component", "low", one_component(5 * MS, of=10 * MS)),
        ("host.component", "low", one_component(2 * MS, of=4 * MS)),
        ("host.profiler", "info", {"steady_wall_ns": 110 * MS, "unprofiled_wall_ns": 100 * MS}),
        ("device.gaps", "medium", third("device_gap", device_gaps=10)),
        ("device.float32", "medium", {"steady_kernels": work(FLOAT32, 5 * MS)}),
        ("device.float32", "medium", {"steady_kernels": work(FLOAT32, 8 * MS), "steady_wall_ns": 12 * MS}),
        ("device.unfused_attention", "high", {"steady_kernels": work(SOFTMAX, 5 * MS, "softmax")}),
        ("device.slow_attention", "medium", {"steady_kernels": attention(bf16=5 * MS)}),
        ("device.slow_attention", "medium", {"steady_kernels": attention(bf16=5 * MS, f32=5 * MS)}),
    ],
)
def test_a_threshold_itself_counts(name: str, severity: str, given: dict[str, Any]) -> None:
    assert found(**given)[name].severity == severity


def test_copies_are_described_for_one_iteration() -> None:
    """800 copies of 2 GB in 40 ms over ten iterations: 80 copies, 0.2 GB, 4 ms each, at 50 GB/s."""
    part = CopyTraffic(True, 40 * MS, 2 * 10**9, 800, 0, 30 * MS)
    weights = found(copies=[part])["host.copies"]
    assert "0.2 GB to the GPU in 80 copies an iteration, 4.00 ms, 50 GB/s" in weights.evidence
    assert "blocked by them for 3.00 ms an iteration" in weights.evidence
    assert weights.title.startswith("Weights move")
    assert weights.saving_ns == 4 * MS
    few = found(copies=[part._replace(calls=79)])["host.copies"]
    assert few.title.startswith("Copies between")
    assert found(copies=[part._replace(calls=80)])["host.copies"].title.startswith("Weights move")
    waits = found(copies=[part], **exact("copy", 20))["host.copies"]
    assert waits.saving_ns == 4 * MS + 2 * MS
    unknown = found(copies=[part._replace(nbytes=None)])["host.copies"]
    assert "80 copies an iteration to the GPU, 4.00 ms" in unknown.evidence


def test_memory_calls_are_counted_for_one_iteration() -> None:
    memory = found(**exact("memory", 20, memory_calls=MemoryCalls(40, 30 * MS, 1)))["host.memory"]
    assert "4 such calls in an iteration, 3.00 ms" in memory.evidence
    assert "at its limit" in memory.advice
    grown = found(**exact("memory", 20, memory_calls=MemoryCalls(40, 30 * MS, 0)))["host.memory"]
    assert "asks the driver for new memory" in grown.advice


@pytest.mark.parametrize(
    ("waiting", "unprofiled_ns", "is_bound"),
    [(66, None, False), (67, None, True), (67, 3 * MS, False), (67, 6 * MS, True), (33, 9 * MS, False)],
)
def test_a_saving_of_device_time_is_hidden_while_the_cpu_sets_the_pace(
    waiting: int, unprofiled_ns: int | None, is_bound: bool
) -> None:
    given = exact("launch_bound", waiting, unprofiled_wall_ns=unprofiled_ns)
    norm = found(**given, **shaped(NORM, 20 * MS, 5))["device.norm"]
    assert ("You are CPU-bound" in norm.evidence) == is_bound


def test_advice_fits_the_device_and_what_was_done() -> None:
    float32 = {"steady_kernels": work(FLOAT32, 50 * MS)}
    assert "float16" in found(**float32, device_major=7)["device.float32"].advice
    assert "bfloat16" not in found(**float32, device_major=7)["device.float32"].advice.split(":")[0]
    assert "TF32" in found(**float32, device_major=8)["device.float32"].advice
    mostly = found(paid_once={"compile": 60 * MS, "warmup": 59 * MS})["overhead.once"]
    assert "TORCHINDUCTOR_CACHE_DIR" in mostly.advice
    half = found(paid_once={"compile": 60 * MS, "warmup": 60 * MS})["overhead.once"]
    assert "TORCHINDUCTOR_CACHE_DIR" not in half.advice
    compiled = [CategoryRow("fused_triton", 1, MS)]
    assert (
        "compile what still runs"
        in found(**launch_bound(20), steady_categories=compiled)["host.launch_bound"].advice
    )
    graphs = found(**launch_bound(20), graph_replayed_ns=WORK // 2 + 1)["host.launch_bound"]
    assert "CUDA graphs already" in graphs.advice
    eager = found(**launch_bound(20), graph_replayed_ns=WORK // 2)["host.launch_bound"]
    assert "CUDA graphs already" not in eager.advice


def test_nothing_about_the_device_is_certain_where_work_was_lost() -> None:
    given = small(80) | {"steady_categories": []}
    assert found(**given)["device.small_kernels"].confidence == "certain"
    for broken in (lost(launches_without_work=1), lost(work_before_launch=1), {"empty_iterations": 2}):
        assert found(**(broken | given))["device.small_kernels"].confidence == "likely"


def test_findings_come_by_severity_and_then_by_what_they_save() -> None:
    given = {
        "skipped": 3,
        "steady_kernels": work(FLOAT32, 30 * MS) + work(SOFTMAX, 40 * MS, "softmax"),
        **shaped(NORM, 10 * MS, 5),
        "steady_categories": [CategoryRow("gemm", 1, WORK)],
    }
    ids = list(found(**given))
    assert ids == [
        "device.unfused_attention",
        "trace.skipped",
        "device.float32",
        "device.tf32",
        "device.norm",
    ]


def test_findings_of_every_severity_come_in_this_order() -> None:
    given = {"late_overhead": [Late(3, "compile", WALL // 4)], "skipped": 1, "first_calls_ns": 10 * MS}
    ordered = found(**given, **lost(foreign_events=1))
    assert [item.severity for item in ordered.values()] == ["high", "medium", "low", "info"]


def test_a_saving_is_a_share_of_the_idle_time_that_is_left_without_the_profiler() -> None:
    """An iteration works for 10 ms and takes 11 ms without the profiler: 1 ms of idle time is left."""
    idle_times = {"sync": 10 * MS, "gc": 10 * MS}
    halves = found(steady_idle=idle_times, unprofiled_wall_ns=11 * MS)
    assert (halves["host.sync"].saving_ns, halves["host.gc"].saving_ns) == (MS // 2, MS // 2)
    quarter = found(steady_idle={"sync": 15 * MS, "gc": 5 * MS}, unprofiled_wall_ns=11 * MS)
    assert (quarter["host.sync"].saving_ns, quarter["host.gc"].saving_ns) == (750_000, 250_000)
    # With the profiler each takes 1 ms an iteration; there is no more to save, however slow a run without it.
    slow = found(steady_idle=idle_times, unprofiled_wall_ns=20 * MS)
    assert (slow["host.sync"].saving_ns, slow["host.gc"].saving_ns) == (MS, MS)


def test_only_one_time_costs_of_more_than_a_millisecond_are_listed() -> None:
    parts = {"compile": 60 * MS, "warmup": MS, "capture": MS + 1}
    assert "62.0 ms of 1.00 s: compile 60.0 ms, capture 1.00 ms." in (
        found(paid_once=parts)["overhead.once"].evidence
    )


def test_the_three_longest_stages_of_compilation_are_named() -> None:
    stages = [Culprit(name, 10 * MS) for name in ("dynamo", "aot", "inductor", "triton")]
    once = found(paid_once={"compile": 60 * MS}, compile_stages=stages)["overhead.once"]
    assert "Most of compile is dynamo 10.0 ms, aot 10.0 ms, inductor 10.0 ms." in once.evidence


def test_five_iterations_with_late_overhead_are_named_and_the_rest_counted() -> None:
    late = [Late(place, "compile", 2 * MS) for place in range(3, 9)]
    five = found(late_overhead=late[:5])["overhead.recompile"].evidence
    assert five.endswith("Iteration 8: 2.00 ms compile. A steady iteration takes 100 ms.")
    assert "Iteration 4: 2.00 ms compile. Iteration 5" in five
    six = found(late_overhead=late)["overhead.recompile"].evidence
    assert six.endswith("Iteration 8: 2.00 ms compile. So do 1 more. A steady iteration takes 100 ms.")


def test_embeddings_of_a_prompt_can_be_cached_and_nothing_else() -> None:
    given = one_component(5 * MS, of=10 * MS)
    encoder = given | {"launch_bound_components": [Waiting("text_encoder", 5 * MS, MS)]}
    assert "Embeddings of a prompt" in found(**encoder)["host.component"].advice
    assert "Embeddings of a prompt" not in found(**given)["host.component"].advice


def test_a_third_of_the_time_is_not_yet_bound_by_the_host() -> None:
    """Two thirds with the profiler alone; a third where the time without it is known."""
    waits = {
        **shaped(NORM, 20 * MS, 5),
        "steady_work_ns": 100 * MS,
        "steady_idle": {"launch_bound": 200 * MS},
    }
    assert "CPU-bound" not in found(**waits)["device.norm"].evidence
    assert "CPU-bound" not in found(**waits, unprofiled_wall_ns=15 * MS)["device.norm"].evidence
    assert "CPU-bound" in found(**waits, unprofiled_wall_ns=15 * MS + 1000)["device.norm"].evidence


def test_channels_last_is_promised_only_where_weights_are_converted() -> None:
    eager = found(**layout(20 * MS))["device.layout"]
    assert eager.saving_ns is None
    assert "channels_last alone does not help here" in eager.advice
    compiled = found(**layout(4 * MS, 16 * MS))["device.layout"]
    assert compiled.saving_ns is None
    assert "80.0 % of it in compiled code" in compiled.evidence
    assert "Measure `model.to(memory_format=torch.channels_last)`" in compiled.advice
    weights = found(**layout(0, 0, 20 * MS))
    assert "device.layout" not in weights
    assert weights["device.weight_layout"].saving_ns == 2 * MS


def test_frees_that_no_op_asked_for_promise_nothing() -> None:
    emptied = found(**exact("memory", 20, memory_calls=MemoryCalls(40, 30 * MS, 20, 11)))["host.memory"]
    assert (emptied.severity, emptied.saving_ns) == ("low", None)
    assert "torch.cuda.empty_cache()" in emptied.advice
    at_limit = found(**exact("memory", 20, memory_calls=MemoryCalls(40, 30 * MS, 20, 10)))["host.memory"]
    assert at_limit.saving_ns is not None
    assert "empty_cache" not in at_limit.advice


def component_and_copies() -> dict[str, Any]:
    return component(5.1, 10) | copies(50)


def test_weights_that_move_come_before_cuda_graphs() -> None:
    given = small(80, 30) | {"replays": None}
    assert "CUDA graphs" in found(**given)["host.launch_bound"].advice
    moving = found(**given, **copies(50))
    assert moving["host.launch_bound"].severity == "low"
    assert moving["host.launch_bound"].advice.startswith("Stop moving weights or data first")
    assert "device.small_kernels" not in moving
    component = found(**component_and_copies())["host.component"]
    assert component.advice.startswith("Stop moving weights or data first")


@pytest.mark.parametrize(
    ("kind", "advice"),
    [
        ("shape", "mark_dynamic"),
        ("type", "Convert the input to one type"),
        ("", "a guard on a Python value"),
        (None, "The trace has no shapes"),
    ],
)
def test_what_to_do_against_a_recompile_depends_on_what_changed(kind: str | None, advice: str) -> None:
    again = Late(3, "compile", 20 * MS, 30 * MS, ["0"], kind, "`aten::mm` ran on 8x8 before and on 9x8 now")
    recompile = found(late_overhead=[again])["overhead.recompile"]
    assert (
        "Iteration 4: 20.0 ms compile in 30.0 ms, of 1 function (`0/…`). `aten::mm` ran on 8x8"
        in recompile.evidence
    )
    assert advice in recompile.advice
    assert "It saves 20.0 ms in a run like this." in recompile.advice


def test_a_command_survives_the_shell() -> None:
    given = replace(QUIET, path="my traces/it's.json")
    sql = "SELECT name FROM launches WHERE name ~ 'a\"b$c`d\\w'"
    words = given.query(sql).removeprefix("sdtrace query ")
    printed = subprocess.run(
        ["sh", "-c", f"printf '%s|' {words}"], capture_output=True, check=True, text=True
    )
    assert printed.stdout == f"my traces/it's.json|{sql}|"
