"""`profile`, `profile_call` and `annotated`, as people use them in their own programs and notebooks."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from torch.profiler import record_function

import sdtrace
import sdtrace_collector
from sdtrace.errors import OutputError
from sdtrace_collector import annotated, profile, profile_call
from sdtrace_collector.errors import CollectError
from tests.collector.tiny_pipelines import TINY

pytestmark = pytest.mark.filterwarnings("ignore::FutureWarning", "ignore::UserWarning")
DDPM = TINY["DDPM"]


@pytest.fixture(scope="module")
def pipe() -> Any:
    torch.set_num_threads(1)
    return DDPM.make()


def test_calls_inside_the_block_are_profiled(pipe: Any, tmp_path: Path) -> None:
    other = DDPM.make()
    with profile(pipe, tmp_path / "mine.json", skip=1, unprofiled=2) as run:
        for _ in range(5):
            DDPM.call(pipe)
            DDPM.call(other)
    facts = run.analysis.report.run
    assert [len(facts[f"{part}_wall_s"]) for part in ("warmup", "unprofiled", "profiled")] == [1, 2, 2]
    assert facts["calls"] == {"DDPMPipeline": 5}
    assert "Phase" in (run._repr_html_() or "")
    assert str(tmp_path) in repr(run)


def test_what_is_raised_inside_the_block_comes_out_and_the_trace_is_kept(pipe: Any, tmp_path: Path) -> None:
    def call_and_fail() -> None:
        DDPM.call(pipe)
        raise ValueError("mine")

    path = tmp_path / "mine.json.gz"
    with pytest.raises(ValueError, match="mine"), profile(pipe, path):
        call_and_fail()
    assert len(sdtrace.load(path).report.iterations) == 1


def test_a_block_without_calls_says_so(pipe: Any, tmp_path: Path) -> None:
    with pytest.raises(CollectError, match="nothing was profiled"), profile(pipe, tmp_path / "mine.json"):
        pass
    assert not list(tmp_path.iterdir())


def test_a_file_that_is_there_is_said_before_anything_runs(pipe: Any, tmp_path: Path) -> None:
    path = tmp_path / "mine.json"
    path.write_text("precious")
    with pytest.raises(OutputError, match="exists already"):
        profile_call(lambda: DDPM.call(pipe), pipe, path)
    assert path.read_text() == "precious"


def test_a_cold_call_is_profiled_first(pipe: Any) -> None:
    order = []

    def call() -> None:
        order.append(torch.autograd._profiler_enabled())  # type: ignore[attr-defined]
        DDPM.call(pipe)

    analysis = profile_call(call, pipe, images=1, unprofiled=2, cold=True)
    assert order == [True, False, False]
    assert analysis.report.run["cold"] is True
    assert analysis.report.run["steps"] == DDPM.asked


def test_any_module_will_do(tmp_path: Path) -> None:
    linear = torch.nn.Linear(8, 8)
    with profile(linear, tmp_path / "mine.json") as run:
        for _ in range(3):
            linear(torch.ones(1, 8))
    assert len(run.analysis.report.iterations) == 3
    assert run.analysis.report.run["parameters"] == {"module": 72}


def test_ones_own_profiler_loop_with_names(pipe: Any) -> None:
    with torch.profiler.profile() as profiler, annotated(pipe):
        for _ in range(2):
            with record_function("model_inference"):
                DDPM.call(pipe)
    analysis = sdtrace.load(profiler)
    assert {"unet", "scheduler"} <= set(analysis.components["component"])
    assert analysis.steps.height == 2 * DDPM.steps


def test_all_public_names_are_there() -> None:
    assert all(hasattr(sdtrace_collector, name) for name in sdtrace_collector.__all__)
    assert dir(sdtrace_collector) == sdtrace_collector.__all__
    with pytest.raises(AttributeError, match="no attribute 'x'"):
        sdtrace_collector.x  # noqa: B018
