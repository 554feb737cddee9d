"""Built-in models have the true sizes and weights by seed, and the tokenizer CLIP's frame."""

from __future__ import annotations

import subprocess
import sys

import pytest
import torch
from msgspec.structs import replace

from sdtrace_collector import models, run
from sdtrace_collector.geometry import MODELS
from sdtrace_collector.protocol import RunFacts, Spec
from sdtrace_collector.tokenizer import byte_tokenizer
from sdtrace_collector.variants import Axes


@pytest.mark.parametrize(
    ("model", "denoiser", "millions", "size"),
    [
        # Parameters of the published checkpoints' networks.
        ("sd15", "unet", 859.5, 512),
        ("sd21", "unet", 865.9, 768),
        ("sdxl", "unet", 2567.5, 1024),
        ("sd3", "transformer", 2028.3, 1024),
    ],
)
def test_geometry_is_that_of_the_published_model(
    model: str, denoiser: str, millions: float, size: int
) -> None:
    pipe = models._random(MODELS[model], torch.float32, torch.device("meta"), seed=0)
    network = models.modules_of(pipe)[denoiser]
    assert models.denoiser_name(pipe) == denoiser
    assert sum(p.numel() for p in network.parameters()) / 1e6 == pytest.approx(millions, abs=0.05)
    assert models.image_size(pipe) == size


def test_sixteen_bit_weights_are_the_rounded_ones() -> None:
    cpu = torch.device("cpu")
    single = models.load("tiny", torch.float32, cpu, seed=3)
    half = models.load("tiny", torch.bfloat16, cpu, seed=3)
    assert torch.equal(half.unet.conv_in.weight, single.unet.conv_in.weight.bfloat16())


def test_another_seed_makes_another_image(monkeypatch: pytest.MonkeyPatch) -> None:
    facts: list[RunFacts] = []
    monkeypatch.setattr(run, "_export", lambda _profiler, _spec, found, _send: facts.append(found))
    one = Spec("fp32_eager", Axes(), "", steps=1, images=1, unprofiled_images=0, device="cpu")
    for seed in (0, 1):
        run.run(replace(one, seed=seed), lambda _: None)
    assert facts[0].image_means != facts[1].image_means


def test_a_prompt_is_framed_and_padded_as_clip_does() -> None:
    tokens = byte_tokenizer(1022, 1023, 77)
    ids = tokens(["a cat", "x" * 200], padding="max_length", max_length=77, truncation=True).input_ids
    assert [len(row) for row in ids] == [77, 77]
    assert ids[0][0] == 1022
    assert ids[0][6:] == [1023] * 71
    assert ids[1][-1] == 1023
    assert all(0 <= token < 1024 for row in ids for token in row)


def test_importing_the_commands_loads_nothing_heavy() -> None:
    heavy = {"torch", "diffusers", "rich", "msgspec"}
    code = f"import sys, sdtrace_collector.cli; print(*{heavy} & set(sys.modules))"
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert loaded.stdout.strip() == ""
