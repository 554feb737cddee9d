"""Model geometries, as data: what `from_config` of each part needs for true shapes without any weights.

Sources: the public `config.json` files of stable-diffusion-v1-5, stable-diffusion-2-1,
stable-diffusion-xl-base-1.0 and stable-diffusion-3-medium on the Hugging Face hub. `tiny` is our own.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

Config = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Geometry:
    """One model: its diffusers pipeline class and the configuration of each part."""

    pipeline: str
    denoiser: str
    denoiser_config: Config
    vae: Config
    text_encoders: tuple[tuple[str, Config], ...]
    scheduler: str
    scheduler_config: Config


def _clip(hidden: int, layers: int, **more: object) -> Config:
    """A CLIP text model; 64 features a head and four times as many in the MLP, as all of the family have."""
    return {
        "hidden_size": hidden,
        "intermediate_size": hidden * 4,
        "num_hidden_layers": layers,
        "num_attention_heads": hidden // 64,
        "vocab_size": 49408,
        "max_position_embeddings": 77,
        "hidden_act": "quick_gelu",
        "bos_token_id": 49406,
        "eos_token_id": 49407,
    } | more


def _vae(channels: tuple[int, ...], **more: object) -> Config:
    return {
        "in_channels": 3,
        "out_channels": 3,
        "down_block_types": ("DownEncoderBlock2D",) * len(channels),
        "up_block_types": ("UpDecoderBlock2D",) * len(channels),
        "block_out_channels": channels,
        "layers_per_block": 2,
        "latent_channels": 4,
        "norm_num_groups": 32,
        "scaling_factor": 0.18215,
        "force_upcast": False,
    } | more


_ATTENTION_EVERYWHERE_BUT_LAST: Final = {
    "down_block_types": ("CrossAttnDownBlock2D",) * 3 + ("DownBlock2D",),
    "up_block_types": ("UpBlock2D",) + ("CrossAttnUpBlock2D",) * 3,
    "block_out_channels": (320, 640, 1280, 1280),
}
_VAE_CHANNELS: Final = (128, 256, 512, 512)
_SCHEDULE: Final = {
    "beta_start": 0.00085,
    "beta_end": 0.012,
    "beta_schedule": "scaled_linear",
    "steps_offset": 1,
}
_PNDM: Final = _SCHEDULE | {"skip_prk_steps": True, "set_alpha_to_one": False}
_CLIP_L: Final = _clip(768, 12)
_CLIP_G: Final = _clip(1280, 32, hidden_act="gelu", projection_dim=1280)

SD15: Final = Geometry(
    pipeline="StableDiffusionPipeline",
    denoiser="UNet2DConditionModel",
    denoiser_config=_ATTENTION_EVERYWHERE_BUT_LAST
    | {"sample_size": 64, "cross_attention_dim": 768, "attention_head_dim": 8},
    vae=_vae(_VAE_CHANNELS, sample_size=512),
    text_encoders=(("CLIPTextModel", _CLIP_L),),
    scheduler="PNDMScheduler",
    scheduler_config=_PNDM,
)
SD21: Final = Geometry(
    pipeline="StableDiffusionPipeline",
    denoiser="UNet2DConditionModel",
    denoiser_config=_ATTENTION_EVERYWHERE_BUT_LAST
    | {
        "sample_size": 96,
        "cross_attention_dim": 1024,
        "attention_head_dim": (5, 10, 20, 20),
        "use_linear_projection": True,
        "upcast_attention": True,
    },
    vae=_vae(_VAE_CHANNELS, sample_size=768),
    text_encoders=(("CLIPTextModel", _clip(1024, 23, hidden_act="gelu", projection_dim=512)),),
    scheduler="DDIMScheduler",
    scheduler_config=_SCHEDULE
    | {"prediction_type": "v_prediction", "set_alpha_to_one": False, "clip_sample": False},
)
SDXL: Final = Geometry(
    pipeline="StableDiffusionXLPipeline",
    denoiser="UNet2DConditionModel",
    denoiser_config={
        "sample_size": 128,
        "down_block_types": ("DownBlock2D", "CrossAttnDownBlock2D", "CrossAttnDownBlock2D"),
        "up_block_types": ("CrossAttnUpBlock2D", "CrossAttnUpBlock2D", "UpBlock2D"),
        "block_out_channels": (320, 640, 1280),
        "transformer_layers_per_block": (1, 2, 10),
        "attention_head_dim": (5, 10, 20),
        "cross_attention_dim": 2048,
        "use_linear_projection": True,
        "addition_embed_type": "text_time",
        "addition_time_embed_dim": 256,
        "projection_class_embeddings_input_dim": 2816,
    },
    vae=_vae(_VAE_CHANNELS, sample_size=1024, scaling_factor=0.13025, force_upcast=True),
    text_encoders=(("CLIPTextModel", _CLIP_L), ("CLIPTextModelWithProjection", _CLIP_G)),
    scheduler="EulerDiscreteScheduler",
    scheduler_config=_SCHEDULE | {"timestep_spacing": "leading"},
)
SD3: Final = Geometry(
    pipeline="StableDiffusion3Pipeline",
    denoiser="SD3Transformer2DModel",
    denoiser_config={
        "sample_size": 128,
        "patch_size": 2,
        "in_channels": 16,
        "out_channels": 16,
        "num_layers": 24,
        "num_attention_heads": 24,
        "attention_head_dim": 64,
        "joint_attention_dim": 4096,
        "caption_projection_dim": 1536,
        "pooled_projection_dim": 2048,
        "pos_embed_max_size": 192,
    },
    vae=_vae(
        _VAE_CHANNELS,
        sample_size=1024,
        latent_channels=16,
        scaling_factor=1.5305,
        shift_factor=0.0609,
        use_quant_conv=False,
        use_post_quant_conv=False,
        force_upcast=True,
    ),
    text_encoders=(
        ("CLIPTextModelWithProjection", _CLIP_L | {"projection_dim": 768}),
        ("CLIPTextModelWithProjection", _CLIP_G),
    ),
    scheduler="FlowMatchEulerDiscreteScheduler",
    scheduler_config={"shift": 3.0},
)
TINY: Final = Geometry(
    pipeline="StableDiffusionPipeline",
    denoiser="UNet2DConditionModel",
    denoiser_config={
        "sample_size": 32,
        "down_block_types": ("CrossAttnDownBlock2D", "DownBlock2D"),
        "up_block_types": ("UpBlock2D", "CrossAttnUpBlock2D"),
        "block_out_channels": (32, 64),
        "layers_per_block": 1,
        "cross_attention_dim": 64,
        "attention_head_dim": 4,
        "norm_num_groups": 8,
    },
    vae=_vae((16, 32), sample_size=64, layers_per_block=1, norm_num_groups=8),
    text_encoders=(("CLIPTextModel", _clip(64, 2, vocab_size=1024, bos_token_id=1022, eos_token_id=1023)),),
    scheduler="PNDMScheduler",
    scheduler_config=_PNDM,
)
MODELS: Final = {"sd15": SD15, "sd21": SD21, "sdxl": SDXL, "sd3": SD3, "tiny": TINY}
