"""Denoisers that nothing names, by how they take their time step: those of sound, and one's own."""

from __future__ import annotations

from pathlib import Path

import pytest

from sdtrace.structure.run_structure import RunStructure
from tests.structure import pipelines as p
from tests.structures import structure_of
from tests.written import written

_BLOCKS = p.DIT[4:]
_GUIDANCE = ["sub", "mul", "add"]
_LENGTH = ["clamp", "sub", "div", "mul", "mul", "mul", "sin", "cos", "cat", "cat", "linear"]
"""How Stable Audio embeds a length in seconds."""


def _found(tmp_path: Path, run: p.Recorder) -> RunStructure:
    return structure_of(written(tmp_path / "t.json", run.events))


def _counts(found: RunStructure) -> list[int]:
    return [int(count) for count in found.steps.counts(found.iterations)]


@pytest.mark.parametrize(
    "embedding",
    [
        ["log", "unsqueeze", "mul", "unsqueeze", "matmul", "cos", "sin", "cat", "linear"],
        ["mul", "mul", "sin", "cos", "cat", "to", "linear"],
        ["ger", "cos", "sin", "cat", "to", "unsqueeze", "addmm"],
    ],
)
@pytest.mark.parametrize("decoder", [[], ["conv1d", *(["conv_transpose1d", "conv1d", "add"] * 4)]])
def test_a_time_step_times_frequencies_that_the_model_keeps(
    tmp_path: Path, embedding: list[str], decoder: list[str]
) -> None:
    run = p.Recorder()
    for _ in range(3):
        run.ops([*_LENGTH, *_LENGTH, "randn", "mul"])
        for _ in range(20):
            run.ops(["cat", "mul", *embedding, "silu", *_BLOCKS, *_GUIDANCE, *p.SCHEDULER])
        run.ops(decoder)
    found = _found(tmp_path, run)
    assert _counts(found) == [20, 20, 20], found.notes
    used = {found.components.names[code] for code in found.components.code.tolist()}
    assert used == {"transformer", "vae"} if decoder else {"transformer"}


def test_a_length_in_seconds_is_no_time_step(tmp_path: Path) -> None:
    run = p.Recorder()
    for _ in range(12):
        run.ops([*_LENGTH, *_BLOCKS])
    found = _found(tmp_path, run)
    assert len(found.iterations) == 12, found.notes
    assert not len(found.steps)


def test_positions_that_no_layer_takes_are_no_time_steps(tmp_path: Path) -> None:
    run = p.Recorder()
    for _ in range(12):
        run.ops(["embedding", "outer", "cos", "sin", "cat", "pow", *p.TOKEN[2:]])
    found = _found(tmp_path, run)
    assert len(found.iterations) == 12, found.notes
    assert not len(found.steps)


def test_a_prompt_looked_up_right_before_the_first_step_does_not_hide_it(tmp_path: Path) -> None:
    run = p.Recorder()
    for _ in range(3):
        run.ops(["embedding", "linear", "randn"])
        for _ in range(6):
            run.ops(["arange", "exp", "mul", "sin", "cos", "cat", "linear", *_BLOCKS, *p.SCHEDULER])
    assert _counts(_found(tmp_path, run)) == [6, 6, 6]


@pytest.mark.parametrize("embedding", [["embedding"], ["linear", "silu"], ["ger", "add", "cos", "mul"]])
def test_runs_of_equal_work_that_noise_begins_are_images(tmp_path: Path, embedding: list[str]) -> None:
    run = p.Recorder()
    for _ in range(3):
        run.ops(["randn", "mul"])
        for _ in range(20):
            run.ops([*embedding, "linear", *_BLOCKS, *_GUIDANCE, *p.SCHEDULER])
    found = _found(tmp_path, run)
    assert _counts(found) == [20, 20, 20], found.notes
    assert found.iterations.confidence == "guess"


def test_calls_on_one_random_input_are_no_image(tmp_path: Path) -> None:
    run = p.Recorder()
    for _ in range(3):
        run.ops(["randn", "mul"])
        for _ in range(20):
            run.ops(["sub", "div", *p.RESNET[1:], "softmax"])
    found = _found(tmp_path, run)
    assert len(found.iterations) == 60, found.notes
    assert not len(found.steps)
