"""Iterations and steps of runs whose structure is known because they were written that way."""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import Any

import pytest

from sdtrace.structure.run_structure import RunStructure
from tests.structure import pipelines as p
from tests.structures import structure_of
from tests.written import written


def _found(tmp_path: Path, run: p.Recorder) -> RunStructure:
    return structure_of(written(tmp_path / "t.json", run.events))


def _counts(found: RunStructure) -> list[int]:
    return [int(count) for count in found.steps.counts(found.iterations)]


def _image(
    run: p.Recorder,
    steps: int,
    *,
    denoiser: list[str] = p.UNET,
    encode: bool = False,
    encoders: int = 1,
    tiles: int = 1,
    decode: list[str] = p.VAE_DECODE,
    marks: bool = False,
) -> None:
    def mark(name: str) -> AbstractContextManager[None]:
        return run.mark(name) if marks else nullcontext()

    for _ in range(encoders):
        with mark("text_encode"):
            run.ops(p.TEXT)
    if encode:
        with mark("vae_encode"):
            run.ops(p.VAE_ENCODE)
    run.ops(["randn"])
    for _ in range(steps):
        with mark("transformer_forward" if denoiser is p.DIT else "unet_forward"):
            run.ops(denoiser)
        with mark("scheduler_step"):
            run.ops(p.SCHEDULER)
    for _ in range(tiles):
        with mark("vae_decode"):
            run.ops(decode)
    run.ops(["clamp", "to"])
    run.idle(30_000)


_PIPELINES: dict[str, dict[str, Any]] = {
    "plain": {},
    "two text encoders": {"encoders": 2},
    "image to image": {"encode": True},
    "tiled decoder": {"tiles": 4},
    "video": {"decode": p.VIDEO_DECODE},
    "no text encoder": {"encoders": 0},
}


@pytest.mark.parametrize("marks", [False, True])
@pytest.mark.parametrize("denoiser", ["UNET", "DIT"])
@pytest.mark.parametrize("kind", list(_PIPELINES))
@pytest.mark.parametrize(("images", "steps"), [(3, 4), (2, 10), (1, 3), (5, 2), (4, 1)])
def test_images_are_counted_by_their_decodes(
    tmp_path: Path, marks: bool, denoiser: str, kind: str, images: int, steps: int
) -> None:
    run = p.Recorder()
    for _ in range(images):
        _image(run, steps, denoiser=getattr(p, denoiser), marks=marks, **_PIPELINES[kind])
    found = _found(tmp_path, run)
    assert len(found.iterations) == images, found.notes
    if marks or (steps > 2 and denoiser == "UNET"):
        assert _counts(found) == [steps] * images, found.notes


@pytest.mark.parametrize("images", [1, 3])
def test_a_refiner_makes_no_second_image(tmp_path: Path, images: int) -> None:
    run = p.Recorder()
    for _ in range(images):
        with run.mark("text_encode"):
            run.ops(p.TEXT)
        for name in ("unet", "unet"):
            with run.mark("text_encode"):
                run.ops(p.TEXT)
            for _ in range(5):
                with run.mark(name):
                    run.ops(p.UNET)
        with run.mark("vae_decode"):
            run.ops(p.VAE_DECODE)
    found = _found(tmp_path, run)
    assert len(found.iterations) == images, found.notes
    assert _counts(found) == [10] * images


@pytest.mark.parametrize("restart", ["text", "number", "noise", "pause"])
def test_images_without_a_decoder_are_told_by_a_restart(tmp_path: Path, restart: str) -> None:
    run = p.Recorder()
    for _ in range(3):
        if restart == "text":
            run.ops(p.TEXT)
        if restart == "noise":
            run.ops(["randn"])
        if restart == "pause":
            run.idle(3_000_000)
        for step in range(6):
            with run.mark(f"denoise_step {step}" if restart == "number" else "denoise_step"):
                run.ops(p.UNET)
    found = _found(tmp_path, run)
    assert len(found.iterations) == 3, found.notes
    assert _counts(found) == [6] * 3
    assert found.iterations.confidence == ("guess" if restart == "pause" else "likely")


def test_previews_end_no_image(tmp_path: Path) -> None:
    run = p.Recorder()
    for _ in range(2):
        with run.mark("text_encode"):
            run.ops(p.TEXT)
        for _ in range(5):
            with run.mark("unet"):
                run.ops(p.UNET)
            with run.mark("vae_decode"):
                run.ops(p.VAE_DECODE)
    found = _found(tmp_path, run)
    assert len(found.iterations) == 2, found.notes


def test_images_of_compiled_calls(tmp_path: Path) -> None:
    run = p.Recorder()
    for _ in range(3):
        run.ops(p.TEXT)
        for _ in range(4):
            run.compiled("0/0")
            run.ops(p.SCHEDULER)
        run.ops(p.VAE_DECODE)
    found = _found(tmp_path, run)
    assert len(found.iterations) == 3, found.notes
    assert _counts(found) == [4, 4, 4]


