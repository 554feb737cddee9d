from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from sdtrace.breakdowns.iterations import iteration_rows
from sdtrace.structure.repeats import find_repeats
from sdtrace.waiting.devices import find_devices
from sdtrace.whatif.plan import plan_of
from tests.loaded import linked_of
from tests.shared import shared_trace
from tests.structures import structure_of
from tests.written import MS, call, host, kernel, without, written

ANNOTATED = ["fp32_eager", "bf16_sdpa.warm", "bf16_sdpa_graphs.warm", "bf16_sdpa_eager.stack"]


@pytest.mark.parametrize("name", ANNOTATED)
def test_images_take_the_time_the_run_itself_measured(name: str) -> None:
    linked = linked_of(shared_trace(f"reference/{name}.json.gz"))
    truth = json.loads(shared_trace(f"reference/{name}.truth.json").read_text())
    found = structure_of(linked)
    facts = iteration_rows(linked, found.iterations, found.steps, found.launches, find_devices(linked))
    assert [item.wall_ns / 1e9 for item in facts] == pytest.approx(truth["profiled_image_wall_s"], rel=0.005)
    # PNDM evaluates the UNet once more than it is asked for steps.
    assert [item.steps for item in facts] == [truth["steps"] + 1] * len(facts)


@pytest.mark.parametrize("name", ANNOTATED)
def test_all_device_work_of_an_image_is_counted_in_it_once(name: str) -> None:
    linked = linked_of(shared_trace(f"reference/{name}.json.gz"))
    found = structure_of(linked)
    facts = iteration_rows(linked, found.iterations, found.steps, found.launches, find_devices(linked))
    assert sum(item.gpu_events for item in facts) == len(linked.work.row)
    assert sum(item.gpu_ns for item in facts) == int(linked.trace.dur_ns[linked.work.row].sum())
    assert all(item.gpu_busy_ns <= item.wall_ns for item in facts)


@pytest.mark.parametrize(
    ("name", "count"),
    [("hta_cudagraph_training_a100", 5), ("hta_ns_resolution_v100", 5), ("hta_mi250_rocm62_training", 2)],
)
def test_profiler_steps_come_first(name: str, count: int) -> None:
    found = structure_of(linked_of(shared_trace(f"third_party/{name}.json.gz")))
    assert len(found.iterations) == count
    assert all(step.startswith("ProfilerStep#") for step in found.iterations.name)
    assert found.iterations.confidence == "certain"
    assert not len(found.steps), "training does not denoise"


def test_transformer_calls_are_denoising_steps_of_an_image_on_rocm() -> None:
    found = structure_of(linked_of(shared_trace("third_party/tracelens_xdit_sd35_mi300x.json.gz")))
    assert found.iterations.name == ["ProfilerStep#3"]
    assert found.steps.counts(found.iterations).tolist() == [4]


@pytest.mark.parametrize(("name", "confidence"), [("fp32_eager", "likely"), ("bf16_sdpa.warm", "likely")])
def test_images_are_found_where_nothing_marks_them(name: str, confidence: str) -> None:
    linked = linked_of(shared_trace(f"reference/{name}.json.gz"))
    marked = structure_of(linked).iterations
    found = structure_of(without(linked.trace, ["model_inference"])).iterations
    assert len(found) == len(marked)
    assert found.confidence == confidence
    # Python before an image's first op is not to be seen without the annotation.
    late = (found.start_ns - marked.start_ns) / (marked.end_ns - marked.start_ns)
    assert np.all((late >= 0) & (late < 0.1))


def test_annotations_that_differ_in_numbers_are_one_kind(tmp_path: Path) -> None:
    events = [host(f"image {n}", n * 1000, 900, "user_annotation") for n in range(3)]
    events += [host("aten::mm", n * 1000 + 10, 100) for n in range(3)]
    found = structure_of(written(tmp_path / "t.json", events)).iterations
    assert found.name == ["image 0", "image 1", "image 2"]
    assert found.start_ns.tolist() == [0, 1000, 2000]


