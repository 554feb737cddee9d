"""Traces are compared only where they did the same work."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

import sdtrace
from tests.loaded import analysis_of
from tests.shared import shared_trace


def with_facts(path: Path, to: Path, **facts: object) -> Path:
    """A copy of a trace whose run facts say something else."""
    content = json.loads(path.read_bytes())
    content["sdtrace"] |= facts
    to.write_text(json.dumps(content))
    return to


@pytest.mark.parametrize(
    ("facts", "said"),
    [
        ({"steps": 20}, "steps 20, not 1"),
        ({"model": "sdxl", "height": 1024}, "model sdxl, not tiny; height 1024, not 64"),
        ({"batch": 4}, "batch 4, not 1"),
    ],
)
def test_run_facts_tell_the_work(
    eager: sdtrace.Analysis, eager_trace: Path, tmp_path: Path, facts: dict[str, object], said: str
) -> None:
    other = with_facts(eager_trace, tmp_path / "other.json", **facts)
    with pytest.raises(sdtrace.DifferentWork, match=said):
        sdtrace.compare(eager, other)
    assert sdtrace.compare(eager, other, allow_different_work=True).differences


def test_images_profiled_and_device_do_not_matter(
    eager: sdtrace.Analysis, eager_trace: Path, tmp_path: Path
) -> None:
    other = with_facts(eager_trace, tmp_path / "other.json", images=9, device_name="another card")
    assert sdtrace.compare(eager, other, fail_on=["gpu_ms>+1%"]).verdicts[0].is_met is False


@pytest.mark.parametrize(
    ("base", "other", "said"),
    [
        ("wild/pairs_sd", "wild/flux_recompile", "steps 2, not 9; .*denoiser transformer, not unet"),
        ("wild/pairs_sd", "wild/sd_offload", "steps 5, not 9"),
        ("wild/pairs_sd", "wild/pairs_fp32", "68.0 TFLOP an iteration, not 17.0 TFLOP"),
        ("reference/fp32_eager", "reference/bf16_sdpa.warm", ""),
        ("reference/bf16_sdpa.warm", "reference/bf16_sdpa_graphs.warm", ""),
    ],
)
def test_without_facts_the_trace_tells_it(base: str, other: str, said: str) -> None:
    """The two last pairs made the same images in other ways: eager, compiled, with CUDA graphs."""
    pair = [analysis_of(shared_trace(f"{name}.json.gz")) for name in (base, other)]
    if not said:
        assert sdtrace.compare(*pair).differences
        return
    with pytest.raises(sdtrace.DifferentWork, match=said):
        sdtrace.compare(*pair)


def test_a_condition_that_is_none_is_refused_before_anything_is_read() -> None:
    with pytest.raises(sdtrace.UsageError):
        sdtrace.compare("missing.json", "missing.json", fail_on=["speed>1"])
