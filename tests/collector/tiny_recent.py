"""Pipelines of 2025 with language models or of videos, as small as they come; as in `tiny_pipelines`."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import diffusers as library
import torch

from sdtrace_collector.geometry import QWEN_IMAGE
from sdtrace_collector.models import pipeline_of
from tests.collector.tiny_pipelines import MODERN, SIZED, Tiny, made, model


def _qwen_image() -> Any:
    rope = {"rope_type": "default", "rope_theta": 10000.0, "mrope_section": [1, 1, 2]}
    language = {
        "hidden_size": 16,
        "intermediate_size": 16,
        "num_hidden_layers": 1,
        "num_attention_heads": 2,
        "num_key_value_heads": 1,
        "rope_parameters": rope,
    }
    vision = {"depth": 1, "hidden_size": 16, "intermediate_size": 16, "num_heads": 2, "out_hidden_size": 16}
    configs: dict[str, dict[str, Any]] = {
        "transformer": {
            "in_channels": 16,
            "out_channels": 4,
            "num_layers": 1,
            "attention_head_dim": 16,
            "num_attention_heads": 2,
            "joint_attention_dim": 16,
            "axes_dims_rope": (8, 4, 4),
        },
        "vae": {
            "base_dim": 8,
            "z_dim": 4,
            "dim_mult": [1, 1, 1, 1],
            "num_res_blocks": 1,
            "latents_mean": [0.0] * 4,
            "latents_std": [1.0] * 4,
        },
        "text_encoder": {"text_config": language, "vision_config": vision},
    }
    networks = {name: (QWEN_IMAGE.networks[name][0], config) for name, config in configs.items()}
    pipe = pipeline_of(replace(QWEN_IMAGE, networks=networks), torch.float32, torch.device("cpu"))
    pipe.set_progress_bar_config(disable=True)
    return pipe


def _hunyuan_video() -> Any:
    transformer = model(
        "HunyuanVideoTransformer3DModel",
        in_channels=4,
        out_channels=4,
        num_attention_heads=2,
        attention_head_dim=10,
        num_layers=1,
        num_single_layers=1,
        num_refiner_layers=1,
        text_embed_dim=16,
        pooled_projection_dim=8,
        rope_axes_dim=(2, 4, 4),
    )
    autoencoder = model(
        "AutoencoderKLHunyuanVideo",
        latent_channels=4,
        block_out_channels=(8,) * 4,
        layers_per_block=1,
        norm_num_groups=4,
    )
    scheduler = library.FlowMatchEulerDiscreteScheduler(shift=7.0)
    absent = dict.fromkeys(("text_encoder", "tokenizer", "text_encoder_2", "tokenizer_2"))
    return made(
        "HunyuanVideoPipeline", transformer=transformer, vae=autoencoder, scheduler=scheduler, **absent
    )


_EMBEDDED: dict[str, Any] = {
    "height": 32,
    "width": 32,
    "num_frames": 5,
    "prompt_embeds": torch.ones(1, 8, 16),
    "prompt_attention_mask": torch.ones(1, 8),
    "pooled_prompt_embeds": torch.ones(1, 8),
}

RECENT: dict[str, Tiny] = {
    "Qwen-Image": Tiny(_qwen_image, SIZED | {"true_cfg_scale": 1.0}, MODERN),
    "HunyuanVideo": Tiny(_hunyuan_video, _EMBEDDED, MODERN - {"text_encoder"}),
}
"""By family. The prompt of HunyuanVideo comes encoded: it has no text encoder."""
