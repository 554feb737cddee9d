"""Each finding on both sides of the threshold that docs/findings.md gives: figures from the page, by hand."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

from sdtrace.breakdowns.phases import PhaseRow
from sdtrace.findings import (
    Breaks,
    Late,
    MemoryPeak,
    Range,
    Replays,
    Slower,
)
from sdtrace.waiting.devices import Turns
from tests.findings.figures import (
    CALLS,
    CONVOLUTION,
    EFFICIENT,
    FLASH,
    FLOAT32,
    GEMM,
    MS,
    NORM,
    QUIET,
    REGIONS,
    SOFTMAX,
    WALL,
    WORK,
    attention,
    autotune,
    collectives,
    component,
    copies,
    encoded,
    exact,
    few_blocks,
    found,
    fusable,
    gaps,
    half_waiting,
    idle,
    launch_bound,
    layout,
    lost,
    memory,
    on_cpu,
    one_component,
    search,
    shaped,
    small,
    third,
    tiny,
    tuned,
    unwatched,
    work,
)

PAGE = Path(__file__).parents[2] / "docs" / "findings.md"

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
    ("device.fusion", fusable(50 * MS, kernels=99), fusable(50 * MS, kernels=100)),
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
    ("host.cpu_work", idle("cpu_work", 1.9), idle("cpu_work", 2.1)),
    ("host.lock", idle("lock", 1.9), idle("lock", 2.1)),
    ("host.python", idle("python", 1.9), idle("python", 2.1)),
    ("host.silence", idle("host_silence", 1.9), idle("host_silence", 2.1)),
    ("device.turns", {}, {"turns": Turns((0, 1), 90 * MS, 0, 20 * MS)}),
    ("trace.clock", lost(), lost(work_before_launch=1)),
    ("trace.lost_work", lost(), lost(launches_without_work=1)),
    ("trace.lost_launches", lost(), lost(work_without_launch=1)),
    ("trace.clock", lost(), lost(work_after_wait=1)),
    (
        "overhead.recording",
        {"n_steady": 0, "recorded_launches": 200},
        {"n_steady": 0, "recorded_launches": 201},
    ),
    ("trace.earlier_work", {}, {"earlier_ns": 1}),
    ("trace.overlap", lost(), lost(overlapping_work=1)),
    ("trace.foreign", lost(), lost(foreign_events=1)),
    ("trace.empty_iterations", {}, {"empty_iterations": 1}),
    ("trace.impossible", {}, {"quarantined": 1, "quarantined_examples": ["x"]}),
    ("trace.cut", {}, {"salvaged": True}),
    ("trace.skipped", {}, {"skipped": 1}),
    ("trace.no_device_work", {}, {"phases": {"steady": PhaseRow("steady", WALL, 0, 0)}}),
    ("trace.nothing", {}, {"phases": {"steady": PhaseRow("steady", WALL, 0, 0)}, "has_host": False}),
    ("trace.no_ops", unwatched(9_900_000), unwatched(10_100_000)),
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
        ("host.silence", "medium", idle("host_silence", 60)),
        ("host.python", "medium", idle("python", 15.1)),
        ("device.turns", "medium", {"turns": Turns((0, 1), 90 * MS, 0, 30 * MS)}),
        ("device.turns", "high", {"turns": Turns((0, 1), 90 * MS, 0, 31 * MS)}),
        ("trace.lost_work", "medium", lost(launches_without_work=5)),
        ("trace.lost_work", "high", lost(launches_without_work=6)),
        ("trace.lost_launches", "medium", lost(work_without_launch=5)),
        ("trace.clock", "info", lost(work_after_wait=1, clock_error_ns=100_000)),
        ("trace.clock", "high", lost(work_after_wait=1, clock_error_ns=100_001)),
        ("trace.clock", "low", lost(work_after_wait=1, clock_error_ns=19_999) | {"steady_wall_ns": 10 * MS}),
        ("trace.clock", "high", lost(work_after_wait=1, clock_error_ns=20_000) | {"steady_wall_ns": 10 * MS}),
        ("trace.lost_launches", "high", lost(work_without_launch=6)),
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
