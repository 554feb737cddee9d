"""More loops over the steps of a denoiser without a pipeline: transformers of flow matching, other UNets."""

from __future__ import annotations

from typing import Any

import diffusers
import torch
from benchmarks.record.made import Made
from benchmarks.record.pipelines import FLOW, short_sd_unet
from benchmarks.record.place import Place
from benchmarks.record.scenes.small_loops import guided, looped


def sanas(at: Place) -> Made:
    """Sana, whose attention is linear."""
    width = at.pick(2304, 32)
    net = at.built(
        lambda: diffusers.SanaTransformer2DModel(
            in_channels=32,
            out_channels=32,
            num_attention_heads=at.pick(36, 2),
            attention_head_dim=at.pick(32, 16),
            num_layers=at.pick(6, 1),
            num_cross_attention_heads=at.pick(16, 2),
            cross_attention_head_dim=at.pick(72, 16),
            cross_attention_dim=at.pick(1152, 32),
            caption_channels=width,
            sample_size=at.pick(32, 8),
            patch_size=1,
        )
    )
    text, side = at.random(2, at.pick(120, 8), width), at.pick(16, 8)

    def step(one: Any, x: torch.Tensor, time: torch.Tensor) -> torch.Tensor:
        both = one(torch.cat([x, x]), encoder_hidden_states=text, timestep=time.expand(2)).sample
        return guided(both, 4.5)

    return looped(at, net, FLOW(shift=3.0), 6, (1, 32, side, side), step)


def mmdit(at: Place) -> Made:
    """Stable Diffusion 3 with 6 blocks, two pictures of 256x256."""
    width = at.pick(4096, 32)
    net = at.built(
        lambda: diffusers.SD3Transformer2DModel(
            sample_size=at.pick(32, 8),
            num_layers=at.pick(6, 1),
            attention_head_dim=at.pick(64, 16),
            num_attention_heads=at.pick(24, 2),
            joint_attention_dim=width,
            caption_projection_dim=at.pick(1536, 32),
            pooled_projection_dim=at.pick(2048, 32),
        )
    )
    text, pooled = at.random(2, at.pick(154, 8), width), at.random(2, at.pick(2048, 32))
    side = at.pick(32, 8)

    def step(one: Any, x: torch.Tensor, time: torch.Tensor) -> torch.Tensor:
        out: torch.Tensor = one(x, text, pooled, time.expand(2)).sample
        return out

    return looped(at, net, FLOW(shift=3.0), 7, (2, 16, side, side), step)


def lumina2(at: Place) -> Made:
    """Lumina 2 with 6 blocks."""
    net = at.built(
        lambda: diffusers.Lumina2Transformer2DModel(
            sample_size=at.pick(32, 8),
            in_channels=16,
            hidden_size=at.pick(1152, 48),
            num_layers=at.pick(6, 1),
            num_refiner_layers=1,
            num_attention_heads=at.pick(12, 2),
            num_kv_heads=at.pick(4, 1),
            axes_dim_rope=at.pick((32, 32, 32), (8, 8, 8)),
            axes_lens=(300, 512, 512),
            cap_feat_dim=at.pick(1024, 32),
        )
    )
    words, side = at.pick(64, 8), at.pick(32, 8)
    text = at.random(1, words, at.pick(1024, 32))
    mask = torch.ones(1, words, device=at.device, dtype=torch.bool)

    def step(one: Any, x: torch.Tensor, time: torch.Tensor) -> torch.Tensor:
        out: torch.Tensor = one(x, time.expand(1), text, mask, return_dict=False)[0]
        return out.neg()

    return looped(at, net, FLOW(shift=6.0), 6, (1, 16, side, side), step)


def score(at: Place) -> Made:
    """A UNet with skips, as models of scores have."""
    size = at.pick(64, 16)
    net = at.built(
        lambda: diffusers.UNet2DModel(
            sample_size=size,
            layers_per_block=2,
            block_out_channels=at.pick((128, 256, 256), (32, 32, 32)),
            down_block_types=("SkipDownBlock2D", "AttnSkipDownBlock2D", "SkipDownBlock2D"),
            up_block_types=("SkipUpBlock2D", "AttnSkipUpBlock2D", "SkipUpBlock2D"),
            attention_head_dim=at.pick(None, 8),
            center_input_sample=False,
        )
    )

    def step(one: Any, x: torch.Tensor, time: torch.Tensor) -> torch.Tensor:
        out: torch.Tensor = one(x, time).sample
        return out

    return looped(at, net, diffusers.DDIMScheduler(clip_sample=False), 5, (4, 3, size, size), step)


def frames(at: Place) -> Made:
    """The UNet of Stable Video Diffusion with one layer a block, 6 frames of 256x256."""
    width = at.pick(1024, 32)
    net = at.built(
        lambda: diffusers.UNetSpatioTemporalConditionModel(
            sample_size=at.pick(32, 8),
            layers_per_block=1,
            block_out_channels=at.pick((320, 640, 1280), (32, 64, 64)),
            down_block_types=("CrossAttnDownBlockSpatioTemporal",) * 2 + ("DownBlockSpatioTemporal",),
            up_block_types=("UpBlockSpatioTemporal",) + ("CrossAttnUpBlockSpatioTemporal",) * 2,
            num_attention_heads=at.pick((5, 10, 20), (2, 4, 4)),
            cross_attention_dim=width,
            transformer_layers_per_block=1,
            addition_time_embed_dim=at.pick(256, 32),
            projection_class_embeddings_input_dim=at.pick(768, 96),
            num_frames=at.pick(6, 2),
        )
    )
    count, side = at.pick(6, 2), at.pick(32, 8)
    image, ids = at.random(1, 1, width), at.random(1, 3)
    known = at.random(1, count, 4, side, side)

    def step(one: Any, x: torch.Tensor, time: torch.Tensor) -> torch.Tensor:
        out: torch.Tensor = one(torch.cat([x, known], dim=2), time, image, ids).sample
        return out

    shape = 1, count, 4, side, side
    return looped(at, net, diffusers.DDIMScheduler(clip_sample=False), 4, shape, step)


def twice(at: Place) -> Made:
    """Stable Diffusion whose guidance calls the UNet twice a step."""
    net = short_sd_unet(at)
    width, side = at.pick(768, 32), at.pick(48, 8)
    text, nothing = at.random(1, 77, width), at.random(1, 77, width)

    def step(one: Any, x: torch.Tensor, time: torch.Tensor) -> torch.Tensor:
        without = one(x, time, nothing).sample.clone()
        with_text = one(x, time, text).sample
        out: torch.Tensor = without + 6.0 * (with_text - without)
        return out

    return looped(at, net, diffusers.DDIMScheduler(clip_sample=False), 5, (1, 4, side, side), step)
