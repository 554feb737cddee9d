"""What looks like an image, a step or an iteration and is none: previews, second passes, halves of a step."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import nullcontext
from pathlib import Path

import pytest

from sdtrace.structure.run_structure import RunStructure
from tests.structure import pipelines as p
from tests.structures import structure_of
from tests.written import call, host, written

CONTROL = [*p.UNET[:70], *(["conv2d"] * 13)]
SHALLOW = [*p.UNET[:30], "cat", "cat", "cat", *p.UNET[-26:]]
TINY_DECODE = ["conv2d", "relu", *(["conv2d", "relu", "conv2d", "add", "upsample_nearest2d"] * 3), "conv2d"]


def _found(tmp_path: Path, run: p.Recorder) -> RunStructure:
    return structure_of(written(tmp_path / "t.json", run.events))


def _counts(found: RunStructure) -> list[int]:
    return [int(count) for count in found.steps.counts(found.iterations)]


def _steps(run: p.Recorder, count: int, after: Sequence[str] = ()) -> None:
    for _ in range(count):
        run.ops([*p.UNET, *p.SCHEDULER, *after])


@pytest.mark.parametrize("decoder", [p.VAE_DECODE, TINY_DECODE])
@pytest.mark.parametrize("prompts", ["every image", "the first image"])
def test_previews_that_nothing_names_end_no_image(tmp_path: Path, decoder: list[str], prompts: str) -> None:
    run = p.Recorder()
    for image in range(3):
        run.ops(p.TEXT if image == 0 or prompts == "every image" else [])
        run.ops(["randn"])
        _steps(run, 5, decoder)
        run.ops(p.VAE_DECODE)
    found = _found(tmp_path, run)
    assert _counts(found) == [5, 5, 5], found.notes
    assert {"text_encoder", "unet", "vae"} <= set(found.components.names)


def test_a_preview_now_and_then(tmp_path: Path) -> None:
    run = p.Recorder()
    for _ in range(3):
        run.ops(["randn"])
        _steps(run, 4)
        run.ops(p.VAE_DECODE)
        _steps(run, 4)
        run.ops(p.VAE_DECODE)
    assert _counts(_found(tmp_path, run)) == [8, 8, 8]


def test_previews_of_a_sampler_that_draws_noise_in_every_step(tmp_path: Path) -> None:
    run = p.Recorder()
    for _ in range(3):
        run.ops([*p.TEXT, "randn"])
        for _ in range(6):
            run.ops([*p.UNET, *p.VAE_DECODE, "randn", *p.SCHEDULER])
        run.ops(p.VAE_DECODE)
    assert _counts(_found(tmp_path, run)) == [6, 6, 6]


def test_previews_in_the_only_image(tmp_path: Path) -> None:
    run = p.Recorder()
    run.ops([*p.TEXT, "randn"])
    _steps(run, 10, p.VAE_DECODE)
    assert _counts(_found(tmp_path, run)) == [10]


def test_an_image_ends_when_it_was_waited_for_whatever_it_ends_with(tmp_path: Path) -> None:
    """What the first image began with may end one: here zeros, into which positions are scattered."""
    run = p.Recorder()
    done = []
    for _ in range(3):
        run.ops(["zeros", "ones_like", "randn"])
        for _ in range(4):
            run.ops([*p.UNET, *p.SCHEDULER])
        run.idle(90_000)
        run.ops(["zeros", "scatter_"])
        run.events.append(call("cudaStreamSynchronize", run.now, 12_000_000, 0))
        run.now += 12_000_000
        done.append(run.now)
        run.idle(20_000)
    found = _found(tmp_path, run)
    assert _counts(found) == [4, 4, 4], found.notes
    begun = found.iterations.start_ns.tolist()
    # Starts count from the first event, at 1,000 ns.
    assert [start - wait for start, wait in zip(begun[1:], done[:-1], strict=True)] == [19_000, 19_000]


def test_images_of_one_step_are_images(tmp_path: Path) -> None:
    run = p.Recorder()
    run.ops(p.TEXT)
    for _ in range(3):
        run.ops(["randn", "mul"])
        _steps(run, 1)
        run.ops(p.VAE_DECODE)
    assert _counts(_found(tmp_path, run)) == [1, 1, 1]


def test_images_of_one_prompt_are_images(tmp_path: Path) -> None:
    run = p.Recorder()
    for image in range(4):
        run.ops(p.TEXT if image % 2 == 0 else [])
        run.ops(["randn"])
        _steps(run, 5)
        run.ops(p.VAE_DECODE)
    assert _counts(_found(tmp_path, run)) == [5, 5, 5, 5]


@pytest.mark.parametrize("marks", [False, True])
def test_a_second_pass_over_a_decoded_image_makes_no_second_image(tmp_path: Path, marks: bool) -> None:
    run = p.Recorder()

    def part(name: str, ops: Sequence[str]) -> None:
        if not marks:
            run.ops(ops)
            return
        with run.mark(name):
            run.ops(ops)

    for _ in range(2):
        part("encode_prompt", p.TEXT)
        for second in (False, True):
            if second:
                part("vae_encode", p.VAE_ENCODE)
            run.ops(["randn", "mul", "add"])
            for _ in range(6):
                part("unet", p.UNET)
                part("scheduler_step", p.SCHEDULER)
            part("vae_decode", p.VAE_DECODE)
    found = _found(tmp_path, run)
    assert _counts(found) == [12, 12], found.notes


@pytest.mark.parametrize("denoiser", [p.UNET, p.DIT])
@pytest.mark.parametrize("marks", [False, True])
def test_guidance_in_two_calls_is_one_step_by_the_ops_between(
    tmp_path: Path, marks: bool, denoiser: list[str]
) -> None:
    if denoiser is p.DIT:
        denoiser = ["arange", *denoiser[1:]]
    run = p.Recorder()
    for _ in range(3):
        run.ops([*p.TEXT, "randn"])
        for _ in range(4):
            for _ in range(2):
                if marks:
                    with run.mark("transformer"):
                        run.ops(denoiser)
                else:
                    run.ops(denoiser)
            run.ops(["sub", "mul", "add", *p.SCHEDULER])
        run.ops(p.VAE_DECODE)
    found = _found(tmp_path, run)
    assert _counts(found) == [4, 4, 4], found.notes
    assert "pairs" in found.steps.how


def test_guidance_in_three_calls(tmp_path: Path) -> None:
    run = p.Recorder()
    for _ in range(2):
        run.ops([*p.TEXT, "randn"])
        for _ in range(4):
            run.ops([*(p.UNET * 3), "sub", "mul", "add", *p.SCHEDULER])
        run.ops(p.VAE_DECODE)
    found = _found(tmp_path, run)
    assert _counts(found) == [4, 4], found.notes
    assert "threes" in found.steps.how


def test_steps_of_which_most_skip_blocks(tmp_path: Path) -> None:
    run = p.Recorder()
    for _ in range(2):
        run.ops([*p.TEXT, "randn"])
        for step in range(12):
            run.ops([*(SHALLOW if step % 3 else p.UNET), *p.SCHEDULER])
        run.ops(p.VAE_DECODE)
    assert _counts(_found(tmp_path, run)) == [12, 12]


def test_a_control_net_makes_no_step(tmp_path: Path) -> None:
    run = p.Recorder()
    for _ in range(2):
        run.ops([*p.TEXT, "randn"])
        for _ in range(8):
            run.ops([*CONTROL, *p.UNET, *p.SCHEDULER])
        run.ops(p.VAE_DECODE)
    assert _counts(_found(tmp_path, run)) == [8, 8]


def test_a_transformer_without_decoder_has_steps(tmp_path: Path) -> None:
    run = p.Recorder()
    for _ in range(3):
        run.ops(["randn"])
        for _ in range(5):
            run.ops(["arange", "mul", "exp", *p.DIT[1:], *p.SCHEDULER])
    found = _found(tmp_path, run)
    assert _counts(found) == [5, 5, 5], found.notes
    assert "transformer" in {found.components.names[code] for code in found.components.code.tolist()}


def test_a_unet_is_one_on_a_cpu(tmp_path: Path) -> None:
    run = p.Recorder()
    for _ in range(2):
        run.ops([*p.TEXT, "randn"])
        _steps(run, 4)
    events = [event for event in run.events if event["cat"] == "cpu_op"]
    found = structure_of(written(tmp_path / "t.json", events))
    assert _counts(found) == [4, 4], found.notes
    used = {found.components.names[code] for code in found.components.code.tolist()}
    assert used == {"text_encoder", "unet"}


def test_rotary_positions_are_no_time_steps(tmp_path: Path) -> None:
    run = p.Recorder()
    for _ in range(12):
        run.ops(["embedding", "arange", "mul", "cat", "cos", "mul", "sin", *p.TOKEN[1:]])
    found = _found(tmp_path, run)
    assert len(found.iterations) == 12, found.notes
    assert not len(found.steps)


_CRITIC = ["conv2d", "leaky_relu"] * 5
_GENERATOR = ["linear", *(["conv_transpose2d", "batch_norm", "relu"] * 4)]


@pytest.mark.parametrize("critics", [1, 5])
def test_optimizers_of_two_models_that_take_turns(tmp_path: Path, critics: int) -> None:
    run = p.Recorder()
    for turn in range(4):
        for part in range(critics + 1):
            is_last = part == critics
            run.ops([*_GENERATOR, *_CRITIC, *(_GENERATOR if is_last else _CRITIC * 2)])
            with run.mark("Optimizer.step#Adam.step"):
                run.ops(["zeros_like"] * 20 * (turn == 0) + ["_foreach_add_"])
    found = _found(tmp_path, run)
    assert len(found.iterations) == 4, found.notes


def test_a_validation_after_every_second_step_joins_no_steps(tmp_path: Path) -> None:
    run = p.Recorder()
    for step in range(6):
        run.ops(p.RESNET * 3)
        with run.mark("Optimizer.step#Adam.step"):
            run.ops(["_foreach_add_"])
        run.ops(p.RESNET * 2 * (step % 2))
    assert len(_found(tmp_path, run).iterations) == 6


def test_annotations_count_by_their_work_where_the_host_runs_ahead(tmp_path: Path) -> None:
    run = p.Recorder()
    for number in range(8):
        with run.mark(f"iter {number}"):
            run.ops(["mm", "conv2d"] * 10, 500_000)
    # One kernel after the other, as a stream runs them.
    free = 0.0
    for event in run.events:
        if event["cat"] == "kernel":
            event["ts"] = free = max(free, event["ts"])
            free += event["dur"]
    run.events.append(host("cudaDeviceSynchronize", run.now, int(free * 1000) - run.now, "cuda_runtime"))
    found = _found(tmp_path, run)
    assert found.iterations.name == [f"iter {number}" for number in range(8)], found.notes


@pytest.mark.parametrize("marks", [False, True])
def test_training_a_denoiser_denoises_nothing(tmp_path: Path, marks: bool) -> None:
    run = p.Recorder()
    for _ in range(5):
        for _ in range(2):
            run.ops(["randn", *p.TEXT, *p.UNET, "mse_loss"])
            run.events.append(host("autograd::engine::evaluate_function: MseLossBackward0", run.now, 9000))
            run.idle(10_000)
        with run.mark("Optimizer.step#AdamW.step") if marks else nullcontext():
            run.ops(["_foreach_add_"])
    found = _found(tmp_path, run)
    assert not len(found.steps), found.notes
    assert len(found.iterations) == 5 or not marks


def test_repeats_of_one_part_of_a_trace_are_not_certain(tmp_path: Path) -> None:
    run = p.Recorder()
    for name, ops in (("model_a", p.RESNET), ("model_b", p.TOKEN)):
        for _ in range(5):
            with run.mark(name):
                run.ops(ops)
    found = _found(tmp_path, run)
    assert found.iterations.confidence == "likely"
    assert "model_a" in found.iterations.runner_up


def test_a_stage_of_an_image_is_not_the_image(tmp_path: Path) -> None:
    run = p.Recorder()
    for _ in range(3):
        with run.mark("prepare"):
            run.ops([*p.TEXT, "randn"])
        with run.mark("sample"):
            _steps(run, 6)
        with run.mark("postprocess"):
            run.ops(p.VAE_DECODE)
    found = _found(tmp_path, run)
    assert _counts(found) == [6, 6, 6], found.notes
    covered = (found.iterations.end_ns - found.iterations.start_ns).sum() / (run.now - 1000)
    assert covered > 0.98


def test_little_work_after_each_iteration_leaves_it_what_it_is(tmp_path: Path) -> None:
    run = p.Recorder()
    for _ in range(4):
        with run.mark("train_step"):
            run.ops(p.RESNET * 3)
        with run.mark("log"):
            run.ops(["mean"])
    assert _found(tmp_path, run).iterations.name == ["train_step"] * 4


def test_a_safety_checker_after_the_last_image_begins_none(tmp_path: Path) -> None:
    run = p.Recorder()
    for _ in range(3):
        run.ops([*p.TEXT, "randn"])
        _steps(run, 5)
        run.ops([*p.VAE_DECODE, "conv2d", *p.TEXT, *p.TEXT[1:]])
    assert _counts(_found(tmp_path, run)) == [5, 5, 5]


def test_a_detail_pass_belongs_to_the_image(tmp_path: Path) -> None:
    run = p.Recorder()
    for _ in range(2):
        run.ops([*p.TEXT, "randn"])
        _steps(run, 6)
        run.ops([*p.VAE_DECODE, *(["conv2d", "batch_norm", "silu"] * 20), *p.VAE_ENCODE, "randn", "mul"])
        _steps(run, 3)
        run.ops(p.VAE_DECODE)
    assert _counts(_found(tmp_path, run)) == [9, 9]


def test_a_resized_image_is_no_decoder(tmp_path: Path) -> None:
    run = p.Recorder()
    for _ in range(3):
        run.ops(["cat", "upsample_nearest2d", "min", "lt", "mul", "sub", *p.VAE_ENCODE, "randn", "add"])
        _steps(run, 4)
        run.ops(p.VAE_DECODE)
    assert _counts(_found(tmp_path, run)) == [4, 4, 4]


def test_images_of_a_sampler_that_draws_noise_in_every_step_but_the_last(tmp_path: Path) -> None:
    run = p.Recorder()
    for _ in range(3):
        run.ops(["randn", "linspace", "flip"])
        for step in range(6):
            run.ops([*p.UNET, *p.SCHEDULER, *(["randn", "add"] if step < 5 else ["clamp", "to"])])
    found = _found(tmp_path, run)
    assert _counts(found) == [6, 6, 6], found.notes
    assert found.iterations.confidence != "certain"


def test_steps_of_a_prior_without_skips_are_steps(tmp_path: Path) -> None:
    prior = ["arange", "mul", "exp", "sin", "cos", "cat", *(["conv2d", *p.UNET[15:22]] * 5)]
    run = p.Recorder()
    for _ in range(3):
        run.ops([*p.TEXT, "randn"])
        for _ in range(6):
            run.ops([*prior, *p.SCHEDULER])
        _steps(run, 4)
        run.ops(p.VAE_DECODE)
    assert _counts(_found(tmp_path, run)) == [10, 10, 10]


def test_a_preview_after_every_second_step_makes_no_pairs(tmp_path: Path) -> None:
    run = p.Recorder()
    for _ in range(2):
        run.ops([*p.TEXT, "randn"])
        for step in range(6):
            _steps(run, 1, p.VAE_DECODE if step % 2 else ())
        run.ops(p.VAE_DECODE)
    assert _counts(_found(tmp_path, run)) == [6, 6]


def test_requests_with_hexadecimal_names_are_one_kind(tmp_path: Path) -> None:
    run = p.Recorder()
    for name in ("3f2a", "b17c", "90ee", "1234"):
        with run.mark(f"request-{name}"):
            run.ops(p.RESNET * 3)
    assert len(_found(tmp_path, run).iterations) == 4
