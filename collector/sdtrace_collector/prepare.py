"""Moves a loaded pipeline to a variant's point on the axes."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from functools import wraps
from inspect import unwrap
from typing import Any

import torch

from sdtrace_collector.attention import set_attention, with_attention
from sdtrace_collector.caching import cache_blocks, skip_steps
from sdtrace_collector.compiling import beginning_step, compile_parts
from sdtrace_collector.fp8 import quantize
from sdtrace_collector.group_norm import normalize_by_channel
from sdtrace_collector.models import denoiser_name, modules_of
from sdtrace_collector.variants import Axes

DTYPES = {"fp32": torch.float32, "bf16": torch.bfloat16, "fp16": torch.float16}


def set_backends(axes: Axes) -> None:
    """What torch holds for the whole process: how cuDNN picks convolutions, and TF32."""
    torch.backends.cudnn.benchmark = axes.cudnn_benchmark == "on"
    if axes.tf32 == "default":
        return
    on = axes.tf32 == "on"
    torch.set_float32_matmul_precision("high" if on else "highest")
    torch.backends.cudnn.allow_tf32 = on


def prepare(pipe: Any, axes: Axes) -> None:
    """Sets attention, layers, quantization, compilation. Nothing is compiled before the first call.

    Raises:
        DoesNotApply: this pipeline, or what is installed, cannot do what the variant says.
    """
    denoiser = getattr(pipe, denoiser_name(pipe))
    set_attention(pipe, denoiser, axes.attention)
    for network in (denoiser, pipe.vae):
        _change_layers(network, axes)
    if axes.quantization == "fp8":
        quantize(denoiser)
    if axes.timesteps == "host":
        _keep_timesteps_on_host(pipe.scheduler)
    for module in modules_of(pipe).values():
        module.requires_grad_(axes.grad_mode == "grad")
    if axes.cache == "lossy_first_block":
        cache_blocks(denoiser)
    if axes.compiled:
        compile_parts(pipe, denoiser, axes)
    if axes.cache == "lossy_skip_steps":
        skip_steps(pipe.scheduler, denoiser)


def _change_layers(network: Any, axes: Axes) -> None:
    if axes.fused_qkv == "on" and hasattr(network, "fuse_qkv_projections"):
        network.fuse_qkv_projections()
    if axes.memory_format == "channels_last":
        lay_out_channels_last(network)
    if axes.group_norm == "by_channel":
        normalize_by_channel(network)


def lay_out_channels_last(network: torch.nn.Module) -> None:
    """Weights of convolutions in two or three dimensions; those of a network may be of both."""
    layouts = {4: torch.channels_last, 5: torch.channels_last_3d}
    for weight in network.parameters():
        if weight.dim() in layouts:
            weight.data = weight.data.contiguous(memory_format=layouts[weight.dim()])


def _keep_timesteps_on_host(scheduler: Any) -> None:
    """Steps the scheduler with copies of its timesteps on the host, where the values it asks for are.

    With those on the device, schedulers that branch on the timestep (PNDM on `prev_timestep >= 0`) wait
    for all queued work in every step. The denoiser still gets the timestep on the device.
    """
    set_timesteps, step = scheduler.set_timesteps, scheduler.step
    on_host: deque[torch.Tensor] = deque()

    @wraps(set_timesteps)
    def setting(*args: Any, **kwargs: Any) -> None:
        set_timesteps(*args, **kwargs)
        on_host.clear()
        on_host.extend(scheduler.timesteps.cpu())

    @wraps(step)
    def stepping(model_output: Any, _: Any, *args: Any, **kwargs: Any) -> Any:
        return step(model_output, on_host.popleft(), *args, **kwargs)

    scheduler.set_timesteps, scheduler.step = setting, stepping


def caller(pipe: Any, axes: Axes) -> Callable[..., Any]:
    """The pipeline's `__call__` under the variant's grad mode; with CUDA graphs, each image begins a step.

    diffusers decorates it with `no_grad`; `grad` takes that off.
    """
    call: Callable[..., Any] = pipe.__call__
    if axes.grad_mode == "grad":
        bare = unwrap(type(pipe).__call__)

        def call(*args: Any, **kwargs: Any) -> Any:
            return bare(pipe, *args, **kwargs)

    if axes.grad_mode == "inference_mode":
        call = torch.inference_mode()(call)
    call = with_attention(call, getattr(pipe, denoiser_name(pipe)), axes.attention)
    return beginning_step(call) if axes.cudagraphs else call
