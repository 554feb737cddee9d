"""A cold and a warm trace of one variant, collected here with the tiny model on the CPU."""

from __future__ import annotations

from pathlib import Path

import pytest

from sdtrace.analysis import Options, analyze
from sdtrace.model import TraceReport
from tests.collector.conftest import collected

_RUN = (
    "--variant",
    "bf16_sdpa",
    "--model",
    "tiny",
    "--steps",
    "2",
    "--images",
    "2",
    "--unprofiled-images",
    "1",
)


@pytest.fixture(scope="module")
def paths(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    folder = tmp_path_factory.mktemp("pair")
    cold = collected(folder / "cold.json", *_RUN, "--cold")
    warm = collected(folder / "warm.json", *_RUN, "--warm")
    return cold.path, warm.path


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
