"""Loops over iterations are none, images that are fed back are images, previews of compiled code are none."""

from __future__ import annotations

from pathlib import Path

import pytest

from sdtrace.structure.run_structure import RunStructure
from tests.structure import pipelines as p
from tests.structures import structure_of
from tests.written import host, written

_LOSS = ["log_softmax", "nll_loss"]
_PREPARE = ["lift_fresh", "to", "repeat", "unbind"]


def _found(tmp_path: Path, run: p.Recorder) -> RunStructure:
    return structure_of(written(tmp_path / "t.json", run.events))


def _counts(found: RunStructure) -> list[int]:
    return [int(count) for count in found.steps.counts(found.iterations)]


@pytest.mark.parametrize("epoch", ["Epoch_0", "train_epoch", "fold 1", "train"])
@pytest.mark.parametrize("batch", ["iteration 7", "train_step", "batch"])
def test_an_epoch_is_no_iteration_where_its_batches_are_marked(
    tmp_path: Path, epoch: str, batch: str
) -> None:
    run = p.Recorder()
    for _ in range(2):
        with run.mark(epoch):
            for _ in range(5):
                with run.mark(batch):
                    run.ops([*p.RESNET, *_LOSS])
    found = _found(tmp_path, run)
    assert found.iterations.name == [batch] * 10, found.notes
    assert found.iterations.confidence == "certain"
    assert found.iterations.runner_up == f"Otherwise: 2 spans of the annotation '{epoch}'."


@pytest.mark.parametrize("epoch", ["epoch", "fit"])
def test_an_epoch_is_no_iteration_where_optimizers_step_in_it(tmp_path: Path, epoch: str) -> None:
    run = p.Recorder()
    for _ in range(3):
        with run.mark(epoch):
            for _ in range(4):
                run.ops([*p.RESNET, *_LOSS])
                with run.mark("Optimizer.step#SGD.step"):
                    run.ops(["_foreach_add_"])
    found = _found(tmp_path, run)
    assert found.iterations.how == "Iterations are training steps, bounded by optimizer steps.", found.notes
    assert len(found.iterations) == 12


def test_images_of_trials_are_images(tmp_path: Path) -> None:
    run = p.Recorder()
    for trial in range(2):
        with run.mark(f"trial {trial}"):
            for number in range(3):
                with run.mark(f"generate {number}"):
                    run.ops([*p.TEXT, "randn", *p.UNET, *p.UNET, *p.VAE_DECODE])
    assert len(_found(tmp_path, run).iterations) == 6


def test_a_request_of_several_marked_steps_stays_the_iteration(tmp_path: Path) -> None:
    run = p.Recorder()
    for _ in range(3):
        with run.mark("request"):
            for _ in range(4):
                with run.mark("step"):
                    run.ops(p.RESNET)
    assert _found(tmp_path, run).iterations.name == ["request"] * 3


@pytest.mark.parametrize("noise", [["randn"], []])
@pytest.mark.parametrize("passes", [[6, 3, 3], [6, 3, 3, 3], [4, 4]])
def test_an_image_that_is_fed_back_makes_the_next_one(
    tmp_path: Path, passes: list[int], noise: list[str]
) -> None:
    run = p.Recorder()
    run.ops([*p.TEXT, "randn"])
    for number, steps in enumerate(passes):
        run.ops([*p.VAE_ENCODE, *noise, "mul", "add"] if number else [])
        for _ in range(steps):
            run.ops([*p.UNET, *p.SCHEDULER])
        run.ops(p.VAE_DECODE)
    found = _found(tmp_path, run)
    assert _counts(found) == passes, found.notes


def test_passes_of_unlike_length_are_of_one_image(tmp_path: Path) -> None:
    run = p.Recorder()
    for _ in range(2):
        run.ops([*p.TEXT, "randn"])
        for number, steps in enumerate((6, 4, 2)):
            run.ops([*p.VAE_ENCODE, "randn", "mul", "add"] if number else [])
            for _ in range(steps):
                run.ops([*p.UNET, *p.SCHEDULER])
            run.ops(p.VAE_DECODE)
    assert _counts(_found(tmp_path, run)) == [12, 12]


@pytest.mark.parametrize("every", [1, 2, 3])
@pytest.mark.parametrize("begin", [[*p.TEXT, *_PREPARE], [*_PREPARE, "randn"], _PREPARE])
@pytest.mark.parametrize("is_decoder_compiled", [False, True])
def test_previews_in_compiled_pipelines_end_no_image(
    tmp_path: Path, every: int, begin: list[str], is_decoder_compiled: bool
) -> None:
    run = p.Recorder()

    def decode() -> None:
        if is_decoder_compiled:
            run.compiled("1/0", 700_000)
        else:
            run.ops(p.VAE_DECODE)
        run.ops(["group_norm", "mul", "clamp", "to"])

    for _ in range(3):
        run.ops(begin)
        for step in range(6):
            run.compiled("0/0")
            run.ops(p.SCHEDULER)
            if step % every == every - 1:
                decode()
        decode()
    found = _found(tmp_path, run)
    assert _counts(found) == [6, 6, 6], found.notes


@pytest.mark.parametrize("every", [1, 2])
@pytest.mark.parametrize("is_decoder_compiled", [False, True])
def test_previews_in_the_only_image_of_a_compiled_pipeline(
    tmp_path: Path, every: int, is_decoder_compiled: bool
) -> None:
    run = p.Recorder()
    run.ops([*p.TEXT, *_PREPARE, "randn"])
    for step in range(6):
        run.compiled("0/0")
        run.ops(p.SCHEDULER)
        if step % every == every - 1:
            if is_decoder_compiled:
                run.compiled("1/0", 700_000)
            else:
                run.ops(p.VAE_DECODE)
            run.ops(["group_norm", "mul", "clamp", "to"])
    found = _found(tmp_path, run)
    assert _counts(found) == [6], found.notes


