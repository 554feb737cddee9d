"""Steps of tiny pipelines of diffusers, and of loops of one's own, as torch's profiler saw them on a CPU.

Recorded with diffusers 0.42 and torch 2.13; the files hold the outermost ops only.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from sdtrace.structure.run_structure import RunStructure
from tests.loaded import linked_of
from tests.structures import structure_of

_FIELD = Path(__file__).parents[1] / "field"

_RUNS = {
    # Each of four blocks embeds the time step by itself.
    "dit": [6],
    "dit_one": [1],
    # Stable Diffusion in 4 steps, then a network that embeds its time in another way, in 3.
    "upscaler": [7, 7],
    # DeepFloyd: 5 steps of one network, 4 of another, no decoder.
    "two_stages": [9],
    # 9 calls, two a step but for the last one.
    "heun": [5],
    "kdpm2": [8],
    "midpoint": [10],
    "dpm_single": [9, 9],
    "maskgit": [12],
    "token_by_token": [0, 0],
    "lcm_one": [1],
    "no_time": [8],
    "no_time_vae": [10],
    # A consistency model on pixels, in two steps.
    "pixels": [2],
    # Two calls a step in the first 4 of 8 steps.
    "half_guided": [8, 8],
    "callback": [8, 8],
    # Every second step is shown by a linear map of what it made.
    "linear_preview": [8],
}


def _found(name: str) -> RunStructure:
    return structure_of(linked_of(_FIELD / f"steps_{name}.json.gz"))


@pytest.mark.parametrize(("name", "steps"), _RUNS.items())
def test_images_and_their_steps(name: str, steps: list[int]) -> None:
    found = _found(name)
    assert found.steps.counts(found.iterations).tolist() == steps, found.notes


@pytest.mark.parametrize("name", ["dpm_single", "callback"])
def test_calls_that_may_be_two_a_step_are_a_guess(name: str) -> None:
    found = _found(name)
    assert found.steps.confidence == "guess"
    assert "denoiser calls, two of which may be a step" in found.steps.how


@pytest.mark.parametrize("name", ["no_time", "two_stages", "pixels"])
def test_the_only_image_without_a_decoder_is_a_guess(name: str) -> None:
    found = _found(name)
    assert found.iterations.confidence == "guess"
    assert "repeats in the order of ops" in found.iterations.runner_up


def test_stages_that_are_decoded_each_may_be_of_one_image() -> None:
    """Stable Diffusion in 4 steps and its upscaler in 3, twice."""
    found = _found("upscaled_decodes")
    assert found.iterations.confidence == "guess"
    assert "Every 2 of them may as well be stages of one image" in found.iterations.how


def test_a_base_and_a_refiner_without_decoder_may_be_one_image() -> None:
    """SDXL in 4 steps, its refiner in 2, each with its own prompt."""
    found = _found("refined_latents")
    assert found.iterations.confidence == "guess"
    assert "two stages of one image" in found.iterations.how


def test_steps_of_a_bare_loop_are_repeats_or_one_image() -> None:
    """A transformer that looks up its class in each block, in 5 steps, without decoder."""
    found = _found("class_latents")
    assert (len(found.iterations), found.iterations.confidence) == (5, "guess")
    assert found.iterations.runner_up == "Otherwise: 1 image of 5 calls that embed a time step."
