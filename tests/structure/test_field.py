"""Traces as people meet them: iterations whose number and length are known."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from sdtrace import model
from sdtrace.analysis.options import Options
from sdtrace.breakdowns.iterations import IterationRow, iteration_rows
from sdtrace.structure.run_structure import RunStructure
from sdtrace.trace import Trace
from sdtrace.waiting.devices import find_devices
from tests.loaded import linked_of, report_of, trace_of
from tests.shared import shared_trace
from tests.structures import structure_of
from tests.written import without

_FIELD = Path(__file__).parents[1] / "field"
_OPTIONS = Options.of(phase=None, op_times="true", rules=None)


def _study(path: Path) -> tuple[RunStructure, list[IterationRow]]:
    linked = linked_of(path)
    found = structure_of(linked)
    return found, iteration_rows(linked, found.iterations, found.steps, found.launches, find_devices(linked))


def _report(name: str) -> model.TraceReport:
    return report_of(_FIELD / name)


def test_calls_of_components_are_no_images() -> None:
    found, rows = _study(_FIELD / "component_annotations_two_images.json.gz")
    assert [row.wall_ns / 1e6 for row in rows] == pytest.approx([55, 55], abs=1.5)
    assert [row.steps for row in rows] == [20, 20]
    assert [len(found.components.only([name])) for name in ("transformer", "vae")] == [40, 2]


def test_noise_in_every_step_begins_no_image() -> None:
    """Three images of a small UNet that is given its time as a number, on a CPU."""
    found, rows = _study(_FIELD / "cpu_noise_every_step.json.gz")
    assert [row.steps for row in rows] == [4, 4, 4]
    assert found.iterations.confidence == "guess"
    assert found.iterations.runner_up == "Otherwise: 12 repeats in the order of ops."


def test_blocks_compiled_one_by_one_are_no_steps() -> None:
    found, rows = _study(_FIELD / "cpu_compiled_blocks.json.gz")
    assert [row.steps for row in rows] == [3, 3]
    assert "runs of 8 calls" in found.steps.how


def test_a_compiled_decoder_is_of_the_image_that_it_ends() -> None:
    """SDXL in 5 steps, three times, on an H100: the host waits for each picture in its copy alone."""
    report = _report("h100_compiled_decoder.json.gz")
    works = [row.gpu_us for row in report.iterations]
    assert len(works) == 3
    assert max(works) < 1.02 * min(works)
    assert {row.component: row.calls for row in report.components}["vae"] == 3


def test_the_last_step_holds_no_compiled_decoder() -> None:
    """Stable Diffusion 3 in 6 steps, three times, on an H100: nothing but the decoder is compiled."""
    report = _report("h100_compiled_decoder_sd3.json.gz")
    fused = sum(row.total_us for row in report.kernels if row.name.startswith("triton_"))
    parts = {row.component: row for row in report.components}
    assert (parts["transformer"].calls, parts["vae"].calls) == (18, 3)
    assert parts["vae"].gpu_us >= fused > 0


def test_training_steps_are_seen_by_their_optimizer_and_loader() -> None:
    found, rows = _study(_FIELD / "optimizer_marks_stage_period.json.gz")
    assert len(rows) == 6
    # From one optimizer step to the next; the first step also chose its convolutions.
    assert [row.wall_ns / 1e6 for row in rows[1:]] == pytest.approx([114, 111, 124, 114, 116], abs=2)
    assert found.iterations.is_whole.all()


def test_profiler_steps_of_old_traces_bear_the_category_of_ops() -> None:
    found, rows = _study(_FIELD / "old_profilerstep_operator.json")
    assert found.iterations.name == [f"ProfilerStep#{number}" for number in range(3, 9)]
    assert found.iterations.confidence == "certain"
    assert [(row.wall_ns, row.gpu_events, row.gpu_ns) for row in rows] == [(9_000_000, 12, 2_400_000)] * 6


def test_a_step_that_never_ended_reaches_to_the_end_and_is_not_steady() -> None:
    report = _report("unfinished_annotation.json")
    assert report.steady is not None
    assert (report.steady.iterations, report.steady.min_us) == (5, 990.0)
    last = report.iterations[-1]
    assert (len(report.iterations), last.gpu_events, last.is_whole) == (6, 8, False)
    assert "incomplete" in last.note
    assert last.start_us + last.wall_us == report.wall_us


def test_a_step_takes_what_the_device_needs_where_the_host_runs_ahead() -> None:
    report = _report("host_ahead_of_device.json")
    assert report.steady is not None
    assert report.steady.iterations == 8
    assert report.steady.median_us == pytest.approx(50_000, rel=0.002)
    assert [row.wall_us for row in report.iterations] == pytest.approx([50_000] * 8, rel=0.002)
    assert [row.host_wall_us for row in report.iterations[:7]] == [9_990.0] * 7
    assert all(row.gpu_busy_us <= row.wall_us for row in report.iterations)
    assert {row.note for row in report.iterations} == {""}


_WILD = [
    ("flux_recompile", [], 5, 2),
    ("sd_offload", [], 3, 5),
    ("sd_offload", ["generate"], 3, 5),
    ("lora_train", [], 2, 0),
    ("lora_train", ["ProfilerStep#1", "ProfilerStep#2"], 2, 0),
    ("cfg_parallel.rank0", [], 2, 6),
    ("cfg_parallel.rank0", ["denoise"], 2, 6),
    ("cfg_parallel.rank1", [], 2, 6),
    # PNDM calls the UNet once more than it is asked for steps.
    ("pairs_sd", [], 3, 9),
    ("pairs_fp32", [], 2, 9),
    # One call of the UNet and a decode.
    ("bytes_eager", [], 1, 1),
]


def _wild(name: str) -> Trace:
    return trace_of(shared_trace(f"wild/{name}.json.gz"))


@pytest.mark.parametrize(("name", "removed", "iterations", "steps"), _WILD)
def test_iterations_of_plain_profiles(name: str, removed: list[str], iterations: int, steps: int) -> None:
    found = structure_of(without(_wild(name), removed))
    assert len(found.iterations) == iterations, found.notes
    assert found.steps.counts(found.iterations).tolist() == [steps] * iterations, found.notes


def test_images_last_as_long_as_the_run_measured() -> None:
    # Images that compile, and images between which nothing waits, as the script timed them.
    walls = {
        "flux_recompile": [25.4077, 23.6363, 0.2664, 0.0874, 0.0998],
        "pairs_sd": [0.4907, 0.5012, 0.7580],
        "pairs_fp32": [1.2893, 1.2709],
    }
    for name, expected in walls.items():
        _, rows = _study(shared_trace(f"wild/{name}.json.gz"))
        assert [row.wall_ns / 1e9 for row in rows] == pytest.approx(expected, rel=0.08), name


def test_training_without_profiler_steps_has_as_many_steps() -> None:
    for name, count in (("hta_ns_resolution_v100", 5), ("hta_cudagraph_training_a100", 5)):
        linked = linked_of(shared_trace(f"third_party/{name}.json.gz"))
        trace = linked.trace
        marks = [text for text in trace.names if text.startswith("ProfilerStep#")]
        found = structure_of(without(trace, marks)).iterations
        assert len(found) == count
        known = structure_of(linked).iterations
        assert np.all(np.abs(found.end_ns - known.end_ns) < 0.2 * (known.end_ns - known.start_ns)[-1])
