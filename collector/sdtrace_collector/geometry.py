"""Model geometries, as data: what `from_config` of each part needs for true shapes without any weights.

Sources: the public `config.json` files of stable-diffusion-v1-5, stable-diffusion-2-1,
stable-diffusion-xl-base-1.0, stable-diffusion-3-medium, FLUX.1-dev, Wan2.1-T2V-1.3B and Qwen-Image on the
Hugging Face hub. `tiny` and `flux-tiny` are our own.
"""

from __future__ import annotations

from typing import Final

from sdtrace_collector.geometry_parts import Geometry, clip, framed, padded, t5, vae

_WITHOUT_CHECKER: Final = {
    "safety_checker": None,
    "feature_extractor": None,
    "requires_safety_checker": False,
}
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
_CLIP_L: Final = clip(768, 12)
_CLIP_G: Final = clip(1280, 32, hidden_act="gelu", projection_dim=1280)

_FLUX_VAE: Final = {
    "latent_channels": 16,
    "scaling_factor": 0.3611,
    "shift_factor": 0.1159,
    "use_quant_conv": False,
    "use_post_quant_conv": False,
}
_FLUX_SCHEDULE: Final = {"shift": 3.0, "use_dynamic_shifting": True}
_CLIP_23: Final = clip(1024, 23, hidden_act="gelu", projection_dim=512)
_CLIP_TINY: Final = clip(64, 2, vocab_size=1024, bos_token_id=1022, eos_token_id=1023)
_CLIP_L_PROJECTED: Final = _CLIP_L | {"projection_dim": 768}


