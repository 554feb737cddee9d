"""What reports of real traces promise, and what their verdicts say."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest

from sdtrace.analysis import Options, analyze
from sdtrace.analysis.verdict import verdict_of
from sdtrace.model import Saving, TraceReport
from tests.analysis.reference import reported
from tests.fields import report_of
from tests.structure.pipelines import Recorder
from tests.written import kernel, written

DATA = Path(__file__).parent / "data"
SHIPPED = ("h200-fp32_eager.json", "h200-bf16_sdpa_cudagraphs.json", "h200-bf16_sdpa_regional.cold.json.gz")
NAMES = (
    *SHIPPED,
    *(f"wild/{name}" for name in ("pairs_sd", "pairs_fp32", "lora_train", "sd_offload", "flux_recompile")),
    *(f"reference/{name}" for name in ("bf16_sdpa.warm", "bf16_sdpa_graphs.warm", "fp32_eager")),
    *(f"third_party/{name}" for name in ("tracelens_xdit_sd35_mi300x", "hta_ns_resolution_v100")),
)


@pytest.mark.parametrize("name", NAMES)
def test_no_saving_above_the_image_and_none_below_nothing(name: str) -> None:
    report = reported(name)
    walls = [report.steady.median_us if report.steady else None, report.unprofiled_wall_us]
    most = min(wall for wall in walls if wall is not None)
    for finding in report.findings:
        if finding.id.startswith("overhead."):
            continue
        if finding.saving is None:
            assert finding.saving_us is None or finding.saving_us <= most
            continue
        saving = finding.saving
        assert 0 <= saving.low_us <= saving.to_us <= saving.high_us
        assert saving.to_us <= saving.from_us
        assert finding.saving_us == pytest.approx(saving.from_us - saving.to_us)
        assert saving.step_us >= 0
    steps = [finding.saving.step_us for finding in report.findings if finding.saving]
    assert report.unprofiled is None or sum(steps) <= report.unprofiled.mid_us


def test_a_recorded_wall_is_told_as_it_was_measured() -> None:
    report = reported("h200-fp32_eager.json")
    bare = report.unprofiled
    assert bare is not None
    assert bare.source == "recorded"
    recorded = sorted(1e6 * wall for wall in report.run["unprofiled_wall_s"])
    assert [bare.low_us, bare.mid_us, bare.high_us] == pytest.approx(recorded, rel=1e-6)


def test_a_launch_bound_image_is_sent_to_cuda_graphs() -> None:
    # Measured in the same process: 395 ms, and 126 ms with reduce-overhead.
    report = reported("wild/pairs_sd")
    assert report.unprofiled is not None
    assert report.unprofiled.low_us < 395_000 < report.unprofiled.high_us
    assert report.verdict is not None
    assert report.verdict.first == "host.launch_bound"
    saving = next(item.saving for item in report.findings if item.id == "host.launch_bound")
    assert saving is not None
    assert saving.low_us < 126_000 < saving.high_us


def test_an_offloaded_pipeline_is_told_to_keep_its_weights_still() -> None:
    report = reported("wild/sd_offload")
    assert report.verdict is not None
    assert report.verdict.first == "host.copies"
    launching = [item for item in report.findings if item.id == "host.launch_bound"]
    assert all(item.saving is None for item in launching)


def test_the_verdict_says_what_ran_and_what_was_paid_once() -> None:
    report = reported("h200-bf16_sdpa_regional.cold.json.gz")
    assert report.verdict is not None
    what = report.verdict.what
    assert (what.size, what.steps, what.dtype, what.device) == ("64x64", 2, "bfloat16", "NVIDIA H200")
    lines = {line.label: f"{line.lead} {line.rest}" for line in report.verdict.lines}
    assert "tiny test model" in lines["Ran"]
    assert lines["Takes"].startswith("33.6 ms per steady image without profiler (measured, ")
    assert lines["Overhead"].startswith("10.6 s of one-time cost, as profiled: compile 8.97 s")


def test_the_verdict_says_that_matmuls_ran_in_8_bits_and_on_which_model() -> None:
    report = reported("h200-bf16_sdpa_regional.cold.json.gz")
    axes = {**report.run["axes"], "quantization": "fp8"}
    run = {**report.run, "axes": axes, "model": "flux"}
    verdict = verdict_of(msgspec.structs.replace(report, run=run), [])
    assert verdict.what.dtype == "bfloat16 with fp8 matmuls"
    assert verdict.text.startswith(
        "Ran: FLUX.1-dev, 64x64, 2 steps, bfloat16 with fp8 matmuls on NVIDIA H200"
    )


def test_float32_without_tensor_cores_is_the_first_thing() -> None:
    # Measured in the same process: 842 ms, and 172 ms in float16.
    report = analyzed("vae.base")
    saving = next(item.saving for item in report.findings if item.id == "device.float32")
    assert saving is not None
    assert saving.low_us < 172_500 < saving.high_us
    assert report.verdict is not None
    assert "full float32" in report.verdict.text


def test_where_nothing_is_left_to_gain_nothing_is_promised() -> None:
    report = analyzed("flux.graphs")
    launching = next(item for item in report.findings if item.id == "host.launch_bound")
    assert launching.saving is None
    # The device works for 54 of 61 ms: there is no more than the rest.
    assert launching.saving_us is not None
    assert launching.saving_us < 8_000


def test_pipelined_training_is_not_replayed() -> None:
    report = reported("third_party/hta_cudagraph_training_a100")
    assert report.unprofiled is None
    assert all(item.saving is None for item in report.findings)


def analyzed(name: str) -> TraceReport:
    return analyze(DATA / f"{name}.json.gz", Options.of())


def test_a_loader_at_the_start_of_an_iteration_is_what_workers_save() -> None:
    # 250 of 399 ms are in the loader, before anything is launched.
    saving = saving_of("loader_wait_is_no_stall.json", "host.data")
    assert saving.from_us == pytest.approx(399_000, rel=0.01)
    assert saving.to_us == pytest.approx(149_000, rel=0.01)
    assert saving.high_us > saving.to_us + 0.2 * 250_000


def test_tf32_brings_what_was_measured_and_nothing_after_16_bits() -> None:
    found = {finding.id: finding.saving for finding in reported("wild/pairs_fp32").findings}
    tf32, short = found["device.tf32"], found["device.float32"]
    assert tf32 is not None
    assert short is not None
    # Measured in one process: 1,246 ms, 922 ms with TF32, 548 ms in bfloat16.
    assert tf32.low_us < 922_000 < tf32.high_us
    assert short.low_us < 548_000 < short.high_us
    assert short.step_us > 0
    assert tf32.step_us == 0


def test_an_image_of_a_batch_takes_its_share() -> None:
    saving = next(item.saving for item in reported("wild/pairs_sd").findings if item.id == "host.batch")
    assert saving is not None
    assert saving.basis == "bound"
    assert saving.from_us / 2 * 0.7 < saving.low_us < saving.to_us < saving.high_us < saving.from_us
    assert saving.step_us == 0


def test_several_devices_of_one_process_are_replayed_and_several_processes_are_not() -> None:
    split = {finding.id for finding in report_of("model_split_over_two_gpus.json.gz").findings}
    merged = {finding.id: finding for finding in report_of("two_ranks_merged.json").findings}
    assert "trace.no_replay" not in split
    assert report_of("model_split_over_two_gpus.json.gz").unprofiled is not None
    assert "several processes launch work" in merged["trace.no_replay"].evidence
    assert report_of("two_ranks_merged.json").unprofiled is None


def saving_of(name: str, finding: str) -> Saving:
    found = next(item.saving for item in report_of(name).findings if item.id == finding)
    assert found is not None
    return found


def test_an_iteration_that_ends_work_from_before_the_profile_is_not_the_one_replayed(tmp_path: Path) -> None:
    run = Recorder()
    before = [kernel(f"k{number}", number * 20_000, 20_000, 10**6 + number, stream=8) for number in range(50)]
    for number in range(4):
        with run.mark(f"ProfilerStep#{number + 5}", "user_annotation"):
            run.ops(["conv2d", "batch_norm", "relu"] * 40)
            run.idle(40_000 if number else 0)
    path = tmp_path / "t.json"
    written(path, [*before, *run.events])
    report = analyze(path, Options.of())
    assert report.steady is not None
    assert report.steady.min_us == pytest.approx(report.iterations[0].wall_us)
    assert report.unprofiled is not None
    assert report.unprofiled.mid_us == pytest.approx(1000, rel=0.3)
