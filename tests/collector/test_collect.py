"""What a collected trace holds: ranges, run facts, torch's own table; made by real runs on the CPU."""

from __future__ import annotations

import gzip
import json
import shutil
from collections import Counter
from pathlib import Path
from statistics import median
from typing import Any

import pytest
import torch

from sdtrace.roofline.peaks import find_peaks
from sdtrace_collector.protocol import Spec
from sdtrace_collector.run import plan_of
from sdtrace_collector.variants import Axes
from tests.collector.conftest import Collected, collected_by_fork, holds


def test_each_range_stands_in_the_range_it_belongs_to(eager: Collected) -> None:
    images = eager.spans("model_inference")
    steps = eager.spans("denoise_step")
    assert len(images) == eager.facts["images"] == 2
    assert len(steps) == 2 * (eager.facts["steps"] + 1), "PNDM's warm-up repeats one step"
    assert all(any(holds(image, step) for image in images) for step in steps)
    unets = eager.spans("unet")
    assert len(unets) == len(steps)
    assert all(holds(step, unet) for step, unet in zip(steps, unets, strict=True))
    assert all(any(holds(image, vae) for image in images) for vae in eager.spans("vae"))
    assert len(eager.spans("vae")) == 2
    assert len(eager.spans("text_encoder")) == 4, "prompt and negative prompt, for each image"


def test_every_step_asks_the_scheduler_inside_its_range(eager: Collected) -> None:
    schedulers = eager.spans("scheduler")
    for step in eager.spans("denoise_step"):
        assert sum(holds(step, scheduler) for scheduler in schedulers) == 2, "scale_model_input and step"


def test_unfused_attention_multiplies_and_normalises_in_the_open(eager: Collected) -> None:
    unet = eager.spans("unet")[0]
    softmax = [span for span in eager.spans("aten::softmax", "cpu_op") if holds(unet, span)]
    fused = eager.spans("aten::scaled_dot_product_attention", "cpu_op")
    assert softmax
    assert not [span for span in fused if holds(unet, span)]


def test_the_trace_says_how_it_was_made(eager: Collected) -> None:
    facts = eager.facts
    assert facts["schema"] == "sdtrace.run/1"
    assert facts["variant"] == "fp32_eager"
    assert facts["axes"]["dtype"] == "fp32"
    assert facts["model"] == "tiny"
    assert (facts["steps"], facts["batch"], facts["height"], facts["width"]) == (2, 1, 64, 64)
    assert facts["versions"]["torch"] == torch.__version__
    assert facts["device"] == "cpu"
    assert facts["options"] == {
        "record_shapes": True,
        "with_flops": True,
        "with_stack": False,
        "profile_memory": False,
    }
    assert facts["dynamo_compile_times"] == {}
    assert len(facts["unprofiled_wall_s"]) == 3
    assert facts["unprofiled_before"] == 2, "the third comes after the profiled images"
    assert facts["peak_memory_bytes"] > 50e6


def test_profiled_times_are_those_of_the_image_ranges(eager: Collected) -> None:
    ranges = [(end - start) / 1e6 for start, end in eager.spans("model_inference")]
    assert eager.facts["profiled_wall_s"] == pytest.approx(ranges, rel=0.05)


def test_the_command_prints_path_speed_and_what_to_type_next(eager: Collected) -> None:
    speed = median(eager.facts["unprofiled_wall_s"]) * 1000
    assert str(eager.path) in eager.stdout
    assert f"{speed:.1f} ms/image" in eager.stdout
    assert f"sdtrace analyze {eager.path.parent}/*.json" in eager.stdout
    assert eager.stderr == "", "no progress where no terminal is"


