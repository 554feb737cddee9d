"""What people's traces waited for, with answers that were worked out by hand."""

from __future__ import annotations

import pytest

from sdtrace.phases.timeline import PHASES
from sdtrace.waiting.devices import device_rows, find_turns
from tests.fields import findings_of, report_of, study_of

MS = 1_000_000
MALLOC = "cudamalloc_every_iteration.json"
LOADER = "loader_wait_is_no_stall.json"
OFFLOAD = "sequential_cpu_offload.json.gz"
SPLIT = "model_split_over_two_gpus.json.gz"


def test_memory_calls_are_a_cause_of_their_own() -> None:
    report = report_of(MALLOC)
    assert report.gpu.idle_us == 96_100
    causes = {cause.cause: cause.us for cause in report.idle}
    assert causes["memory"] == pytest.approx(75_500, abs=50)
    blamed = study_of(MALLOC).idle.blamed_for("memory")
    assert [name for name, _ in blamed] == ["cudaMalloc", "cudaFree"]
    found = findings_of(MALLOC)
    assert "expandable_segments" in found["host.memory"].advice
    assert "`cudaMalloc`, `cudaFree`" in found["host.memory"].evidence
    assert report.findings[0].id == "host.memory"
    saved = found["host.memory"].saving_us
    assert saved is not None
    assert saved == pytest.approx(causes["memory"] / 6, rel=0.01)


def test_waiting_for_a_loader_is_no_stall_in_any_table() -> None:
    report = report_of(LOADER)
    assert [phase.phase for phase in report.phases] == ["steady"]
    assert report.phases[0].wall_us == report.wall_us
    causes = {cause.cause: cause.us for cause in report.idle}
    # Of 8 waits of 250 ms the first is over before any device work.
    assert causes["data_wait"] == 7 * 250_000
    assert "host_stall" not in causes
    found = findings_of(LOADER)
    assert "host.stall" not in found
    assert found["host.data"].evidence.startswith("62.5 % of steady time")


def test_weights_that_move_in_every_step() -> None:
    found = findings_of(OFFLOAD)
    assert "host.launch_bound" not in found
    evidence = found["host.copies"].evidence
    # The same 20 MB again and again, and nothing goes back.
    assert found["host.copies"].title == "Weights move to the GPU layer by layer, again and again"
    assert "remove `enable_sequential_cpu_offload()`" in found["host.copies"].advice
    assert "95.8 % of steady GPU time" in evidence
    assert "0.48 GB to the GPU in 24 copies an iteration, 45.1 ms, 10.6 GB/s" in evidence
    assert "blocked by them for 45.6 ms" in evidence
    assert study_of(OFFLOAD).idle.blamed_for("copy")[0][0] == "aten::to"


def test_two_devices_that_take_turns_are_half_idle_each() -> None:
    study = study_of(SPLIT)
    rows = device_rows(study.linked, study.idle.devices, study.steady_spans)
    assert [(row.index, row.name, row.kernels) for row in rows] == [
        (0, "NVIDIA GeForce RTX 4080", 200),
        (1, "NVIDIA GeForce RTX 4080", 200),
    ]
    for row in rows:
        assert row.busy_ns == row.steady_busy_ns == 196 * MS
        assert row.busy_ns / (row.busy_ns + row.idle_ns) == pytest.approx(0.49, abs=0.005)
    turns = find_turns(study.idle.devices)
    assert turns is not None
    assert (turns.devices, turns.overlap_ns, turns.waiting_ns) == ((0, 1), 0, 196 * MS)
    causes = {cause.cause: cause.ns for cause in study.idle.causes()}
    assert causes["other_device"] == 2 * 196 * MS
    report = report_of(SPLIT)
    assert report.gpu.busy_us + report.gpu.idle_us == sum(row.busy_ns + row.idle_ns for row in rows) / 1000
    share = sum(row.gpu_busy_us for row in report.iterations) / sum(row.wall_us for row in report.iterations)
    assert share == pytest.approx(0.49, abs=0.005)


def test_busy_and_idle_reach_to_a_last_kernel_of_no_length() -> None:
    report = report_of("busy_idle.json")
    assert (report.gpu.busy_us, report.gpu.idle_us) == (1, 999)
    assert sum(cause.us for cause in report.idle) == 999


@pytest.mark.parametrize("name", ["phase_two_threads.json", "phase_ops_sum.json", MALLOC, SPLIT])
def test_ops_of_a_phase_sum_to_its_device_time(name: str) -> None:
    whole = {phase.phase: phase.gpu_us for phase in report_of(name).phases}
    assert sum(whole.values()) > 0
    for phase in PHASES:
        ops = report_of(name, phase).ops
        assert sum(op.self_device_us for op in ops if op.device_type == "cpu") == whole.get(phase, 0)


def test_calls_of_ops_sum_over_phases() -> None:
    name = "phase_two_threads.json"
    calls = [
        sum(op.calls for op in report_of(name, phase).ops if op.device_type == "cpu") for phase in PHASES
    ]
    assert sum(calls) == sum(op.calls for op in report_of(name).ops if op.device_type == "cpu")


def test_components_on_two_threads_sum_to_the_wall() -> None:
    report = report_of("components_overlap.json")
    assert sum(row.wall_us for row in report.components) == report.wall_us == 10
    assert sum(row.calls for row in report.components) == 2