def test_images_where_everything_is_compiled(tmp_path: Path) -> None:
    run = p.Recorder()
    for _ in range(3):
        run.compiled("0/0", 50_000)
        for _ in range(4):
            run.compiled("1/0")
            run.ops(p.SCHEDULER)
        run.compiled("2/0", 800_000)
    found = _found(tmp_path, run)
    assert len(found.iterations) == 3, found.notes


def test_images_of_cuda_graphs_alone(tmp_path: Path) -> None:
    run = p.Recorder()
    for _ in range(3):
        run.graph(20, 20_000)
        for _ in range(4):
            run.graph(50, 200_000)
        run.graph(30, 400_000)
        run.idle(100_000)
    found = _found(tmp_path, run)
    assert len(found.iterations) == 3, found.notes


@pytest.mark.parametrize("cut", ["start", "end"])
@pytest.mark.parametrize("marks", [False, True])
def test_an_image_that_the_profile_cut_off_is_not_whole(tmp_path: Path, cut: str, marks: bool) -> None:
    run = p.Recorder()
    for _ in range(4):
        _image(run, 6, marks=marks)
    part = run.now // 4 * 0.6
    low, high = (part, run.now) if cut == "start" else (0, run.now - part)
    events = [event for event in run.events if low <= event["ts"] * 1000 < high]
    found = structure_of(written(tmp_path / "t.json", events))
    whole = found.iterations.is_whole.tolist()
    assert sum(whole) == 3, (whole, found.notes)
    assert _counts(found)[1:3] == [6, 6]


def test_classification_is_one_iteration_a_batch(tmp_path: Path) -> None:
    run = p.Recorder()
    for _ in range(12):
        run.ops(p.RESNET)
    found = _found(tmp_path, run)
    assert len(found.iterations) == 12, found.notes
    assert not len(found.steps)


def test_a_language_model_is_one_iteration_a_token(tmp_path: Path) -> None:
    run = p.Recorder()
    for _ in range(20):
        run.ops(p.TOKEN)
    found = _found(tmp_path, run)
    assert len(found.iterations) == 20, found.notes
    assert not len(found.steps)
    assert not len(found.components)


@pytest.mark.parametrize("category", ["user_annotation", "cpu_op"])
@pytest.mark.parametrize(("batches", "optimizers"), [(1, 1), (4, 1), (1, 2)])
@pytest.mark.parametrize("loader", [True, False])
def test_training_steps_lie_between_optimizer_steps(
    tmp_path: Path, category: str, batches: int, optimizers: int, loader: bool
) -> None:
    names = ["Adam", "SGD"] if optimizers == 2 and not loader else ["Adam"] * optimizers
    run = p.Recorder()
    for _ in range(6):
        for _ in range(batches):
            if loader:
                with run.mark("enumerate(DataLoader)#_MultiProcessingDataLoaderIter.__next__", category):
                    run.idle(5000)
            run.ops(p.RESNET)
            run.ops(["log_softmax", "nll_loss"])
        for name in names:
            with run.mark(f"Optimizer.step#{name}.step", category):
                run.ops(["_foreach_add_"])
            with run.mark(f"Optimizer.zero_grad#{name}.zero_grad", category):
                run.idle(1000)
            if optimizers == 2:
                run.ops(p.RESNET[:9])
    found = _found(tmp_path, run)
    assert len(found.iterations) == 6, found.notes
    assert found.iterations.confidence != "guess"
    assert not len(found.steps)


def test_annotations_in_turn_are_one_iteration(tmp_path: Path) -> None:
    run = p.Recorder()
    for _ in range(5):
        for name in ("forward", "backward", "update"):
            with run.mark(name):
                run.ops(p.RESNET)
    found = _found(tmp_path, run)
    assert len(found.iterations) == 5, found.notes


def test_a_compiling_first_image_is_an_image_like_the_others(tmp_path: Path) -> None:
    run = p.Recorder()
    for number in range(4):
        with run.mark("generate"):
            if number == 0:
                with run.mark("compile_inner (dynamo_timed)", "cpu_op"):
                    run.ops(["fill_"] * 50, 30_000)
            _image(run, 4)
    found = _found(tmp_path, run)
    assert len(found.iterations) == 4, found.notes
    assert found.iterations.confidence == "certain"


def test_rounds_of_unlike_work_cost_confidence(tmp_path: Path) -> None:
    run = p.Recorder()
    for size in (1, 40, 2, 30, 1, 25):
        with run.mark("work"):
            run.ops(["mm"] * size, 8000)
    found = _found(tmp_path, run)
    assert found.iterations.confidence != "certain"


