"""Loops over the steps of denoisers that are written here, or are seldom run without a pipeline."""

from __future__ import annotations

from typing import Any

import diffusers
import torch
from benchmarks.record.made import Made
from benchmarks.record.pipelines import FLOW, short_sd_unet
from benchmarks.record.place import Place
from benchmarks.record.scenes.small_loops import looped
from torch import nn


def _plain(one: Any, x: torch.Tensor, time: torch.Tensor) -> torch.Tensor:
    out: torch.Tensor = one(x, time)
    return out


def fluxs(at: Place) -> Made:
    """FLUX with two and four blocks, 384x384."""
    width, side = at.pick((4096, 24), (32, 4))
    net = at.built(
        lambda: diffusers.FluxTransformer2DModel(
            num_layers=at.pick(2, 1),
            num_single_layers=at.pick(4, 1),
            attention_head_dim=at.pick(128, 16),
            num_attention_heads=at.pick(24, 2),
            joint_attention_dim=width,
            pooled_projection_dim=at.pick(768, 32),
            axes_dims_rope=at.pick((16, 56, 56), (4, 4, 8)),
        )
    )
    words, tokens = at.pick(128, 8), side * side
    text, pooled = at.random(1, words, width), at.random(1, at.pick(768, 32))
    text_ids, image_ids = at.random(words, 3), at.random(tokens, 3)

    def step(one: Any, x: torch.Tensor, time: torch.Tensor) -> torch.Tensor:
        out: torch.Tensor = one(
            x, text, pooled, time.expand(1) / 1000, image_ids, text_ids, return_dict=False
        )[0]
        return out

    return looped(at, net, FLOW(shift=3.0), 6, (1, tokens, 64), step)


def ltxs(at: Place) -> Made:
    """LTX-Video with 8 blocks, 9 frames of 256x256."""
    width, words = at.pick((4096, 64), (32, 8))
    net = at.built(
        lambda: diffusers.LTXVideoTransformer3DModel(
            in_channels=128,
            out_channels=128,
            num_attention_heads=at.pick(16, 2),
            attention_head_dim=at.pick(64, 16),
            cross_attention_dim=at.pick(1024, 32),
            num_layers=at.pick(8, 1),
            caption_channels=width,
        )
    )
    frames, side = 2, at.pick(8, 4)
    text = at.random(1, words, width)
    mask = torch.ones(1, words, device=at.device, dtype=torch.bool)

    def step(one: Any, x: torch.Tensor, time: torch.Tensor) -> torch.Tensor:
        out: torch.Tensor = one(
            x, text, time.expand(1), mask, num_frames=frames, height=side, width=side, return_dict=False
        )[0]
        return out

    return looped(at, net, FLOW(shift=2.0), 6, (1, frames * side * side, 128), step)


def ldm(at: Place) -> Made:
    """A UNet of latents without text, 32x32, three pictures."""
    size = at.pick(32, 16)
    net = at.built(
        lambda: diffusers.UNet2DModel(
            sample_size=size,
            in_channels=4,
            out_channels=4,
            layers_per_block=2,
            block_out_channels=at.pick((224, 448, 672), (32, 32, 64)),
            down_block_types=("DownBlock2D", "AttnDownBlock2D", "AttnDownBlock2D"),
            up_block_types=("AttnUpBlock2D", "AttnUpBlock2D", "UpBlock2D"),
            attention_head_dim=at.pick(32, 8),
        )
    )

    def step(one: Any, x: torch.Tensor, time: torch.Tensor) -> torch.Tensor:
        out: torch.Tensor = one(x, time).sample
        return out

    scheduler = diffusers.DDPMScheduler(clip_sample=False)
    return looped(at, net, scheduler, 6, (3, 4, size, size), step)


class _Controlled(nn.Module):
    """A UNet and what tells it where things are."""

    def __init__(self, control: nn.Module, unet: nn.Module) -> None:
        super().__init__()
        self.control, self.unet = control, unet

    def forward(
        self, x: torch.Tensor, time: torch.Tensor, text: torch.Tensor, where: torch.Tensor
    ) -> torch.Tensor:
        down, middle = self.control(x, time, text, controlnet_cond=where, return_dict=False)
        out: torch.Tensor = self.unet(
            x,
            time,
            text,
            down_block_additional_residuals=down,
            mid_block_additional_residual=middle,
            return_dict=False,
        )[0]
        return out