def test_a_lone_profiler_step_gives_way_to_what_repeats_in_it(tmp_path: Path) -> None:
    events = [host("ProfilerStep#7", 0, 3000, "user_annotation")]
    events += [host("render", n * 1000, 900, "user_annotation") for n in range(3)]
    events += [host("aten::mm", n * 1000 + 10, 100) for n in range(3)]
    assert structure_of(written(tmp_path / "t.json", events)).iterations.name == ["render"] * 3
    alone = [event for event in events if event["name"] != "render"]
    assert structure_of(written(tmp_path / "u.json", alone)).iterations.name == ["ProfilerStep#7"]


def test_components_and_collectives_are_no_iterations(tmp_path: Path) -> None:
    events = [host("unet", n * 1000, 900, "user_annotation") for n in range(3)]
    events += [host("nccl:all_reduce", n * 1000, 900, "user_annotation", thread=2) for n in range(3)]
    events += [host("aten::mm", n * 1000 + 10, 100) for n in range(3)]
    found = structure_of(written(tmp_path / "t.json", events)).iterations
    assert found.name == ["t"]
    assert (found.start_ns.tolist(), found.end_ns.tolist()) == ([0], [2900])
    assert found.confidence == "guess"


def test_an_empty_trace_is_one_empty_iteration(tmp_path: Path) -> None:
    linked = written(tmp_path / "t.json", [kernel("k", 0, 10, 1)])
    found = structure_of(linked)
    facts = iteration_rows(linked, found.iterations, found.steps, found.launches, find_devices(linked))
    assert [(item.wall_ns, item.gpu_ns, item.launches) for item in facts] == [(10, 10, 0)]


def test_a_trace_of_instants_alone_is_one_iteration_of_no_length(tmp_path: Path) -> None:
    linked = written(
        tmp_path / "t.json", [{"ph": "i", "cat": "cpu_instant_event", "name": "[memory]", "ts": 1}]
    )
    found = structure_of(linked)
    assert (found.iterations.start_ns.tolist(), found.iterations.end_ns.tolist()) == ([0], [0])
    assert not len(found.steps)


def test_work_belongs_to_the_iteration_that_launched_it(tmp_path: Path) -> None:
    events = [host("image", n * 1000, 900, "user_annotation") for n in range(2)]
    events += [call("cudaLaunchKernel", 800, 10, 1), kernel("k", 1100, 50, 1)]
    events += [call("cudaLaunchKernel", 1200, 10, 2), kernel("k", 1300, 70, 2), kernel("k", 1340, 70, 2, 8)]
    linked = written(tmp_path / "t.json", events)
    found = structure_of(linked)
    first, second = iteration_rows(
        linked, found.iterations, found.steps, found.launches, find_devices(linked)
    )
    assert (first.gpu_ns, first.gpu_busy_ns, first.gpu_events, first.launches) == (50, 50, 1, 1)
    assert (first.host_wall_ns, first.wall_ns, second.wall_ns) == (900, 1150, 750)
    assert (second.gpu_ns, second.gpu_busy_ns, second.gpu_events, second.launches) == (140, 110, 2, 1)


def test_work_that_was_queued_before_the_profile_is_of_no_iteration(tmp_path: Path) -> None:
    events = [host("image", n * 1000, 900, "user_annotation") for n in range(2)]
    events += [kernel("earlier", 10 + n * 400, 400, 90 + n) for n in range(5)]
    events += [call("cudaLaunchKernel", 100, 10, 1), kernel("k", 2010, 300, 1)]
    events += [kernel("of a lost call", 2310, 40, 80)]
    events += [call("cudaLaunchKernel", 1100, 10, 2), kernel("k", 2350, 300, 2)]
    linked = written(tmp_path / "t.json", events)
    found = structure_of(linked)
    rows = iteration_rows(linked, found.iterations, found.steps, found.launches, find_devices(linked))
    assert [(row.gpu_ns, row.gpu_events, row.launches) for row in rows] == [(300, 1, 1), (340, 2, 1)]
    assert [row.wall_ns for row in rows] == [300, 340]


