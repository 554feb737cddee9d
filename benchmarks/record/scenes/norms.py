"""Networks whose group norms run op by op, and compiled alone."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

import diffusers
import torch
from benchmarks.record.made import Made
from benchmarks.record.place import Place
from torch import nn


def _made(at: Place, net: Any, call: Callable[[Any], Any]) -> Made:
    limits: Any = torch._dynamo.config
    limits.recompile_limit = limits.accumulated_recompile_limit = 64
    net.requires_grad_(False)
    compiled = copy.deepcopy(net)
    for name, module in list(compiled.named_modules()):
        if isinstance(module, nn.GroupNorm):
            parent, _, last = name.rpartition(".")
            setattr(compiled.get_submodule(parent), last, at.compiled(module, dynamic=None))

    def runs(one: Any) -> Callable[[], Any]:
        @torch.no_grad()
        def run() -> Any:
            return call(one)

        return run

    return Made({"base": runs(net), "norms": runs(compiled)}, unrecorded=2)


def _vae(at: Place, dtype: torch.dtype, channels: int = 4) -> Any:
    """Stable Diffusion's autoencoder with so many channels of latents."""
    blocks = at.pick((128, 256, 512, 512), (32, 64))
    count = len(blocks)
    return at.built(
        lambda: diffusers.AutoencoderKL(
            block_out_channels=blocks,
            down_block_types=("DownEncoderBlock2D",) * count,
            up_block_types=("UpDecoderBlock2D",) * count,
            layers_per_block=at.pick(2, 1),
            latent_channels=channels,
        ),
        dtype,
    )


def _decoder(at: Place, size: int, batch: int, dtype: torch.dtype, channels: int = 4) -> Made:
    """The decoder of Stable Diffusion; `size` and `batch` of the latents."""
    side = at.pick(size, 8)
    latents = at.random(batch, channels, side, side, dtype=dtype)
    return _made(at, _vae(at, dtype, channels).decoder, lambda decoder: decoder(latents))


def nvae(at: Place) -> Made:
    return _decoder(at, 64, 1, torch.bfloat16)


def nvae4(at: Place) -> Made:
    return _decoder(at, 48, 4, at.half)


def nvaexl(at: Place) -> Made:
    return _decoder(at, 112, 1, torch.float32)


def nvq(at: Place) -> Made:
    blocks = at.pick((128, 256, 512), (32, 64))
    count, side = len(blocks), at.pick(512, 16)
    net = at.built(
        lambda: diffusers.VQModel(
            block_out_channels=blocks,
            down_block_types=("DownEncoderBlock2D",) * count,
            up_block_types=("UpDecoderBlock2D",) * count,
            layers_per_block=at.pick(2, 1),
            latent_channels=3,
            num_vq_embeddings=64,
        ),
        at.half,
    )
    picture = at.random(2, 3, side, side, dtype=at.half)
    return _made(at, net, lambda one: one.decoder(one.post_quant_conv(one.quant_conv(one.encoder(picture)))))


def nunet(at: Place) -> Made:
    blocks = at.pick((128, 256, 384), (32, 64))
    side = at.pick(384, 16)
    net = at.built(
        lambda: diffusers.UNet2DModel(
            block_out_channels=blocks,
            layers_per_block=at.pick(2, 1),
            norm_num_groups=32,
            down_block_types=("DownBlock2D",) * len(blocks),
            up_block_types=("UpBlock2D",) * len(blocks),
        )
    )
    picture = at.random(at.pick(2, 1), 3, side, side)
    time = torch.tensor(7, device=at.device)
    return _made(at, net, lambda one: one(picture, time).sample)


def nvideo(at: Place) -> Made:
    blocks = at.pick((128, 256, 512, 512), (32, 64))
    side, frames = at.pick((40, 6), (8, 2))
    net = at.built(
        lambda: diffusers.AutoencoderKLTemporalDecoder(
            block_out_channels=blocks,
            down_block_types=("DownEncoderBlock2D",) * len(blocks),
            latent_channels=4,
            layers_per_block=at.pick(2, 1),
        ),
        at.half,
    )
    latents = at.random(frames, 4, side, side, dtype=at.half)
    still = torch.zeros(1, frames, device=at.device, dtype=at.half)
    return _made(at, net.decoder, lambda one: one(latents, image_only_indicator=still, num_frames=frames))


def nsd3(at: Place) -> Made:
    """The decoder of Stable Diffusion 3, which has 16 channels of latents."""
    return _decoder(at, 80, 1, torch.bfloat16, 16)


def nenc(at: Place) -> Made:
    """An encoder of images."""
    side = at.pick(640, 32)
    pictures = at.picture(2, 3, side, side, dtype=at.half)
    return _made(at, _vae(at, at.half).encoder, lambda encoder: encoder(pictures))


def nmovq(at: Place) -> Made:
    """The decoder of Kandinsky, whose norms look at the latents."""
    blocks = at.pick((128, 256, 256, 512), (32, 64))
    side = at.pick(64, 8)
    net = at.built(
        lambda: diffusers.VQModel(
            block_out_channels=blocks,
            down_block_types=("DownEncoderBlock2D",) * len(blocks),
            up_block_types=("UpDecoderBlock2D",) * len(blocks),
            layers_per_block=at.pick(2, 1),
            latent_channels=4,
            num_vq_embeddings=64,
            norm_type="spatial",
        )
    )
    latents = at.random(1, 4, side, side)
    return _made(at, net, lambda one: one.decoder(one.post_quant_conv(latents), latents))


class _Stage(nn.Module):
    def __init__(self, width: int, groups: int) -> None:
        super().__init__()
        self.norm, self.conv = nn.GroupNorm(groups, width), nn.Conv2d(width, width, 3, padding=1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        out: torch.Tensor = x + self.conv(torch.relu(self.norm(x)))
        return out


def nres(at: Place) -> Made:
    """Residual blocks with group norms, float32, large pictures."""
    width, groups = at.pick((96, 8), (8, 2))
    net = at.built(lambda: nn.Sequential(*(_Stage(width, groups) for _ in range(8))), torch.float32)
    pictures = at.random(at.pick(4, 1), width, at.pick(512, 16), at.pick(512, 16), dtype=torch.float32)
    return _made(at, net, lambda one: one(pictures))


def nwide(at: Place) -> Made:
    """A UNet of convolutions in float16, few pictures of many channels."""
    blocks = at.pick((256, 512), (32, 64))
    side = at.pick(256, 16)
    net = at.built(
        lambda: diffusers.UNet2DModel(
            block_out_channels=blocks,
            layers_per_block=at.pick(3, 1),
            norm_num_groups=32,
            down_block_types=("DownBlock2D",) * len(blocks),
            up_block_types=("UpBlock2D",) * len(blocks),
        ),
        at.half,
    )
    picture = at.random(at.pick(2, 1), 3, side, side, dtype=at.half)
    time = torch.tensor(3, device=at.device)
    return _made(at, net, lambda one: one(picture, time).sample)
