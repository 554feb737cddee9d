"""A cold and a warm run with the tiny model on the CPU; it compiles blocks alone, which takes least time."""

from __future__ import annotations

from pathlib import Path

import pytest

from sdtrace.analysis import Options, analyze
from sdtrace.model import TraceReport
from sdtrace_collector.variants import VARIANTS
from tests.collector.conftest import Collected, collected, holds

_VARIANT = "bf16_sdpa_regional"
_RUN = ("--variant", _VARIANT, "--steps", "2", "--unprofiled-images", "1")


@pytest.fixture(scope="module")
def cold(tmp_path_factory: pytest.TempPathFactory) -> Collected:
    return collected(tmp_path_factory.mktemp("cold") / "cold.json.gz", *_RUN, "--cold")


@pytest.fixture(scope="module")
def paths(cold: Collected, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    warm = collected(tmp_path_factory.mktemp("warm") / "warm.json", *_RUN, "--warm")
    return cold.path, warm.path


def test_a_cold_trace_holds_the_compilation_in_its_first_image(cold: Collected) -> None:
    first, second = cold.spans("model_inference")
    compiling = [
        (e["ts"], e["ts"] + e["dur"])
        for e in cold.trace["traceEvents"]
        if e.get("ph") == "X" and e["name"].startswith("_compile.compile_inner")
    ]
    assert compiling
    assert all(holds(first, span) for span in compiling)
    seconds = cold.facts["dynamo_compile_times"]["_compile.compile_inner"]
    assert first[1] - first[0] > seconds * 1e6 > second[1] - second[0]
    assert f"compile {seconds:6.1f} s" in cold.stdout


def test_a_cold_run_is_timed_once_it_is_warm(cold: Collected) -> None:
    assert cold.facts["cold"] is True
    assert cold.facts["warmup_wall_s"] == []
    assert len(cold.facts["unprofiled_wall_s"]) == 1
    assert cold.facts["unprofiled_before"] == 0
    assert cold.facts["unprofiled_wall_s"][0] < cold.facts["profiled_wall_s"][0]


def test_the_variant_that_ran_is_the_one_named(cold: Collected) -> None:
    axes = VARIANTS[_VARIANT].axes
    assert cold.facts["axes"]["attention"] == axes.attention == "sdpa"
    convolution = next(e for e in cold.trace["traceEvents"] if e.get("name") == "aten::convolution")
    assert convolution["args"]["Input type"][0] == "c10::BFloat16"


def test_compressed_traces_leave_nothing_plain_behind(cold: Collected) -> None:
    assert [path.name for path in cold.path.parent.iterdir()] == ["cold.json.gz"]


def steady(path: Path) -> TraceReport:
    return analyze(path, Options.of("steady"))


def calls_per_image(report: TraceReport) -> dict[str, float]:
    """Calls of operators, compiled code and annotations per steady iteration."""
    assert report.steady is not None
    return {op.name: op.calls / report.steady.iterations for op in report.ops}


def test_compilation_is_found_in_the_cold_trace_alone(paths: tuple[Path, Path]) -> None:
    cold, warm = (analyze(path, Options.of()) for path in paths)
    compiled = cold.run["dynamo_compile_times"]["_compile.compile_inner"]
    assert cold.overhead.compile_us / 1e6 == pytest.approx(compiled, rel=0.005)
    assert [item.phase for item in cold.iterations] == ["compile", "steady"]
    assert warm.overhead.compile_us == 0
    assert {item.steps for item in (*cold.iterations, *warm.iterations)} == {3}


def test_the_steady_part_of_the_cold_trace_is_the_warm_trace(paths: tuple[Path, Path]) -> None:
    cold, warm = (calls_per_image(steady(path)) for path in paths)
    assert any(name.startswith("aten::") for name in cold)
    ops = [name for name in {*cold, *warm} if name.startswith(("aten::", "mkldnn::", "Torch-Compiled"))]
    assert {name: cold.get(name) for name in ops} == {name: warm.get(name) for name in ops}
