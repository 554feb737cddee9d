"""Loops over the steps of a denoiser without a pipeline, bound by the CPU."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

import diffusers
import torch
from benchmarks.record.made import Made
from benchmarks.record.pipelines import copied
from benchmarks.record.place import Place

Step = Callable[[Any, torch.Tensor, torch.Tensor], torch.Tensor]
"""What a network makes of its input at a time."""


def looped(
    at: Place, net: Any, scheduler: Any, steps: int, shape: tuple[int, ...], step: Step, **more: Any
) -> Made:
    """So many steps from noise of a shape; `more` goes to each step of the scheduler."""
    scheduler.set_timesteps(steps)
    times = scheduler.timesteps.to(at.device)

    def runs(one: Any) -> Callable[[], Any]:
        @torch.no_grad()
        def run() -> torch.Tensor:
            x, begun = at.random(*shape), copy.copy(scheduler)
            for time, on_device in zip(scheduler.timesteps, times, strict=True):
                x = begun.step(step(one, x, on_device), time, x, **more).prev_sample
            return copied(x)

        return run

    return Made(
        {
            "base": runs(net),
            "compile": runs(at.compiled(net)),
            "graphs": runs(at.compiled(net, "reduce-overhead")),
        }
    )


def guided(both: torch.Tensor, scale: float) -> torch.Tensor:
    """The halves without and with the text as one."""
    without, with_text = both.chunk(2)
    out: torch.Tensor = without + scale * (with_text - without)
    return out


def prior(at: Place) -> Made:
    """The prior of unCLIP: from the embedding of a text to that of an image."""
    width = at.pick(768, 32)
    net = at.built(
        lambda: diffusers.PriorTransformer(
            num_attention_heads=at.pick(16, 2),
            attention_head_dim=at.pick(64, 16),
            num_layers=at.pick(10, 1),
            embedding_dim=width,
            num_embeddings=77,
            additional_embeddings=4,
        )
    )
    embedding, text = at.random(2, width), at.random(2, 77, width)
    mask = torch.ones(2, 77, device=at.device, dtype=torch.bool)

    def step(one: Any, x: torch.Tensor, time: torch.Tensor) -> torch.Tensor:
        rows = torch.cat([x, x])
        both = one(rows, time, embedding, text, mask).predicted_image_embedding
        return guided(both, 4.0)

    scheduler = diffusers.DDIMScheduler(prediction_type="sample", clip_sample=False)
    return looped(at, net, scheduler, 8, (1, width), step)


def classes(at: Place) -> Made:
    """A UNet that is told a class, 64x64, with attention on two levels."""
    net = at.built(
        lambda: diffusers.UNet2DModel(
            sample_size=at.pick(64, 16),
            layers_per_block=2,
            block_out_channels=at.pick((128, 256, 384), (32, 32, 32)),
            down_block_types=("DownBlock2D", "AttnDownBlock2D", "AttnDownBlock2D"),
            up_block_types=("AttnUpBlock2D", "AttnUpBlock2D", "UpBlock2D"),
            attention_head_dim=at.pick(64, 8),
            num_class_embeds=1000,
            resnet_time_scale_shift="scale_shift",
        )
    )
    size, labels = at.pick(64, 16), torch.tensor([3, 5], device=at.device)

    def step(one: Any, x: torch.Tensor, time: torch.Tensor) -> torch.Tensor:
        out: torch.Tensor = one(x, time, class_labels=labels).sample
        return out

    scheduler = diffusers.DDPMScheduler()
    return looped(at, net, scheduler, 6, (2, 3, size, size), step)


def waves(at: Place) -> Made:
    """Dance Diffusion, which makes sound."""
    plain = ("DownBlock1D", "UpBlock1D")
    down, up = ((name,) * at.pick(6, 0) for name in plain)
    net = at.built(
        lambda: diffusers.UNet1DModel(
            sample_size=at.pick(65536, 512),
            sample_rate=16000,
            in_channels=2,
            out_channels=2,
            extra_in_channels=at.pick(256, 64),
            block_out_channels=at.pick((128, 128, 256, 256, 256, 256, 512, 512, 512), (32, 32, 64)),
            down_block_types=("DownBlock1DNoSkip", *down, "AttnDownBlock1D", "AttnDownBlock1D"),
            up_block_types=("AttnUpBlock1D", "AttnUpBlock1D", *up, "UpBlock1DNoSkip"),
            mid_block_type="UNetMidBlock1D",
            use_timestep_embedding=False,
            flip_sin_to_cos=True,
            time_embedding_type="fourier",
        )
    )

    def step(one: Any, x: torch.Tensor, time: torch.Tensor) -> torch.Tensor:
        out: torch.Tensor = one(x, time.to(x.dtype).expand(len(x))).sample
        return out

    scheduler = diffusers.DDIMScheduler(clip_sample=False)
    return looped(at, net, scheduler, 6, (1, 2, at.pick(65536, 512)), step)


def clips(at: Place) -> Made:
    """A UNet of three dimensions, 8 frames of 256x256."""
    net = at.built(
        lambda: diffusers.UNet3DConditionModel(
            sample_size=at.pick(32, 8),
            layers_per_block=1,
            block_out_channels=at.pick((320, 640, 1280), (32, 64, 64)),
            down_block_types=("CrossAttnDownBlock3D", "CrossAttnDownBlock3D", "DownBlock3D"),
            up_block_types=("UpBlock3D", "CrossAttnUpBlock3D", "CrossAttnUpBlock3D"),
            cross_attention_dim=at.pick(1024, 32),
            attention_head_dim=at.pick(64, 8),
        )
    )
    text, side = at.random(2, 77, at.pick(1024, 32)), at.pick(32, 8)

    def step(one: Any, x: torch.Tensor, time: torch.Tensor) -> torch.Tensor:
        both = one(torch.cat([x, x]), time, text).sample
        return guided(both, 9.0)

    return looped(
        at, net, diffusers.DDIMScheduler(clip_sample=False), 4, (1, 4, at.pick(8, 2), side, side), step
    )
