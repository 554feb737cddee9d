"""Real diffusers pipelines: with random weights at true geometry, or from a path or the hub."""

from __future__ import annotations

from pathlib import Path
from textwrap import shorten
from typing import Any

import diffusers
import torch
import transformers

from sdtrace_collector.errors import SetupFailed
from sdtrace_collector.geometry import MODELS, Config, Geometry
from sdtrace_collector.tokenizer import byte_tokenizer

_DENOISERS = ("unet", "transformer")
_TEXT_ENCODERS = ("text_encoder", "text_encoder_2", "text_encoder_3")


def load(model: str, dtype: torch.dtype, device: torch.device, seed: int) -> Any:
    """The pipeline of a model, on its device, with its own progress bar off and no safety checker.

    Random weights depend only on model, seed and kind of device: those of a 16-bit variant are the rounded
    float32 ones, so that variants can be compared by their images.

    Raises:
        SetupFailed: a path or hub id that cannot be loaded.
    """
    pipe = _random(MODELS[model], dtype, device, seed) if model in MODELS else _pretrained(model, dtype)
    pipe.to(device)
    pipe.set_progress_bar_config(disable=True)
    for module in modules_of(pipe).values():
        module.eval().requires_grad_(False)
    return pipe


def denoiser_name(pipe: Any) -> str:
    """`unet` or `transformer`, whichever the pipeline has."""
    return next(name for name in _DENOISERS if getattr(pipe, name, None) is not None)


def text_encoders_of(pipe: Any) -> list[torch.nn.Module]:
    """The text encoders the pipeline has."""
    encoders = (getattr(pipe, name, None) for name in _TEXT_ENCODERS)
    return [encoder for encoder in encoders if encoder is not None]


def modules_of(pipe: Any) -> dict[str, torch.nn.Module]:
    """Every network of the pipeline, under the pipeline's name for it."""
    return {name: part for name, part in pipe.components.items() if isinstance(part, torch.nn.Module)}


def image_size(pipe: Any) -> int:
    """The side in pixels of the square image the model was made for."""
    sample = getattr(pipe, denoiser_name(pipe)).config.sample_size
    return int(sample if isinstance(sample, int) else sample[0]) * int(pipe.vae_scale_factor)


def _pretrained(model: str, dtype: torch.dtype) -> Any:
    try:
        pipe = _diffusers("DiffusionPipeline").from_pretrained(model, torch_dtype=dtype)
    except (OSError, ValueError) as error:
        reason = shorten(str(error).rstrip("."), 160, placeholder=" ...")
        kind = "folder" if Path(model).exists() else "hub id"
        built_in = ", ".join(MODELS)
        raise SetupFailed(
            f"--model {model}: this {kind} does not load: {reason}; check it, or choose from {built_in}"
        ) from error
    if getattr(pipe, "safety_checker", None) is not None:
        pipe.safety_checker = None
    return pipe


def _random(geometry: Geometry, dtype: torch.dtype, device: torch.device, seed: int) -> Any:
    torch.manual_seed(seed)
    denoiser = "unet" if geometry.denoiser.startswith("UNet") else "transformer"
    with torch.device(device):
        networks: dict[str, torch.nn.Module] = {
            denoiser: _diffusers(geometry.denoiser).from_config(geometry.denoiser_config),
            "vae": _diffusers("AutoencoderKL").from_config(geometry.vae),
            **_text_encoders(geometry),
        }
    for network in networks.values():
        network.to(dtype)
    scheduler = _diffusers(geometry.scheduler).from_config(geometry.scheduler_config)
    return _diffusers(geometry.pipeline)(
        scheduler=scheduler, **networks, **_tokenizers(geometry), **_left_out(geometry)
    )


def _diffusers(name: str) -> Any:
    """A class of diffusers, whose constructors carry no types."""
    return getattr(diffusers, name)


def _left_out(geometry: Geometry) -> Config:
    """Parts these pipelines want named although they run without: the safety checker, SD3's T5."""
    if geometry.pipeline == "StableDiffusionPipeline":
        return {"safety_checker": None, "feature_extractor": None, "requires_safety_checker": False}
    if geometry.pipeline == "StableDiffusion3Pipeline":
        return {"text_encoder_3": None, "tokenizer_3": None}
    return {"add_watermarker": False}


def _text_encoders(geometry: Geometry) -> dict[str, torch.nn.Module]:
    return {
        name: getattr(transformers, kind)(transformers.CLIPTextConfig(**config))
        for (kind, config), name in zip(geometry.text_encoders, _TEXT_ENCODERS, strict=False)
    }


def _tokenizers(geometry: Geometry) -> dict[str, Any]:
    return {
        name: byte_tokenizer(
            config["bos_token_id"], config["eos_token_id"], config["max_position_embeddings"]
        )
        for (_, config), name in zip(geometry.text_encoders, ("tokenizer", "tokenizer_2"), strict=False)
    }
