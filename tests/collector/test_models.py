"""Built-in models have the true sizes and weights by seed, and the tokenizer CLIP's frame."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch
from msgspec.structs import replace

from sdtrace_collector import models, run
from sdtrace_collector.errors import SetupFailed
from sdtrace_collector.geometry import MODELS, TINY_MODELS
from sdtrace_collector.libraries import network_of
from sdtrace_collector.protocol import RunFacts, Spec
from sdtrace_collector.tokenizer import byte_tokenizer
from sdtrace_collector.variants import Axes

CPU = torch.device("cpu")


@pytest.mark.parametrize(
    ("model", "name", "millions", "height"),
    [
        # Parameters of the published checkpoints' networks.
        ("sd15", "unet", 859.5, 512),
        ("sd21", "unet", 865.9, 768),
        ("sdxl", "unet", 2567.5, 1024),
        ("sd3", "transformer", 2028.3, 1024),
        ("flux", "transformer", 11901.4, 1024),
        ("flux", "text_encoder_2", 4762.3, 1024),
        ("qwen-image", "transformer", 20430.4, 1024),
        ("qwen-image", "text_encoder", 8292.2, 1024),
        ("wan-1.3b", "transformer", 1419.0, 480),
        ("wan-1.3b", "text_encoder", 5680.9, 480),
    ],
)
def test_geometry_is_that_of_the_published_model(model: str, name: str, millions: float, height: int) -> None:
    pipe = models.pipeline_of(MODELS[model], torch.float32, torch.device("meta"))
    networks = models.modules_of(pipe)
    assert sum(p.numel() for p in networks[name].parameters()) / 1e6 == pytest.approx(millions, abs=0.05)
    assert models.denoiser_name(pipe) in networks
    assert models.image_size(pipe)[0] == height


@pytest.mark.parametrize("model", TINY_MODELS)
def test_sixteen_bit_weights_are_the_rounded_ones(model: str) -> None:
    single, half = (models.load(model, dtype, CPU, seed=3).pipe for dtype in (torch.float32, torch.bfloat16))
    for name, network in models.modules_of(single).items():
        rounded = dict(models.modules_of(half)[name].named_parameters())
        assert rounded
        for path, weight in network.named_parameters():
            assert weight.dtype == torch.float32
            assert torch.equal(rounded[path], weight.bfloat16()), path


def test_weights_are_made_in_the_dtype_where_they_are_used_and_shared_ones_stay_shared() -> None:
    encoder: Any = models.load("flux-tiny", torch.bfloat16, CPU, seed=0).pipe.text_encoder_2
    assert encoder.shared.weight is encoder.encoder.embed_tokens.weight
    assert encoder.shared.weight.dtype == torch.bfloat16
    assert torch.equal(encoder.encoder.final_layer_norm.weight, torch.ones(64, dtype=torch.bfloat16))


def test_what_a_network_keeps_in_float32_stays_so() -> None:
    kind, config = MODELS["wan-1.3b"].networks["transformer"]
    small = config | {"num_layers": 1, "num_attention_heads": 1, "ffn_dim": 64, "text_dim": 16}
    network = network_of(kind, small, torch.bfloat16, CPU)
    assert network.get_submodule("blocks.0.norm2").weight.dtype == torch.float32
    assert network.get_submodule("blocks.0.ffn.net.2").weight.dtype == torch.bfloat16


def test_a_chat_prompt_has_as_many_words_as_the_pipeline_leaves_out() -> None:
    pipe = models.pipeline_of(MODELS["qwen-image"], torch.float32, torch.device("meta"))
    before, after = pipe.prompt_template_encode.split("{}")
    assert len(pipe.tokenizer(before).input_ids) == pipe.prompt_template_encode_start_idx
    whole = pipe.tokenizer([f"{before}a grey cat, asleep{after}"]).input_ids
    assert len(whole[0]) == pipe.prompt_template_encode_start_idx + 5 + 5


@pytest.fixture(scope="module")
def saved(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A whole folder, as `save_pretrained` writes it."""
    folder = tmp_path_factory.mktemp("saved")
    models.load("flux-tiny", torch.float32, CPU, seed=1).pipe.save_pretrained(folder)
    return folder


def partial(saved: Path, folder: Path, *missing: str) -> str:
    """A copy of the folder without some of its files and folders."""
    shutil.copytree(saved, folder)
    for name in missing:
        path = folder / name
        shutil.rmtree(path) if path.is_dir() else path.unlink()
    return str(folder)


def test_a_whole_folder_has_no_random_part(saved: Path) -> None:
    loaded = models.load(str(saved), torch.float32, CPU, seed=0)
    assert loaded.random_parts == []
    made = models.load("flux-tiny", torch.float32, CPU, seed=1).pipe
    assert torch.equal(loaded.pipe.transformer.proj_out.weight, made.transformer.proj_out.weight)


def test_what_a_folder_lacks_is_made_of_its_own_shape(saved: Path, tmp_path: Path) -> None:
    weights = "transformer/diffusion_pytorch_model.safetensors"
    gone = ("vae", "tokenizer_2", "scheduler", "text_encoder/model.safetensors")
    folder = partial(saved, tmp_path / "some", *gone)
    Path(folder, weights).write_text("version https://git-lfs.github.com/spec/v1\noid sha256:0\n")
    loaded = models.load(folder, torch.bfloat16, CPU, seed=0)
    assert loaded.random_parts == ["text_encoder", "transformer", "vae"]
    height, width = models.image_size(loaded.pipe)
    made = loaded.pipe("a horse", num_inference_steps=1, height=height, width=width, output_type="pt").images
    assert made.shape == (1, 3, 64, 64)


def test_one_network_alone_gets_the_pipeline_that_has_such_a_one(saved: Path) -> None:
    loaded = models.load(str(saved / "transformer"), torch.float32, CPU, seed=0)
    assert type(loaded.pipe).__name__ == "FluxPipeline"
    assert loaded.random_parts == ["vae", "text_encoder", "text_encoder_2"]
    assert loaded.pipe.transformer.config.joint_attention_dim == 64


def test_a_folder_without_any_shape_is_refused(saved: Path, tmp_path: Path) -> None:
    folder = partial(saved, tmp_path / "none", "vae")
    index = Path(folder, "model_index.json")
    index.write_text(index.read_text().replace("FluxPipeline", "FluxKontextPipeline"))
    with pytest.raises(SetupFailed, match="it lacks vae, and no built-in model is a FluxKontextPipeline"):
        models.load(folder, torch.float32, CPU, seed=0)


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