SD15: Final = Geometry(
    pipeline="StableDiffusionPipeline",
    networks={
        "unet": (
            "UNet2DConditionModel",
            _ATTENTION_EVERYWHERE_BUT_LAST
            | {"sample_size": 64, "cross_attention_dim": 768, "attention_head_dim": 8},
        ),
        "vae": ("AutoencoderKL", vae(_VAE_CHANNELS, sample_size=512)),
        "text_encoder": ("CLIPTextModel", _CLIP_L),
    },
    scheduler="PNDMScheduler",
    scheduler_config=_PNDM,
    tokenizers={"tokenizer": framed(_CLIP_L)},
    options=_WITHOUT_CHECKER,
)
SD21: Final = Geometry(
    pipeline="StableDiffusionPipeline",
    networks={
        "unet": (
            "UNet2DConditionModel",
            _ATTENTION_EVERYWHERE_BUT_LAST
            | {
                "sample_size": 96,
                "cross_attention_dim": 1024,
                "attention_head_dim": (5, 10, 20, 20),
                "use_linear_projection": True,
                "upcast_attention": True,
            },
        ),
        "vae": ("AutoencoderKL", vae(_VAE_CHANNELS, sample_size=768)),
        "text_encoder": ("CLIPTextModel", _CLIP_23),
    },
    scheduler="DDIMScheduler",
    scheduler_config=_SCHEDULE
    | {"prediction_type": "v_prediction", "set_alpha_to_one": False, "clip_sample": False},
    tokenizers={"tokenizer": framed(_CLIP_23)},
    options=_WITHOUT_CHECKER,
)
SDXL: Final = Geometry(
    pipeline="StableDiffusionXLPipeline",
    networks={
        "unet": (
            "UNet2DConditionModel",
            {
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
        ),
        "vae": (
            "AutoencoderKL",
            vae(_VAE_CHANNELS, sample_size=1024, scaling_factor=0.13025, force_upcast=True),
        ),
        "text_encoder": ("CLIPTextModel", _CLIP_L),
        "text_encoder_2": ("CLIPTextModelWithProjection", _CLIP_G),
    },
    scheduler="EulerDiscreteScheduler",
    scheduler_config=_SCHEDULE | {"timestep_spacing": "leading"},
    tokenizers={"tokenizer": framed(_CLIP_L), "tokenizer_2": framed(_CLIP_G)},
    options={"add_watermarker": False},
)
SD3: Final = Geometry(
    pipeline="StableDiffusion3Pipeline",
    networks={
        "transformer": (
            "SD3Transformer2DModel",
            {
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
        ),
        "vae": (
            "AutoencoderKL",
            vae(
                _VAE_CHANNELS,
                sample_size=1024,
                latent_channels=16,
                scaling_factor=1.5305,
                shift_factor=0.0609,
                use_quant_conv=False,
                use_post_quant_conv=False,
                force_upcast=True,
            ),
        ),
        "text_encoder": ("CLIPTextModelWithProjection", _CLIP_L_PROJECTED),
        "text_encoder_2": ("CLIPTextModelWithProjection", _CLIP_G),
    },
    scheduler="FlowMatchEulerDiscreteScheduler",
    scheduler_config={"shift": 3.0},
    tokenizers={"tokenizer": framed(_CLIP_L), "tokenizer_2": framed(_CLIP_G)},
    options={"text_encoder_3": None, "tokenizer_3": None},
)
TINY: Final = Geometry(
    pipeline="StableDiffusionPipeline",
    networks={
        "unet": (
            "UNet2DConditionModel",
            {
                "sample_size": 32,
                "down_block_types": ("CrossAttnDownBlock2D", "DownBlock2D"),
                "up_block_types": ("UpBlock2D", "CrossAttnUpBlock2D"),
                "block_out_channels": (32, 64),
                "layers_per_block": 1,
                "cross_attention_dim": 64,
                "attention_head_dim": 4,
                "norm_num_groups": 8,
            },
        ),
        "vae": ("AutoencoderKL", vae((16, 32), sample_size=64, layers_per_block=1, norm_num_groups=8)),
        "text_encoder": ("CLIPTextModel", _CLIP_TINY),
    },
    scheduler="PNDMScheduler",
    scheduler_config=_PNDM,
    tokenizers={"tokenizer": framed(_CLIP_TINY)},
    options=_WITHOUT_CHECKER,
)

FLUX: Final = Geometry(
    pipeline="FluxPipeline",
    networks={
        "transformer": (
            "FluxTransformer2DModel",
            {
                "patch_size": 1,
                "in_channels": 64,
                "num_layers": 19,
                "num_single_layers": 38,
                "attention_head_dim": 128,
                "num_attention_heads": 24,
                "joint_attention_dim": 4096,
                "pooled_projection_dim": 768,
                "guidance_embeds": True,
                "axes_dims_rope": (16, 56, 56),
            },
        ),
        "vae": ("AutoencoderKL", vae(_VAE_CHANNELS, sample_size=1024, force_upcast=True, **_FLUX_VAE)),
        "text_encoder": ("CLIPTextModel", _CLIP_L),
        "text_encoder_2": ("T5EncoderModel", t5(32128)),
    },
    scheduler="FlowMatchEulerDiscreteScheduler",
    scheduler_config=_FLUX_SCHEDULE,
    tokenizers={"tokenizer": framed(_CLIP_L), "tokenizer_2": padded(32128)},
)
FLUX_TINY: Final = Geometry(
    pipeline="FluxPipeline",
    networks={
        "transformer": (
            "FluxTransformer2DModel",
            {
                "patch_size": 1,
                "in_channels": 16,
                "num_layers": 1,
                "num_single_layers": 2,
                "attention_head_dim": 32,
                "num_attention_heads": 2,
                "joint_attention_dim": 64,
                "pooled_projection_dim": 64,
                "guidance_embeds": True,
                "axes_dims_rope": (4, 14, 14),
            },
        ),
        "vae": (
            "AutoencoderKL",
            vae(
                (16, 32),
                sample_size=64,
                layers_per_block=1,
                norm_num_groups=8,
                **_FLUX_VAE | {"latent_channels": 4},
            ),
        ),
        "text_encoder": ("CLIPTextModel", _CLIP_TINY),
        "text_encoder_2": (
            "T5EncoderModel",
            t5(512) | {"d_model": 64, "d_kv": 32, "d_ff": 128, "num_layers": 1, "num_heads": 2},
        ),
    },
    scheduler="FlowMatchEulerDiscreteScheduler",
    scheduler_config=_FLUX_SCHEDULE,
    tokenizers={"tokenizer": framed(_CLIP_TINY), "tokenizer_2": padded(512)},
)
WAN_1_3B: Final = Geometry(
    pipeline="WanPipeline",
    networks={
        "transformer": (
            "WanTransformer3DModel",
            {
                "num_attention_heads": 12,
                "attention_head_dim": 128,
                "in_channels": 16,
                "out_channels": 16,
                "text_dim": 4096,
                "freq_dim": 256,
                "ffn_dim": 8960,
                "num_layers": 30,
            },
        ),
        "vae": ("AutoencoderKLWan", {}),
        "text_encoder": ("UMT5EncoderModel", t5(256384)),
    },
    scheduler="UniPCMultistepScheduler",
    scheduler_config={
        "prediction_type": "flow_prediction",
        "use_flow_sigmas": True,
        "flow_shift": 3.0,
    },
    tokenizers={"tokenizer": padded(256384)},
)
QWEN_IMAGE: Final = Geometry(
    pipeline="QwenImagePipeline",
    networks={
        "transformer": ("QwenImageTransformer2DModel", {}),
        "vae": ("AutoencoderKLQwenImage", {}),
        "text_encoder": (
            "Qwen2_5_VLForConditionalGeneration",
            {
                "text_config": {
                    "hidden_size": 3584,
                    "intermediate_size": 18944,
                    "num_hidden_layers": 28,
                    "num_attention_heads": 28,
                    "num_key_value_heads": 4,
                    "rope_parameters": {
                        "rope_type": "default",
                        "rope_theta": 1000000.0,
                        "mrope_section": [16, 24, 24],
                    },
                },
                "vision_config": {"hidden_size": 1280},
            },
        ),
    },
    scheduler="FlowMatchEulerDiscreteScheduler",
    scheduler_config={
        "base_shift": 0.5,
        "max_shift": 0.9,
        "max_image_seq_len": 8192,
        "shift_terminal": 0.02,
        "use_dynamic_shifting": True,
    },
    tokenizers={"tokenizer": ("words", {"vocabulary": 151643})},
)
MODELS: Final = {
    "sd15": SD15,
    "sd21": SD21,
    "sdxl": SDXL,
    "sd3": SD3,
    "flux": FLUX,
    "qwen-image": QWEN_IMAGE,
    "wan-1.3b": WAN_1_3B,
    "tiny": TINY,
    "flux-tiny": FLUX_TINY,
}
TINY_MODELS: Final = ("tiny", "flux-tiny")
"""Those of our own that a CPU runs in no time."""
