"""Where CUDA graph steps begin in a real image. torch counts them also where no GPU records a graph."""

from __future__ import annotations

import warnings

import torch

from sdtrace_collector import models
from sdtrace_collector.prepare import caller, prepare
from sdtrace_collector.variants import VARIANTS, move

with warnings.catch_warnings():
    warnings.simplefilter("ignore", DeprecationWarning)  # torch's own: it still uses torch.jit here
    from torch._inductor.cudagraph_trees import MarkStepBox


def steps_of_two_images(compile_mode: str) -> dict[str, list[int]]:
    """torch's number of the step in which each call of a part runs, by part."""
    pipe = models.load("tiny", torch.float32, torch.device("cpu"), seed=0)
    axes = move(VARIANTS["fastest"].axes, {"dtype": "fp32", "compile": compile_mode})
    prepare(pipe, axes)
    parts = {"text_encoder": pipe.text_encoder, "unet": pipe.unet, "decoder": pipe.vae.decoder}
    steps: dict[str, list[int]] = {name: [] for name in parts}
    for name, part in parts.items():
        part.register_forward_pre_hook(
            lambda *_, calls=steps[name]: calls.append(MarkStepBox.mark_step_counter)
        )
    call = caller(pipe, axes)
    with torch.compiler.set_stance("force_eager"):
        for _ in range(2):
            call("a horse", num_inference_steps=2, height=64, width=64, output_type="pt")
    return steps


def test_text_encoders_share_the_step_an_image_begins_with_and_other_calls_have_their_own() -> None:
    prompts, denoised, decoded = steps_of_two_images("reduce-overhead").values()
    assert len(prompts) == 4, "prompt and negative prompt of two images"
    assert prompts[0] == prompts[1] != prompts[2] == prompts[3]
    others = [*denoised, *decoded]
    assert len(others) == 8, "PNDM's warm-up repeats one of two denoising steps"
    assert len({*others, *prompts}) == len(others) + 2


def test_without_cuda_graphs_there_are_no_steps() -> None:
    everywhere = [step for steps in steps_of_two_images("default").values() for step in steps]
    assert len(everywhere) == 12
    assert set(everywhere) == {MarkStepBox.mark_step_counter}
