"""The cold reference trace against torch's own accounting of the same run."""

from __future__ import annotations

import json

import numpy as np
import pytest

from sdtrace.intervals import intersect, total
from sdtrace.phases.timeline import PHASES
from tests.analysis.reference import COLD, cold, reported
from tests.shared import shared_trace


@pytest.fixture(scope="module")
def truth() -> dict[str, float]:
    facts = json.loads(shared_trace(f"{COLD}.truth.json").read_text())
    times: dict[str, float] = facts["dynamo_compile_times"]
    return times


def test_compile_and_autotune_are_what_torch_counted(truth: dict[str, float]) -> None:
    timeline = cold().phases.timeline
    walls = timeline.totals()
    assert walls["compile"] / 1e9 == pytest.approx(truth["_compile.compile_inner"], rel=0.005)
    assert 7.42 <= walls["autotune"] / 1e9 <= truth["CachingAutotuner.benchmark_all_configs"] + 0.01
    assert walls["capture"] == walls["stall"] == 0
    assert total(intersect(timeline.of("compile"), timeline.of("autotune"))) == 0
    # All of it within the first image.
    for phase in ("compile", "autotune", "warmup"):
        assert timeline.of(phase).end.max() / 1e9 < 82.26


def test_phases_partition_the_wall_and_the_device_work(truth: dict[str, float]) -> None:
    found, report = cold(), reported(COLD)
    assert truth
    edges = found.phases.timeline.edges
    assert edges[0] == 0
    assert edges[-1] == found.trace.end_ns[found.trace.rows(set(found.trace.categories) - {"Trace"})].max()
    assert sum(found.phases.timeline.totals().values()) == edges[-1]
    assert sum(phase.wall_us for phase in report.phases) == pytest.approx(report.wall_us, abs=0.001)
    assert sum(phase.gpu_events for phase in report.phases) == len(found.linked.work.row)


def test_device_time_per_phase() -> None:
    gpu_s = {phase.phase: phase.gpu_us / 1e6 for phase in reported(COLD).phases}
    assert gpu_s["autotune"] == pytest.approx(1.943681, rel=0.001)
    assert gpu_s["steady"] == pytest.approx(0.0878, rel=0.001)
    assert sum(gpu_s.values()) == pytest.approx(2.125, rel=0.001)
    flush = next(row for row in reported(COLD).kernels if "FillFunctor<int>" in row.name)
    assert flush.total_us / 1e6 == pytest.approx(1.236, rel=0.001)
    assert flush.category == "memset_fill"


def test_idle_causes_partition_idle() -> None:
    report, idle = reported(COLD), cold().idle
    assert sum(cause.ns for cause in idle.causes()) == idle.total_ns
    parts = [idle.within(cold().phases.timeline.of(phase)) for phase in PHASES]
    assert sum(cause.ns for part in parts for cause in part.causes()) == idle.total_ns
    assert sum(cause.us for cause in report.idle) == pytest.approx(report.gpu.idle_us, abs=0.001)
    assert {cause.cause for cause in report.idle[:2]} == {"compile", "autotune"}


def test_the_images_after_the_first_are_steady() -> None:
    report = reported(COLD)
    assert [item.phase for item in report.iterations] == ["compile", "steady", "steady"]
    assert [item.wall_us / 1e6 for item in report.iterations] == pytest.approx(
        [82.2525, 0.187, 0.228], abs=0.001
    )
    assert report.steady is not None
    assert report.steady.median_us / 1e6 == pytest.approx((0.187 + 0.228) / 2, abs=0.001)
    # What is paid once is the first image less what an image takes.
    assert report.overhead.total_us / 1e6 == pytest.approx(82.25 - 0.207, abs=0.01)
    assert "69.8 s compile" in report.iterations[0].note


def test_compile_stages_are_torchs_own(truth: dict[str, float]) -> None:
    report = reported(COLD)
    stages = {stage.stage: stage for stage in report.compile}
    compile_us = next(phase.wall_us for phase in report.phases if phase.phase == "compile")
    assert sum(stage.exclusive_us for stage in report.compile) == pytest.approx(compile_us, abs=0.001)
    inclusive = {
        "bytecode tracing": "bytecode_tracing",
        "guards": "build_guards",
        "joint-graph passes": "_recursive_joint_graph_passes",
        "post-grad passes": "_recursive_post_grad_passes",
        "pre-grad passes": "_recursive_pre_grad_passes",
        "AOT dispatch": "create_aot_dispatcher_function",
        "fake tensor propagation": "additional_fake_tensor_prop",
        "inductor lowering": "GraphLowering.run",
        "code generation": "GraphLowering.compile_to_fn",
        "scheduling and fusion": "Scheduler.__init__",
        "kernel compilation and waiting for it": "async_compile.wait",
        "loading code": "PyCodeCache.load_by_key_path",
        "inductor, other": "OutputGraph.call_user_compiler",
        "dynamo, other": "_compile.compile_inner",
    }
    for stage, name in inclusive.items():
        assert stages[stage].inclusive_us / 1e6 == pytest.approx(truth[name], rel=0.01), stage
    assert sum(stage.exclusive_us for name, stage in stages.items() if name not in {*inclusive, "caches"}) < (
        0.01 * compile_us
    )


def test_first_calls_are_named() -> None:
    calls = cold().phases.first_calls
    names = {cold().trace.names[name] for name in cold().linked.host.name[calls.event]}
    assert "aten::_scaled_dot_product_cudnn_attention" in names
    warmup = cold().phases.timeline.totals()["warmup"]
    assert 0.5 * warmup < np.sum(calls.excess_ns) < warmup
