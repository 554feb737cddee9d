"""Settings of pipelines of diffusers."""

from __future__ import annotations

import copy
from collections.abc import Callable, Sequence
from typing import Any, Final

import diffusers
import torch
from benchmarks.record.place import Place, channels_last

FLOW: Final = diffusers.FlowMatchEulerDiscreteScheduler


def quiet(pipe: Any) -> Any:
    """The pipeline without its progress bar."""
    pipe.set_progress_bar_config(disable=True)
    return pipe


def with_parts(pipe: Any, more: dict[str, Any], **parts: Any) -> Any:
    """The same pipeline with other networks; its scheduler is a copy. `more` goes to its constructor."""
    known = {**pipe.components, **parts}
    known["scheduler"] = copy.deepcopy(pipe.scheduler)
    return quiet(type(pipe)(**known, **more))


def settings(
    at: Place,
    pipe: Any,
    call: Callable[[Any], Any],
    wanted: Sequence[str],
    parts: Sequence[str] = ("unet",),
    more: dict[str, Any] | None = None,
) -> dict[str, Callable[[], Any]]:
    """`base`, `compile` of the parts, also with channels_last weights or CUDA graphs; `item` asks.

    `call(pipe)` makes one image, a tensor. Every setting ends with a copy of it to the CPU.
    """
    networks = {name: getattr(pipe, name) for name in parts}
    changed: dict[str, Callable[[Any], Any]] = {
        "compile": at.compiled,
        "last_compile": lambda network: at.compiled(channels_last(network)),
        "graphs": lambda network: at.compiled(network, "reduce-overhead"),
    }

    def made(name: str) -> Callable[[], Any]:
        one = pipe
        if name in changed:
            of_setting = {part: changed[name](network) for part, network in networks.items()}
            one = with_parts(pipe, more or {}, **of_setting)
        return lambda: copied(call(one), asks=name == "item")

    return {name: made(name) for name in wanted}


def copied(image: torch.Tensor, *, asks: bool = False) -> torch.Tensor:
    """The image on the CPU; asked for two numbers before, which waits for the GPU."""
    if asks:
        image.float().mean().item()
        image.float().amax().item()
    return image.float().cpu()


def autoencoder(
    at: Place,
    channels: int = 4,
    out: int = 3,
    blocks: tuple[int, ...] = (128, 256, 512, 512),
    dtype: torch.dtype = torch.bfloat16,
) -> Any:
    """Stable Diffusion's autoencoder."""
    count = len(blocks)
    return at.built(
        lambda: diffusers.AutoencoderKL(
            in_channels=out,
            out_channels=out,
            latent_channels=channels,
            shift_factor=0.0,
            block_out_channels=at.pick(blocks, (32,) * count),
            layers_per_block=at.pick(2, 1),
            down_block_types=("DownEncoderBlock2D",) * count,
            up_block_types=("UpDecoderBlock2D",) * count,
        ),
        dtype,
    )


def sd_unet(at: Place, **more: Any) -> Any:
    """The UNet of Stable Diffusion 1.5 with one layer a block."""
    return at.built(
        lambda: diffusers.UNet2DConditionModel(
            layers_per_block=1,
            block_out_channels=at.pick((320, 640, 1280, 1280), (32, 32, 32, 32)),
            cross_attention_dim=at.pick(768, 32),
            **more,
        )
    )


def short_sd_unet(at: Place, **more: Any) -> Any:
    """The same without its lowest level, which compiles in less time."""
    return at.built(
        lambda: diffusers.UNet2DConditionModel(
            layers_per_block=1,
            block_out_channels=at.pick((320, 640, 1280), (32, 32, 32)),
            down_block_types=("CrossAttnDownBlock2D", "CrossAttnDownBlock2D", "DownBlock2D"),
            up_block_types=("UpBlock2D", "CrossAttnUpBlock2D", "CrossAttnUpBlock2D"),
            cross_attention_dim=at.pick(768, 32),
            sample_size=64,
            **more,
        )
    )


def sdxl_unet(at: Place, layers: tuple[int, int, int]) -> Any:
    """The UNet of SDXL with so many transformer layers on each level, and one residual layer."""
    return at.built(
        lambda: diffusers.UNet2DConditionModel(
            layers_per_block=1,
            block_out_channels=at.pick((320, 640, 1280), (32, 64, 64)),
            down_block_types=("DownBlock2D", "CrossAttnDownBlock2D", "CrossAttnDownBlock2D"),
            up_block_types=("CrossAttnUpBlock2D", "CrossAttnUpBlock2D", "UpBlock2D"),
            transformer_layers_per_block=at.pick(layers, (1, 1, 1)),
            attention_head_dim=at.pick((5, 10, 20), (1, 2, 2)),
            cross_attention_dim=at.pick(2048, 32),
            use_linear_projection=True,
            addition_embed_type="text_time",
            addition_time_embed_dim=256,
            projection_class_embeddings_input_dim=at.pick(2816, 1568),
        )
    )


def small_autoencoder(at: Place) -> Any:
    """TAESD."""
    channels = at.pick((64, 64, 64, 64), (8, 8, 8, 8))
    return at.built(
        lambda: diffusers.AutoencoderTiny(
            encoder_block_out_channels=channels, decoder_block_out_channels=channels
        )
    )


class NoText(torch.nn.Module):
    """Stands for a text encoder whose embeddings are given, where a pipeline asks it for its type."""

    def __init__(self, at: Place, projection: int = 0) -> None:
        super().__init__()
        self.dtype = torch.bfloat16
        self.device = torch.device(at.device)
        self.config = type("Config", (), {"projection_dim": projection})()
