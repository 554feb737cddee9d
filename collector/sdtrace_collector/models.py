"""Real diffusers pipelines: with random weights at true geometry, or from a folder or the hub."""

from __future__ import annotations

import inspect
import warnings
from pathlib import Path
from textwrap import shorten
from typing import Any, NamedTuple

import torch

from sdtrace_collector.errors import SetupFailed
from sdtrace_collector.geometry import MODELS
from sdtrace_collector.geometry_parts import Geometry
from sdtrace_collector.libraries import library_class, network_of
from sdtrace_collector.partial_folders import missing_parts, one_network
from sdtrace_collector.tokenizer import tokenizer_of

_DENOISERS = ("unet", "transformer")
_TEXT_ENCODERS = ("text_encoder", "text_encoder_2", "text_encoder_3")


class Loaded(NamedTuple):
    """A pipeline, and the names of its networks that have random weights."""

    pipe: Any
    random_parts: list[str]


def load(model: str, dtype: torch.dtype, device: torch.device, seed: int) -> Loaded:
    """The pipeline of a model, on its device, with its own progress bar off and no safety checker.

    Random weights depend only on model, seed and kind of device: those of a 16-bit variant are the rounded
    float32 ones, so that variants can be compared by their images. A folder that lacks weights gets random
    ones of the right shape in their place.

    Raises:
        SetupFailed: a path or hub id that cannot be loaded.
    """
    torch.manual_seed(seed)
    if model in MODELS:
        pipe = pipeline_of(MODELS[model], dtype, device)
        random_parts = list(MODELS[model].networks)
    else:
        pipe, random_parts = _pretrained(model, dtype, device)
    pipe.to(device)
    pipe.set_progress_bar_config(disable=True)
    for module in modules_of(pipe).values():
        module.eval().requires_grad_(False)
    return Loaded(pipe, random_parts)


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


def image_size(pipe: Any) -> tuple[int, int]:
    """Height and width in pixels of what the model was made for."""
    arguments = inspect.signature(pipe.__call__).parameters
    given = [arguments[side].default for side in ("height", "width") if side in arguments]
    if len(given) == 2 and all(isinstance(side, int) for side in given):
        return given[0], given[1]
    side = _side(pipe)
    return side, side


def _side(pipe: Any) -> int:
    sample = getattr(getattr(pipe, denoiser_name(pipe)).config, "sample_size", None)
    if sample is not None:
        return int(sample if isinstance(sample, int) else sample[0]) * int(pipe.vae_scale_factor)
    whole = getattr(pipe.vae.config, "sample_size", None)
    if isinstance(whole, int):
        return whole
    return int(pipe.default_sample_size) * int(pipe.vae_scale_factor)


def pipeline_of(geometry: Geometry, dtype: torch.dtype, device: torch.device, **parts: Any) -> Any:
    """The pipeline of a geometry, with random weights; `parts` take the place of its own."""
    networks = {
        name: network_of(kind, config, dtype, device)
        for name, (kind, config) in geometry.networks.items()
        if name not in parts
    }
    scheduler = library_class(geometry.scheduler).from_config(geometry.scheduler_config)
    tokenizers = {name: tokenizer_of(*how) for name, how in geometry.tokenizers.items()}
    made = {"scheduler": scheduler, **tokenizers, **networks, **geometry.options, **parts}
    return library_class(geometry.pipeline)(**made)


def _pretrained(model: str, dtype: torch.dtype, device: torch.device) -> Loaded:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", FutureWarning)  # older libraries know only the older argument
            return _from_folder_or_hub(model, dtype, device)
    except (OSError, ValueError) as error:
        raise SetupFailed(_does_not_load(model, error)) from error


def _from_folder_or_hub(model: str, dtype: torch.dtype, device: torch.device) -> Loaded:
    folder = Path(model)
    if (folder / "config.json").is_file() and not (folder / "model_index.json").is_file():
        return _of_one_network(folder, dtype, device)
    parts, random_parts = missing_parts(folder, dtype, device) if folder.is_dir() else ({}, [])
    pipe = library_class("DiffusionPipeline").from_pretrained(model, torch_dtype=dtype, **parts)
    if getattr(pipe, "safety_checker", None) is not None:
        pipe.safety_checker = None
    return Loaded(pipe, random_parts)


def _of_one_network(folder: Path, dtype: torch.dtype, device: torch.device) -> Loaded:
    """A pipeline around the one network that the folder holds."""
    parts, random_parts, geometry = one_network(folder, dtype, device)
    pipe = pipeline_of(geometry, dtype, device, **parts)
    return Loaded(pipe, [name for name in geometry.networks if name not in parts or name in random_parts])


def _does_not_load(model: str, error: Exception) -> str:
    reason = shorten(str(error).rstrip("."), 160, placeholder=" ...")
    kind = "folder" if Path(model).exists() else "hub id"
    built_in = ", ".join(MODELS)
    return f"--model {model}: this {kind} does not load: {reason}; check it, or choose from {built_in}"
