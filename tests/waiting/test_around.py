"""What the host does in an iteration before the first GPU work of a trace, and after the last."""

from __future__ import annotations

from pathlib import Path

import pytest

from sdtrace.analysis import Options, analyze
from sdtrace.model import TraceReport
from tests.structure.pipelines import Recorder
from tests.waiting.test_idle import idle_of
from tests.written import MS, Event, call, host, kernel, written

PREPARED = "image_processing.py(12): preprocess"


def prepared(folder: Path, frames: str = "python_function") -> TraceReport:
    """One step that prepares its input for 50 ms before it launches anything."""
    run = Recorder()
    with run.mark("ProfilerStep#6", "user_annotation"):
        with run.mark(PREPARED, frames):
            run.idle(50 * MS)
        run.ops(["layer_norm", "linear", "mul", "add"] * 100)
    path = folder / "t.json"
    written(path, run.events)
    return analyze(path, Options.of())


def test_python_before_the_first_kernel_is_what_the_gpu_waits_for(tmp_path: Path) -> None:
    report = prepared(tmp_path)
    assert report.verdict is not None
    dominates = next(line for line in report.verdict.lines if line.label == "Dominates")
    assert dominates.lead.endswith("of the iteration, mostly for Python.")
    assert report.verdict.first == "host.python"
    found = next(finding for finding in report.findings if finding.id == "host.python")
    assert PREPARED in found.evidence
    assert found.saving is not None
    assert found.saving.to_us < 5_000


@pytest.mark.parametrize("frames", ["python_function", "user_annotation"])
def test_compiling_does_not_shorten_what_is_prepared(tmp_path: Path, frames: str) -> None:
    report = prepared(tmp_path, frames)
    compiled = [row.saving for row in report.findings if row.id in ("device.fusion", "host.launch_bound")]
    assert compiled
    for saving in compiled:
        assert saving is None or saving.to_us > 48_000


def test_idle_time_around_the_work_reaches_to_the_ends_of_its_iterations(tmp_path: Path) -> None:
    events: list[Event] = [
        host("ProfilerStep#1", 0, 8 * MS, "user_annotation"),
        host("a.py(1): before", 0, 3 * MS, "python_function"),
        host("aten::mm", 3 * MS, 20_000),
        call("cudaLaunchKernel", 3 * MS, 10_000, 1),
        kernel("gemm", 4 * MS, MS, 1),
        host("a.py(2): after", 5 * MS, 3 * MS, "python_function"),
        host("aten::add", 9 * MS, 1_000),
    ]
    idle = idle_of(written(tmp_path / "t.json", events))
    assert idle.total_ns == 0
    assert idle.around is not None
    assert {cause.cause: cause.ns for cause in idle.around.causes()} == {
        "python": 6 * MS,
        "launch_bound": MS,
    }
    whole = idle.with_around()
    assert whole.start_ns.tolist() == sorted(whole.start_ns.tolist())
    assert whole.total_ns == idle.around.total_ns
    assert len(set(whole.gap.tolist())) == 2


def test_the_verdict_tells_what_the_gpu_waits_for_in_iterations_not_between_them(tmp_path: Path) -> None:
    run = Recorder()
    for number in range(3):
        with run.mark(f"ProfilerStep#{number}", "user_annotation"):
            run.ops(["layer_norm", "linear", "mul", "add"] * 100)
        with run.mark("write_images", "python_function"):
            run.idle(30 * MS)
    path = tmp_path / "t.json"
    written(path, run.events)
    verdict = analyze(path, Options.of()).verdict
    assert verdict is not None
    dominates = next(line for line in verdict.lines if line.label == "Dominates")
    assert dominates.lead.endswith("mostly until the CPU launches the next kernel.")


def test_after_the_last_work_the_host_is_late_with_nothing(tmp_path: Path) -> None:
    events: list[Event] = [
        host("ProfilerStep#1", 0, 20 * MS, "user_annotation"),
        call("cudaLaunchKernel", 0, 10_000, 1),
        kernel("gemm", 20_000, 5 * MS, 1),
        call("cudaDeviceSynchronize", 20_000, 5 * MS + 20_000, 2),
        host("aten::add", 19 * MS, 1_000),
    ]
    around = idle_of(written(tmp_path / "t.json", events)).around
    assert around is not None
    assert "sync" in {cause.cause for cause in around.causes()}
    assert sum(cause.ns for cause in around.causes() if cause.cause == "sync") <= 20_000


def test_time_around_the_work_of_an_iteration_that_is_not_steady_has_no_part_in_steady_state(
    tmp_path: Path,
) -> None:
    run = Recorder()
    with run.mark("ProfilerStep#0", "user_annotation"):
        with run.mark("setup", "python_function"):
            run.idle(90 * MS)
        with run.mark("CompileContext (dynamo_timed)", "cpu_op"):
            run.idle(900 * MS)
        run.ops(["layer_norm", "linear", "mul", "add"] * 10)
    path = tmp_path / "t.json"
    written(path, run.events)
    assert not any(finding.id == "host.python" for finding in analyze(path, Options.of()).findings)
