"""The parts of a pipeline: networks, schedulers and inner pipelines, and what each is called in a trace.

By duck typing: torch and diffusers are not imported here. The names are those that `sdtrace.structure` reads.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator, Mapping
from typing import Any, Final

DENOISERS: Final = ("unet", "transformer")
CALLED_IN_A_STEP: Final = frozenset({*DENOISERS, "controlnet"})
"""What a denoising step calls."""
_BY_NAME: Final = (
    ("controlnet", re.compile(r"controlnet")),
    ("image_encoder", re.compile(r"image_encoder|vision_encoder|siglip")),
    ("text_encoder", re.compile(r"text_encoder|language_model|mllm|text_model|prompt_enhancer")),
    ("vae", re.compile(r"vae|vqgan|movq|vqmodel|autoencoder")),
    ("unet", re.compile(r"unet")),
    ("transformer", re.compile(r"transformer")),
    ("adapter", re.compile(r"^adapter")),
    ("safety_checker", re.compile(r"safety_checker|guardrail")),
    ("vocoder", re.compile(r"vocoder")),
)
_BY_CLASS: Final = (
    ("unet", re.compile(r"U[Nn]et")),
    ("transformer", re.compile(r"Transformer|DiT")),
    ("vae", re.compile(r"Autoencoder|VQ")),
)
"""For names that say nothing: the `prior` and `decoder` of some pipelines."""


def networks_of(pipe: Any) -> dict[str, Any]:
    """Every network of a pipeline, under the pipeline's name for it; none twice."""
    return {name: part for name, part in _components(pipe).items() if _is_network(part)}


def schedulers_of(pipe: Any) -> dict[str, Any]:
    """Every scheduler of a pipeline, under the pipeline's name for it."""
    parts = _components(pipe).items()
    return {name: part for name, part in parts if hasattr(part, "set_timesteps") and hasattr(part, "step")}


def pipelines_in(pipe: Any) -> Iterator[Any]:
    """The pipelines that a combined one calls."""
    held = vars(pipe).values() if hasattr(pipe, "__dict__") else ()
    return (part for part in held if hasattr(part, "register_modules") and callable(part))


def loops_of(pipe: Any) -> Iterator[Any]:
    """What has the progress bar of a denoising loop: the pipeline, or blocks of a modular one."""
    if hasattr(pipe, "progress_bar"):
        yield pipe
    blocks = getattr(pipe, "_blocks", None) or pipe
    for block in (getattr(blocks, "sub_blocks", None) or {}).values():
        yield from loops_of(block)


def role_of(name: str, network: Any) -> str:
    """What a network is called in a trace: `transformer` for `transformer_2`, else its own name.

    >>> role_of("text_encoder_3", None), role_of("connectors", None)
    ('text_encoder', 'connectors')
    """
    for role, pattern in _BY_NAME:
        if pattern.search(name):
            return role
    kind = class_name(network)
    return next((role for role, pattern in _BY_CLASS if pattern.search(kind)), name)


def class_name(network: Any) -> str:
    """The class of a network, also where `torch.compile` wrapped it."""
    return type(getattr(network, "_orig_mod", network)).__name__


def _components(pipe: Any) -> dict[str, Any]:
    """What the pipeline registered and has, or the attributes of what registers nothing."""
    config, held = getattr(pipe, "config", None), getattr(pipe, "__dict__", {})
    names = [name for name in config if name[0] != "_"] if isinstance(config, Mapping) else list(held)
    found: dict[str, Any] = {}
    for name in names:
        part = held.get(name)
        if part is not None and not any(part is other for other in found.values()):
            found[name] = part
    return found


def _is_network(part: Any) -> bool:
    torch = sys.modules.get("torch")
    return torch is not None and isinstance(part, torch.nn.Module)