def test_the_golden_table_counts_the_events_of_its_trace(eager: Collected) -> None:
    path = eager.path.with_name("fp32_eager.keyavg.json.gz")
    golden: dict[str, Any] = json.loads(gzip.decompress(path.read_bytes()))
    assert set(golden) == {"self_cpu_total_us", "rows"}
    assert set(golden["rows"][0]) == {
        "key",
        "count",
        "device_type",
        "is_user_annotation",
        "cpu_time_total",
        "self_cpu_time_total",
        "device_time_total",
        "self_device_time_total",
        "flops",
    }
    counts = {row["key"]: row["count"] for row in golden["rows"]}
    events = Counter(e["name"] for e in eager.trace["traceEvents"] if e.get("cat") == "user_annotation")
    assert {name: counts[name] for name in events} == dict(events)
    total = sum(
        row["self_cpu_time_total"] for row in golden["rows"] if row["device_type"] == "DeviceType.CPU"
    )
    assert total == pytest.approx(golden["self_cpu_total_us"])
    assert next(row["flops"] for row in golden["rows"] if row["key"] == "aten::conv2d") > 1e6


@pytest.fixture(scope="module")
def second(tmp_path_factory: pytest.TempPathFactory) -> Collected:
    """The first image once more, in place of a file that was there, and then the CPU measured."""
    path = tmp_path_factory.mktemp("second") / "second.json"
    path.write_text("mine")
    few = ("--variant", "fp32_eager", "--steps", "2", "--images", "1", "--unprofiled-images", "0")
    return collected_by_fork(path, *few, "--force", "--peaks")


def test_one_seed_makes_one_image(eager: Collected, second: Collected) -> None:
    assert second.facts["image_means"] == eager.facts["image_means"][:1]
    assert "ms/image profiled" in second.stdout, "without unprofiled images it says what it shows"


def test_force_replaces_what_was_there(second: Collected) -> None:
    assert second.facts["schema"] == "sdtrace.run/1"
    assert [path.name for path in second.path.parent.iterdir()] == ["second.json"]


def test_a_run_on_a_cpu_is_not_followed_by_measuring_unless_asked(
    eager: Collected, second: Collected
) -> None:
    assert eager.facts["peaks"] is None
    assert set(second.facts["peaks"]["flops_per_s"]) == {"float32", "bfloat16"}
    read = find_peaks(None, second.facts["peaks"])
    assert read is not None
    assert read.memory_bytes_per_s == second.facts["peaks"]["memory_bytes_per_s"]


def test_a_variant_moved_by_hand_bears_its_moves(tmp_path: Any) -> None:
    few = ("--steps", "1", "--images", "1", "--unprofiled-images", "0", "--no-record-shapes")
    moves = ("--set", "grad_mode=grad", "--set", "memory_format=channels_last")
    moved = collected_by_fork(tmp_path / "moved.json", "--variant", "fp32_eager", *few, *moves, "--seed", "1")
    assert moved.facts["variant"] == "fp32_eager+grad_mode=grad+memory_format=channels_last"
    assert moved.facts["seed"] == 1
    assert moved.facts["options"]["with_flops"] is False
    assert "Input Dims" not in moved.path.read_text(encoding="utf-8")


@pytest.mark.filterwarnings("ignore::FutureWarning", "ignore::RuntimeWarning")
def test_plain_hta_loads_the_folder(eager: Collected, tmp_path: Path) -> None:
    analysis = pytest.importorskip("hta.trace_analysis", reason="HolisticTraceAnalysis is not installed here")
    shutil.copy(eager.path, tmp_path)
    trace = analysis.TraceAnalysis(trace_dir=str(tmp_path)).t
    frame, names = trace.get_trace(0), trace.symbol_table.get_sym_table()
    annotations = frame[frame["cat"] == names.index("user_annotation")]
    found = Counter(names[number] for number in annotations["name"])
    for name in ("model_inference", "denoise_step", "unet", "vae"):
        assert found[name] == len(eager.spans(name))


def test_a_cpu_makes_two_small_images_unless_told_otherwise() -> None:
    plan = plan_of(Spec("fp32_eager", Axes(), "", device="cpu"))
    assert (plan.model, plan.steps, plan.images) == ("tiny", 4, 2)
    told = plan_of(Spec("fp32_eager", Axes(), "", device="cpu", steps=7, images=0))
    assert (told.steps, told.images) == (7, 0)