def ctrlx(at: Place) -> Made:
    """A ControlNet and its UNet compiled as one, 320x320."""
    unet = short_sd_unet(at)
    control = at.built(lambda: diffusers.ControlNetModel.from_unet(unet))
    net = _Controlled(control, unet)
    side = at.pick(40, 8)
    text, where = at.random(1, 77, at.pick(768, 32)), at.picture(1, 3, 8 * side, 8 * side)

    def step(one: Any, x: torch.Tensor, time: torch.Tensor) -> torch.Tensor:
        out: torch.Tensor = one(x, time, text, where)
        return out

    return looped(at, net, diffusers.DDIMScheduler(clip_sample=False), 4, (1, 4, side, side), step)


def _embedded(time: torch.Tensor, width: int) -> torch.Tensor:
    """Sines and cosines of a time."""
    rates = torch.exp(torch.linspace(0, -9, width // 2, device=time.device))
    angles = time.float() * rates
    return torch.cat([angles.sin(), angles.cos()])


class _Block(nn.Module):
    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.first, self.second = nn.LayerNorm(width), nn.LayerNorm(width)
        self.qkv, self.out = nn.Linear(width, 3 * width), nn.Linear(width, width)
        self.mlp = nn.Sequential(nn.Linear(width, 4 * width), nn.GELU(), nn.Linear(4 * width, width))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        count, words, width = x.shape
        split = self.qkv(self.first(x)).reshape(count, words, 3, self.heads, -1).permute(2, 0, 3, 1, 4)
        seen = nn.functional.scaled_dot_product_attention(*split.unbind())
        x = x + self.out(seen.transpose(1, 2).reshape(count, words, width))
        out: torch.Tensor = x + self.mlp(self.second(x))
        return out


class _Patches(nn.Module):
    """A transformer over patches of pictures."""

    def __init__(self, width: int, heads: int, layers: int) -> None:
        super().__init__()
        self.width = width
        self.into, self.out = nn.Conv2d(3, width, 4, 4), nn.ConvTranspose2d(width, 3, 4, 4)
        self.told = nn.Sequential(nn.Linear(width, width), nn.SiLU(), nn.Linear(width, width))
        self.blocks = nn.Sequential(*(_Block(width, heads) for _ in range(layers)))

    def forward(self, x: torch.Tensor, time: torch.Tensor) -> torch.Tensor:
        patches = self.into(x)
        tokens = patches.flatten(2).transpose(1, 2) + self.told(_embedded(time, self.width).to(x.dtype))
        out: torch.Tensor = self.out(self.blocks(tokens).transpose(1, 2).reshape(patches.shape))
        return out


def patches(at: Place) -> Made:
    """A transformer over patches of 96x96 pictures."""
    net = at.built(lambda: _Patches(*at.pick((768, 12, 8), (32, 2, 1))))
    size = at.pick(96, 16)
    return looped(at, net, diffusers.DDIMScheduler(clip_sample=False), 8, (1, 3, size, size), _plain)


class _Policy(nn.Module):
    """Convolutions over time that are told what is seen, as robots use them."""

    def __init__(self, width: int, layers: int) -> None:
        super().__init__()
        self.width = width
        self.into, self.out = nn.Conv1d(7, width, 5, padding=2), nn.Conv1d(width, 7, 5, padding=2)
        self.told = nn.ModuleList(nn.Linear(width, 2 * width) for _ in range(layers))
        self.convs = nn.ModuleList(nn.Conv1d(width, width, 5, padding=2) for _ in range(layers))
        self.norms = nn.ModuleList(nn.GroupNorm(8, width) for _ in range(layers))

    def forward(self, x: torch.Tensor, time: torch.Tensor) -> torch.Tensor:
        told, y = _embedded(time, self.width).to(x.dtype), self.into(x)
        for tell, conv, norm in zip(self.told, self.convs, self.norms, strict=True):
            scale, shift = tell(told).chunk(2)
            y = y + nn.functional.mish(norm(conv(y)) * scale[:, None] + shift[:, None])
        out: torch.Tensor = self.out(y)
        return out


def policy(at: Place) -> Made:
    """Actions of a robot, 64 at once."""
    net = at.built(lambda: _Policy(*at.pick((512, 16), (32, 2))))
    scheduler = diffusers.DDPMScheduler()
    return looped(at, net, scheduler, 10, (at.pick(64, 2), 7, at.pick(64, 16)), _plain)
