"""Parts of a network that are compiled alone are no steps; what is resized around one hides none."""

from __future__ import annotations

from contextlib import nullcontext
from pathlib import Path

import pytest

from sdtrace.structure.run_structure import RunStructure
from tests.structure import pipelines as p
from tests.structures import structure_of
from tests.written import written


def _found(tmp_path: Path, run: p.Recorder) -> RunStructure:
    return structure_of(written(tmp_path / "t.json", run.events))


def _counts(found: RunStructure) -> list[int]:
    return [int(count) for count in found.steps.counts(found.iterations)]


@pytest.mark.parametrize("steps", [2, 5])
def test_a_mask_that_is_resized_for_the_next_image_hides_no_decoder(tmp_path: Path, steps: int) -> None:
    run = p.Recorder()
    for _ in range(3):
        run.ops(["randn", "cat", "mul", "upsample_nearest2d", "to", *p.VAE_ENCODE, "cat"])
        for _ in range(steps):
            run.ops(["cat", *p.UNET, *p.SCHEDULER])
        run.ops(p.VAE_DECODE)
    found = _found(tmp_path, run)
    assert _counts(found) == [steps] * 3, found.notes


@pytest.mark.parametrize("marks", [False, True])
@pytest.mark.parametrize("has_time_step", [False, True])
def test_compiled_parts_of_a_network_are_no_steps(tmp_path: Path, has_time_step: bool, marks: bool) -> None:
    run = p.Recorder()
    for number in range(4):
        with run.mark(f"ProfilerStep#{number}") if marks else nullcontext():
            run.ops(["arange", "sin", "cos", "cat", "linear", "silu", "linear"] if has_time_step else [])
            for _ in range(8):
                run.ops(["conv2d"], 90_000)
                run.compiled("0/0", 40_000)
            run.ops(["scaled_dot_product_attention", "group_norm", "to"])
    found = _found(tmp_path, run)
    assert len(found.iterations) == 4, found.notes
    assert max(_counts(found), default=0) <= 1, found.notes