def test_a_preview_now_and_then_in_the_only_image(tmp_path: Path) -> None:
    run = p.Recorder()
    run.ops([*p.TEXT, *_PREPARE, "randn"])
    for step in range(6):
        run.ops([*p.UNET, *p.SCHEDULER, *(p.VAE_DECODE if step % 2 else [])])
    assert _counts(_found(tmp_path, run)) == [6]


def test_a_decoder_of_one_upsampling_ends_an_image(tmp_path: Path) -> None:
    block = ["group_norm", "silu", "conv2d", "group_norm", "silu", "conv2d", "add"]
    attention = ["linear", "scaled_dot_product_attention", "linear"]
    decoder = ["conv2d", *block, *attention, *block, *block, "upsample_nearest2d", "conv2d", *block, "conv2d"]
    run = p.Recorder()
    run.ops([*p.TEXT, *p.TEXT, "randn"])
    for _ in range(6):
        run.ops([*p.UNET, *p.SCHEDULER])
    run.ops(decoder)
    assert _counts(_found(tmp_path, run)) == [6]


def test_what_holds_epochs_is_a_loop_whatever_its_name(tmp_path: Path) -> None:
    run = p.Recorder()
    for number in range(2):
        with run.mark(f"run_{number}"):
            for epoch in range(2):
                with run.mark(f"epoch_{epoch}"):
                    for step in range(3):
                        with run.mark(f"step {step}"):
                            run.ops(p.RESNET)
    found = _found(tmp_path, run)
    assert len(found.iterations) == 12, found.notes
    assert found.iterations.confidence == "certain"


def test_an_epoch_is_a_loop_over_what_repeats_in_it(tmp_path: Path) -> None:
    run = p.Recorder()
    for _ in range(2):
        with run.mark("validation epoch"):
            for _ in range(6):
                run.ops([*p.RESNET, "argmax", "eq", "mean"])
    found = _found(tmp_path, run)
    assert len(found.iterations) == 12, found.notes
    assert found.iterations.confidence == "guess"
    assert found.iterations.runner_up == "Otherwise: 2 spans of the annotation 'validation epoch'."


@pytest.mark.parametrize(("name", "confidence"), [("work", "likely"), ("request", "certain")])
def test_an_annotation_that_may_be_a_loop_over_others_is_not_certain(
    tmp_path: Path, name: str, confidence: str
) -> None:
    run = p.Recorder()
    for _ in range(3):
        with run.mark(name):
            for _ in range(4):
                with run.mark("part"):
                    run.ops(p.RESNET)
    found = _found(tmp_path, run)
    assert found.iterations.name == [name] * 3
    assert found.iterations.confidence == confidence
    assert found.iterations.runner_up == "Otherwise: 12 spans of the annotation 'part'."


@pytest.mark.parametrize(("batches", "confidence"), [(1, "certain"), (5, "likely")])
def test_profiler_steps_over_several_training_steps_are_not_certain(
    tmp_path: Path, batches: int, confidence: str
) -> None:
    run = p.Recorder()
    for number in range(3):
        with run.mark(f"ProfilerStep#{number}"):
            for _ in range(batches):
                run.ops([*p.RESNET, *_LOSS])
                with run.mark("Optimizer.step#SGD.step"):
                    run.ops(["_foreach_add_"])
    found = _found(tmp_path, run)
    assert len(found.iterations) == 3
    assert found.iterations.confidence == confidence


@pytest.mark.parametrize(("trains", "confidence"), [(True, "likely"), (False, "certain")])
def test_an_annotation_over_repeats_of_a_training_is_not_certain(
    tmp_path: Path, trains: bool, confidence: str
) -> None:
    run = p.Recorder()
    for _ in range(2):
        with run.mark("train"):
            for _ in range(5):
                run.ops([*p.RESNET, *_LOSS])
                if trains:
                    run.events.append(
                        host("autograd::engine::evaluate_function: NllBackward0", run.now, 9000)
                    )
                    run.idle(10_000)
                run.ops(["mul", "sub_"])
    found = _found(tmp_path, run)
    assert found.iterations.name == ["train"] * 2, found.notes
    assert found.iterations.confidence == confidence


@pytest.mark.parametrize("is_compiled", [True, False])
def test_blocks_that_are_called_one_by_one_make_one_step(tmp_path: Path, is_compiled: bool) -> None:
    """Either compiled each, or each embedding where it is in time, as parts of video denoisers do."""
    block = [*p.UNET[:70], "cat", "cat", "cat"]
    run = p.Recorder()
    for _ in range(2):
        run.ops([*p.TEXT, "randn"])
        for _ in range(4):
            for number in range(6):
                if is_compiled:
                    run.compiled("0/0")
                    run.ops(["conv2d", "upsample_nearest2d"] if number % 2 else ["avg_pool2d"])
                else:
                    run.ops([*block, *(["conv2d", "silu"] * number)])
            run.ops(["sub", "mul", "add", *p.SCHEDULER, *(["linear", "silu", "linear"] * is_compiled)])
        run.ops(p.VAE_DECODE)
    found = _found(tmp_path, run)
    assert _counts(found) == [4, 4], found.notes
    assert "runs of 6" in found.steps.how
