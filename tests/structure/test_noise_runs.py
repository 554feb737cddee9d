"""Samplers whose denoiser shows no time step: noise in every step, in one pass or several."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pytest

from sdtrace.structure.run_structure import RunStructure
from tests.structure import pipelines as p
from tests.structures import structure_of
from tests.written import written

_DENOISER = ["linear", "silu", "linear", *p.DIT[4:]]
_GUIDANCE = ["chunk", "sub", "mul", "add"]
_BEGIN = ["randn", "mul", "linspace", "pow", "zeros", "cat"]
_FINISH = ["clamp", "mul", "to"]


def _found(tmp_path: Path, run: p.Recorder) -> RunStructure:
    return structure_of(written(tmp_path / "t.json", run.events))


def _counts(found: RunStructure) -> list[int]:
    return [int(count) for count in found.steps.counts(found.iterations)]


def _sample(run: p.Recorder, steps: int, noise: Sequence[str], *, at_end: bool = True) -> None:
    """Ancestral sampling; some samplers draw no noise in the last step."""
    for step in range(steps):
        drawn = [*noise, "mul", "add"] if at_end or step < steps - 1 else []
        run.ops(["div", *_DENOISER, *_GUIDANCE, *p.SCHEDULER, *drawn])


@pytest.mark.parametrize("noise", ["randn_like", "randn"])
@pytest.mark.parametrize("at_end", [True, False])
@pytest.mark.parametrize("steps", [(8, 8, 8), (4, 9, 6)])
def test_images_where_noise_is_drawn_in_every_step(
    tmp_path: Path, noise: str, at_end: bool, steps: tuple[int, ...]
) -> None:
    run = p.Recorder()
    for count in steps:
        run.ops(_BEGIN)
        _sample(run, count, [noise], at_end=at_end)
        run.ops(_FINISH)
    found = _found(tmp_path, run)
    assert _counts(found) == list(steps), found.notes
    assert found.iterations.confidence == "guess"
    assert found.iterations.runner_up == f"Otherwise: {sum(steps)} repeats in the order of ops."


@pytest.mark.parametrize("at_end", [True, False])
def test_the_only_image_where_noise_is_drawn_in_every_step(tmp_path: Path, at_end: bool) -> None:
    run = p.Recorder()
    run.ops(["randn", "mul"])
    _sample(run, 12, ["randn"], at_end=at_end)
    run.ops(_FINISH)
    found = _found(tmp_path, run)
    assert _counts(found) == [12], found.notes
    assert found.iterations.confidence == "guess"
    assert found.iterations.runner_up == "Otherwise: 12 repeats in the order of ops."
    assert found.iterations.how == "Iterations are images: one of 12 repeats that new noise begins."


@pytest.mark.parametrize("first", [[], ["randn", "zeros", "ones"]])
def test_calls_on_new_random_input_each_are_no_image(tmp_path: Path, first: list[str]) -> None:
    run = p.Recorder()
    run.ops(first)
    for _ in range(12):
        run.ops(["randn", *_DENOISER, *_GUIDANCE, *_FINISH])
    found = _found(tmp_path, run)
    assert len(found.iterations) == 12, found.notes
    assert not len(found.steps)


def test_steps_of_a_flow_that_adds_the_output_times_a_length(tmp_path: Path) -> None:
    run = p.Recorder()
    for _ in range(4):
        run.ops(["randn"])
        for _ in range(20):
            run.ops(["full", "cat", *(["linear", "silu"] * 4), "linear", "div", "add"])
    assert _counts(_found(tmp_path, run)) == [20, 20, 20, 20]


@pytest.mark.parametrize("decoder", [p.VAE_DECODE, []])
def test_steps_within_images_that_repeat_as_a_whole(tmp_path: Path, decoder: list[str]) -> None:
    run = p.Recorder()
    for _ in range(2):
        run.ops([*p.TEXT, *p.TEXT, *_BEGIN])
        _sample(run, 8, ["randn_like"])
        run.ops([*decoder, *_FINISH])
    assert _counts(_found(tmp_path, run)) == [8, 8]


@pytest.mark.parametrize("images", [1, 3])
def test_equal_passes_over_latents_that_were_enlarged_are_one_image(tmp_path: Path, images: int) -> None:
    """A UNet without attention on its way up: its upsamplings and those of the decoder come together."""
    block = ["group_norm", "silu", "conv2d"]
    unet = ["mul", "cos", "sin", "cat", "linear", *block, "scaled_dot_product_attention", *block]
    unet += [*block, *(["upsample_nearest2d", "cat", "conv2d", *block] * 2), "conv2d"]
    run = p.Recorder()
    for _ in range(images):
        run.ops([*p.TEXT, "randn"])
        for noise in ([], ["upsample_bilinear2d", "randn_like", "mul", "add"]):
            run.ops(noise)
            for _ in range(6):
                run.ops([*unet, *_GUIDANCE, *p.SCHEDULER])
        run.ops(["conv2d", *((*block, *block, "upsample_nearest2d", "conv2d") * 3), *block])
    found = _found(tmp_path, run)
    assert _counts(found) == [12] * images, found.notes
    assert found.iterations.confidence == "likely"


@pytest.mark.parametrize(("growth", "counts"), [(4, [12]), (1, [6, 6])])
def test_an_equal_second_pass_is_of_one_image_where_its_calls_do_more(
    tmp_path: Path, growth: int, counts: list[int]
) -> None:
    run = p.Recorder()
    run.ops([*p.TEXT, "randn"])
    for larger in (1, growth):
        run.ops([] if run.now < 10**6 else [*p.VAE_ENCODE, "randn_like", "add"])
        for _ in range(6):
            run.ops([*p.UNET, *p.SCHEDULER], 3000 * larger)
        run.ops(p.VAE_DECODE)
    found = _found(tmp_path, run)
    assert _counts(found) == counts, found.notes
    says_both = "They may as well be one image" in found.iterations.how
    assert (found.iterations.confidence == "guess", says_both) == ((growth == 1,) * 2)


def test_requests_of_unlike_length_are_the_runner_up_of_their_tokens(tmp_path: Path) -> None:
    run = p.Recorder()
    for tokens in (5, 9, 7, 12):
        run.ops(["arange", "ones"])
        run.ops(["sdpa_mask", "full"])
        for _ in range(tokens):
            run.ops(p.TOKEN)
    found = _found(tmp_path, run)
    assert len(found.iterations) == 33, found.notes
    assert found.iterations.confidence == "guess"
    assert found.iterations.runner_up == "Otherwise: 4 runs of repeats in the order of ops."
