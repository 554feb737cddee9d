"""torch.compile of a pipeline's parts, as a variant has it. Nothing is compiled before the first call."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Any

import torch

from sdtrace_collector.errors import DoesNotApply
from sdtrace_collector.models import text_encoders_of
from sdtrace_collector.variants import Axes

_WITH_GRAPHS = ("reduce-overhead", "max-autotune")
_BOUNDED_AUTOTUNE = {
    "max_autotune_gemm": True,
    "max_autotune_gemm_backends": "ATEN,TRITON",
    "max_autotune_conv_backends": "ATEN",
    "benchmark_epilogue_fusion": True,
    "epilogue_fusion": False,
    "prologue_fusion": False,
    "test_configs.autotune_choice_desc_regex": r"^(?!.*BLOCK_K=(?!64\b))",
    "triton.cudagraphs": True,
}
"""Inductor's max-autotune without what takes minutes on a UNet: templates for convolutions, GEMM tiles not
64 deep (the depth that fits 16-bit matrix units), and fusing each of some 180 GEMMs with its neighbors to
time that too. `benchmark_epilogue_fusion` then does one thing only: the candidates of all GEMMs are compiled
side by side, and else one GEMM after another. A torch that lacks one of these goes without it."""


def compile_parts(pipe: Any, denoiser: Any, axes: Axes) -> None:
    """Compiles the denoiser and, where the variant says so, the VAE's decoder and the text encoders.

    With CUDA graphs, each call of denoiser or VAE may overwrite what the one before returned: guidance and
    denormalization copy that first. A text encoder's may not: SDXL holds what one returns while it calls the
    next, and joins them then. They share the step that an image begins with.
    """
    compile_network(denoiser, axes.compile, combo_kernels=axes.combo_kernels == "on")
    if axes.compile_vae == "on":
        compile_network(pipe.vae.decoder, _whole(axes.compile), combo_kernels=axes.combo_kernels == "on")
    if axes.compile_text_encoder == "on":
        for encoder in text_encoders_of(pipe):
            encoder.compile(**_mode(_whole(axes.compile), combo_kernels=axes.combo_kernels == "on"))


def compile_network(network: Any, how: str, *, combo_kernels: bool = False) -> None:
    """Compiles a network, or its repeated blocks where `how` says regional; each call begins a graph step.

    Raises:
        DoesNotApply: it has no repeated blocks.
    """
    mode = _mode(_whole(how), combo_kernels=combo_kernels)
    if how.startswith("regional"):
        if not getattr(network, "_repeated_blocks", None):
            network._repeated_blocks = _kinds_of_blocks(network)
        network.compile_repeated_blocks(dynamic=False, **mode)
    else:
        network.compile(**mode)
    if _whole(how) in _WITH_GRAPHS:
        network._compiled_call_impl = beginning_step(network._compiled_call_impl or network._call_impl)


def _kinds_of_blocks(network: Any) -> list[str]:
    """The classes of its blocks, where its author names none."""
    kinds = {type(block).__name__ for block in getattr(network, "transformer_blocks", ())}
    if not kinds:
        raise DoesNotApply(f"compile=regional: {type(network).__name__} has no repeated blocks")
    return sorted(kinds)


def beginning_step(call: Callable[..., Any]) -> Callable[..., Any]:
    """`call`, beginning a CUDA graph step each time: outputs of those before may be overwritten."""
    mark_step: Any = torch.compiler.cudagraph_mark_step_begin

    @wraps(call)
    def step(*args: Any, **kwargs: Any) -> Any:
        mark_step()
        return call(*args, **kwargs)

    return step


def _whole(how: str) -> str:
    """How to compile something whole, where the denoiser is compiled in regions."""
    return how.removeprefix("regional").removeprefix("-") or "default"


def _mode(mode: str, *, combo_kernels: bool) -> dict[str, Any]:
    """What `compile` is given: a mode of torch, or options of Inductor in its place."""
    options: dict[str, Any] = {}
    if mode == "max-autotune":
        options |= _BOUNDED_AUTOTUNE
    if combo_kernels:
        options |= {"combo_kernels": True, "triton.cudagraphs": mode in _WITH_GRAPHS}
    if options:
        from torch import _inductor  # noqa: PLC0415 - takes a second to load, which eager variants save

        known = set(_inductor.list_options())
        return {"options": {name: value for name, value in options.items() if name in known}}
    return {"mode": None if mode == "default" else mode}