def test_the_runner_up_is_named(tmp_path: Path) -> None:
    run = p.Recorder()
    for _ in range(3):
        with run.mark("generate"):
            for _ in range(4):
                run.compiled("0/0")
                run.ops(p.SCHEDULER)
    found = _found(tmp_path, run)
    assert len(found.iterations) == 3
    assert found.iterations.runner_up == "Otherwise: 12 calls of 'Torch-Compiled Region: 0'."
    assert found.iterations.runner_up in found.notes


def test_a_lone_profiler_step_gives_way_to_the_images_in_it(tmp_path: Path) -> None:
    run = p.Recorder()
    with run.mark("ProfilerStep#4"):
        for _ in range(3):
            _image(run, 4)
    found = _found(tmp_path, run)
    assert _counts(found) == [4, 4, 4], found.notes
    assert found.iterations.runner_up == "Otherwise: 1 profiler step (ProfilerStep#N)."


def test_profiler_steps_with_an_image_each_are_certain(tmp_path: Path) -> None:
    run = p.Recorder()
    for number in range(3):
        with run.mark(f"ProfilerStep#{number}"):
            _image(run, 4, marks=True)
    found = _found(tmp_path, run)
    assert found.iterations.name == ["ProfilerStep#0", "ProfilerStep#1", "ProfilerStep#2"]
    assert found.iterations.confidence == "certain"
    assert _counts(found) == [4, 4, 4]


@pytest.mark.parametrize("decodes", [False, True])
def test_an_annotated_loop_holds_its_steps(tmp_path: Path, decodes: bool) -> None:
    run = p.Recorder()
    for _ in range(3):
        with run.mark("denoise"):
            for _ in range(5):
                run.ops(p.UNET)
                run.ops(p.SCHEDULER)
        if decodes:
            run.ops(p.VAE_DECODE)
    assert _counts(_found(tmp_path, run)) == [5, 5, 5]


def test_guidance_in_two_calls_is_one_step(tmp_path: Path) -> None:
    run = p.Recorder()
    for _ in range(2):
        for _ in range(5):
            for _ in range(2):
                with run.mark("unet"):
                    run.ops(p.UNET)
            with run.mark("scheduler_step"):
                run.ops(p.SCHEDULER)
        with run.mark("decode_latents"):
            run.ops(p.VAE_DECODE)
    found = _found(tmp_path, run)
    assert _counts(found) == [5, 5], found.notes
    assert len(found.components.only(["vae"])) == 2


@pytest.mark.parametrize("denoises", [False, True])
def test_numbered_steps_are_steps_of_images_only_in_diffusion(tmp_path: Path, denoises: bool) -> None:
    run = p.Recorder()
    for _ in range(3):
        for number in range(5):
            with run.mark(f"step {number}"):
                run.ops(p.DIT if denoises else p.RESNET)
        if denoises:
            run.ops(p.VAE_DECODE)
    found = _found(tmp_path, run)
    assert _counts(found) == ([5, 5, 5] if denoises else [0] * 15), found.notes


def test_steps_without_a_decoder_are_iterations_without_parts(tmp_path: Path) -> None:
    run = p.Recorder()
    for _ in range(12):
        run.ops(p.UNET)
        run.ops([*p.SCHEDULER, "randn"])
    found = _found(tmp_path, run)
    assert len(found.iterations) == 12, found.notes
    assert found.iterations.confidence == "guess"


def test_a_batch_that_the_user_marked_holds_the_steps_of_all_its_images(tmp_path: Path) -> None:
    run = p.Recorder()
    for _ in range(2):
        with run.mark("batch"):
            _image(run, 4)
            _image(run, 4)
    found = _found(tmp_path, run)
    assert _counts(found) == [8, 8], found.notes
    assert found.iterations.runner_up == "Otherwise: 4 images by their decoder."


def test_annotated_blocks_are_parts_of_images(tmp_path: Path) -> None:
    run = p.Recorder()
    for _ in range(3):
        run.ops(p.TEXT)
        for _ in range(4):
            for block in range(6):
                with run.mark(f"block_{block}"):
                    run.ops(p.UNET[8:60])
            run.ops(p.UNET)
        run.ops(p.VAE_DECODE)
    assert len(_found(tmp_path, run).iterations) == 3


def test_tokens_of_a_replayed_language_model(tmp_path: Path) -> None:
    run = p.Recorder()
    for _ in range(20):
        run.ops(["copy_", "fill_"])
        run.graph(400, 300_000)
        run.ops(["argmax", "copy_"])
    assert len(_found(tmp_path, run).iterations) == 20


@pytest.mark.parametrize("name", ["denoise", "denoise_step", "unet"])
def test_a_step_in_an_annotated_image_is_no_iteration(tmp_path: Path, name: str) -> None:
    run = p.Recorder()
    with run.mark("generate"):
        for _ in range(4):
            with run.mark(name):
                run.ops(p.UNET)
    found = _found(tmp_path, run)
    assert found.iterations.name == ["generate"]
    assert _counts(found) == [4]