def test_work_that_the_host_waits_for_before_it_launches_any_is_of_no_iteration(tmp_path: Path) -> None:
    events = [host("ProfilerStep#6", 0, 3000, "user_annotation")]
    events += [kernel("earlier", 20 + n * 400, 390, 90 + n) for n in range(2)]
    events += [call("cudaDeviceSynchronize", 10, 900, 80), host("aten::mm", 1000, 50)]
    events += [call("cudaLaunchKernel", 1010, 20, 1), kernel("k", 1100, 500, 1)]
    linked = written(tmp_path / "t.json", events)
    found = structure_of(linked)
    (row,) = iteration_rows(linked, found.iterations, found.steps, found.launches, find_devices(linked))
    assert (row.gpu_ns, row.gpu_events, row.wall_ns) == (500, 1, 3000 - 810)
    plan = plan_of(linked, 0, 3000)
    assert plan is not None
    assert plan.calls.own_ns.tolist() == [100, 20]


def test_work_of_lost_launches_is_of_the_iteration_that_it_ran_in(tmp_path: Path) -> None:
    events = [host("image", n * MS, 900_000, "user_annotation") for n in range(3)]
    events += [kernel("k", n * MS + 100_000, 50, 90 + n) for n in range(2)]
    events += [call("cudaLaunchKernel", 2 * MS + 10, 10, 1), kernel("k", 2 * MS + 100, 50, 1)]
    linked = written(tmp_path / "t.json", events)
    found = structure_of(linked)
    rows = iteration_rows(linked, found.iterations, found.steps, found.launches, find_devices(linked))
    assert [row.gpu_ns for row in rows] == [50, 50, 50]


def test_work_that_the_first_step_waits_for_before_it_launches_is_of_no_iteration(tmp_path: Path) -> None:
    """The profile begins while the GPU is busy: the step synchronizes first, then launches its own work."""
    events = [host("ProfilerStep#6", 3_000, 9 * MS, "user_annotation")]
    events += [kernel("earlier", 2_000 + n * MS, MS - 2_000, 90 + n) for n in range(4)]
    events += [call("cudaDeviceSynchronize", 4_000, 4 * MS, 80)]
    for n in range(3):
        events += [call("cudaLaunchKernel", 4 * MS + 200_000 + n * MS, 5_000, 1 + n)]
        events += [kernel("k", 4 * MS + 210_000 + n * MS, MS - 10_000, 1 + n)]
    linked = written(tmp_path / "t.json", events)
    found = structure_of(linked)
    rows = iteration_rows(linked, found.iterations, found.steps, found.launches, find_devices(linked))
    assert [(row.gpu_events, row.wall_ns) for row in rows] == [(3, 5 * MS + 3_000)]


def test_repeats_are_found_among_layers_that_repeat_oftener() -> None:
    random = np.random.default_rng(1)
    layer, tail = random.integers(0, 30, 12), random.integers(30, 60, 40)
    step = np.concatenate((random.integers(60, 90, 25), np.tile(layer, 6), tail))
    names = np.concatenate((np.arange(100, 160), np.tile(step, 7), np.arange(200, 260))).astype(np.int32)
    found = find_repeats(names)
    assert found is not None
    assert found.first.tolist() == list(range(60, 60 + 7 * len(step), len(step)))
    assert found.length == len(step)
    assert found.agreement == 1.0


def test_no_repeats_are_seen_in_noise() -> None:
    names = np.random.default_rng(2).integers(0, 500, 5000).astype(np.int32)
    assert find_repeats(names) is None
    assert find_repeats(np.arange(3, dtype=np.int32)) is None


@pytest.mark.parametrize(("later", "confidence"), [(5, "guess"), (10, "likely")])
def test_requests_that_threads_serve_at_the_same_time_are_no_sure_iterations(
    tmp_path: Path, later: int, confidence: str
) -> None:
    ms, events = 1_000_000, []
    for request in range(8):
        thread = request % 2
        start = (request // 2 * 20 + thread * later) * ms
        number = request + 1
        events += [
            host("request", start, 9 * ms, "user_annotation", 1 + thread),
            host("aten::mm", start + ms, ms, thread=1 + thread),
            call("cudaLaunchKernel", start + ms, 5_000, number, 1 + thread),
            kernel("gemm", start + 2 * ms, 2 * ms, number),
        ]
    found = structure_of(written(tmp_path / "t.json", events)).iterations
    assert (found.confidence, "2 threads run it" in found.how) == (confidence, confidence == "guess")
