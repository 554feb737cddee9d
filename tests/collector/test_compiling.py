"""Compiled parts in a real image: ranges around them, and where CUDA graph steps begin.

torch counts those also where no GPU records a graph.
"""

from __future__ import annotations

import warnings
from contextlib import nullcontext

import pytest
import torch
from torch.profiler import ProfilerActivity, profile

from sdtrace_collector import compiling, models
from sdtrace_collector.annotate import annotated
from sdtrace_collector.prepare import caller, prepare
from sdtrace_collector.variants import VARIANTS, move
from tests.collector.conftest import holds
from tests.collector.tiny_pipelines import sdxl

with warnings.catch_warnings():
    warnings.simplefilter("ignore", DeprecationWarning)  # torch's own: it still uses torch.jit here
    from torch._inductor.cudagraph_trees import MarkStepBox


def steps_of_two_images(compile_mode: str) -> dict[str, list[int]]:
    """torch's number of the step in which each call of a part runs, by part."""
    pipe = models.load("tiny", torch.float32, torch.device("cpu"), seed=0).pipe
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


def test_ranges_stay_outside_compiled_code(monkeypatch: pytest.MonkeyPatch) -> None:
    """Dynamo decides that, whatever then compiles its graph: here nothing does."""
    monkeypatch.setattr(compiling, "_mode", lambda *_, **__: {"backend": "eager"})
    pipe = models.load("tiny", torch.float32, torch.device("cpu"), seed=0).pipe
    axes = VARIANTS["fp32_compile"].axes
    prepare(pipe, axes)
    with profile(activities=[ProfilerActivity.CPU]) as profiler, annotated(pipe):
        caller(pipe, axes)("a horse", num_inference_steps=2, output_type="pt")
    torch.compiler.reset()
    unets, regions = (
        sorted((e.time_range.start, e.time_range.end) for e in profiler.events() if e.name.startswith(name))
        for name in ("unet", "Torch-Compiled Region")
    )
    assert len(regions) == len(unets) == 3, "one unbroken graph for each call"
    assert all(holds(unet, region) for unet, region in zip(unets, regions, strict=True))


@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # of numpy, in torch's own tracing
def test_naming_a_compiled_text_encoder_compiles_nothing_again() -> None:
    """Also where a part of it has a name of its own, as in CLIP with its projection."""
    pipe = sdxl()
    encoder, tokens = pipe.text_encoder_2, torch.zeros(1, 16, dtype=torch.long)
    encoder.compile(backend="eager")
    graphs = []
    for names in (nullcontext(), nullcontext(), annotated(pipe)):
        with names:
            encoder(tokens)
        graphs.append(torch._dynamo.utils.counters["stats"]["unique_graphs"])
    assert graphs[0] == graphs[2] > 0
    torch.compiler.reset()
