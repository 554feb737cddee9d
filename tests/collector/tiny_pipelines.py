"""Pipelines of diffusers, as small as they come, with random weights: what each is and how to call it."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import Any, NamedTuple

import diffusers as library
import torch
import transformers
from PIL import Image

from sdtrace_collector.tokenizer import byte_tokenizer

STEPS = 3
_SIDE = 32
_VOCABULARY = 300
_START, _END = 298, 299


class Tiny(NamedTuple):
    """A pipeline made by `make`, its arguments but for steps, and what a trace of one call must hold.

    `steps` are those of the trace, `parts` its components besides the scheduler.
    """

    make: Callable[[], Any]
    arguments: dict[str, Any]
    parts: frozenset[str]
    steps: int = STEPS
    asked: int = STEPS

    def call(self, pipe: Any) -> Any:
        """Makes one image, video or sound."""
        return pipe(num_inference_steps=self.asked, **self.arguments)


def made(name: str, **parts: Any) -> Any:
    """A pipeline of diffusers."""
    pipe = getattr(library, name)(**parts)
    pipe.set_progress_bar_config(disable=True)
    return pipe


def model(name: str, **config: Any) -> Any:
    """A network of diffusers."""
    torch.manual_seed(0)
    return getattr(library, name)(**config).eval().requires_grad_(False)


@cache
def tokenizer() -> Any:
    return byte_tokenizer(_START, _END, 16)


def clip(kind: str = "CLIPTextModel", **more: Any) -> Any:
    config = transformers.CLIPTextConfig(
        hidden_size=32,
        intermediate_size=37,
        num_hidden_layers=2,
        num_attention_heads=4,
        vocab_size=_VOCABULARY,
        max_position_embeddings=77,
        bos_token_id=_START,
        eos_token_id=_END,
        **more,
    )
    return getattr(transformers, kind)(config).eval().requires_grad_(False)


def t5(kind: str = "T5EncoderModel") -> Any:
    config_class = transformers.UMT5Config if kind.startswith("UMT5") else transformers.T5Config
    config = config_class(vocab_size=_VOCABULARY, d_model=32, d_kv=8, d_ff=37, num_layers=1, num_heads=4)
    return getattr(transformers, kind)(config).eval().requires_grad_(False)


def _vision() -> Any:
    config = transformers.CLIPVisionConfig(
        hidden_size=32,
        intermediate_size=37,
        num_hidden_layers=1,
        num_attention_heads=4,
        image_size=32,
        patch_size=16,
        projection_dim=32,
    )
    return transformers.CLIPVisionModelWithProjection(config).eval().requires_grad_(False)


def vae(channels: int = 4, **more: Any) -> Any:
    return model(
        "AutoencoderKL",
        block_out_channels=(8, 16),
        down_block_types=("DownEncoderBlock2D",) * 2,
        up_block_types=("UpDecoderBlock2D",) * 2,
        latent_channels=channels,
        norm_num_groups=4,
        sample_size=_SIDE,
        **more,
    )


_BLOCKS = {"block_out_channels": (8, 16), "layers_per_block": 1, "norm_num_groups": 4}
_ATTENTION = {"down_block_types": ("DownBlock2D", "CrossAttnDownBlock2D"), "cross_attention_dim": 32}
_ATTENTION_FIRST = {
    "down_block_types": ("CrossAttnDownBlock2D", "DownBlock2D"),
    "up_block_types": ("UpBlock2D", "CrossAttnUpBlock2D"),
}
_XL = {
    "attention_head_dim": (2, 4),
    "use_linear_projection": True,
    "addition_embed_type": "text_time",
    "addition_time_embed_dim": 8,
    "transformer_layers_per_block": (1, 1),
    "projection_class_embeddings_input_dim": 80,
}


def _unet(**more: Any) -> Any:
    up = {"up_block_types": ("CrossAttnUpBlock2D", "UpBlock2D"), "sample_size": 16}
    return model("UNet2DConditionModel", **{**_BLOCKS, **_ATTENTION, "attention_head_dim": 4, **up, **more})


def _controlnet() -> Any:
    more = {"attention_head_dim": 4, "conditioning_embedding_out_channels": (8, 16)}
    return model("ControlNetModel", **_BLOCKS, **_ATTENTION, **more)


def _adapter() -> Any:
    return model("T2IAdapter", in_channels=3, channels=[8, 16], num_res_blocks=1, downscale_factor=2)


def sd(kind: str = "StableDiffusionPipeline", **more: Any) -> Any:
    parts = {"vae": vae(), "text_encoder": clip(), "tokenizer": tokenizer(), "unet": _unet()}
    parts |= {"scheduler": library.DDIMScheduler(), "feature_extractor": None}
    if not kind.startswith("AnimateDiff"):
        parts |= {"safety_checker": None, "requires_safety_checker": False}
    return made(kind, **{**parts, **more})


def _with_image_prompt() -> Any:
    """An IP adapter, as `load_ip_adapter` sets one, without the files that it loads."""
    pipe = sd(
        image_encoder=_vision(), feature_extractor=transformers.CLIPImageProcessor(size=32, crop_size=32)
    )
    projection = {"proj.weight": torch.zeros(4 * 32, 32), "proj.bias": torch.zeros(4 * 32)}
    projection |= {"norm.weight": torch.ones(32), "norm.bias": torch.zeros(32)}
    cross = [name for name in pipe.unet.attn_processors if name.endswith("attn2.processor")]
    keys = [f"{2 * place + 1}.to_{kind}_ip.weight" for place in range(len(cross)) for kind in "kv"]
    weights = {"image_proj": projection, "ip_adapter": {key: torch.zeros(16, 32) for key in keys}}
    pipe.unet._load_ip_adapter_weights([weights])
    return pipe


def sdxl(kind: str = "StableDiffusionXLPipeline", **more: Any) -> Any:
    parts = {
        "vae": vae(),
        "text_encoder": clip(projection_dim=32),
        "text_encoder_2": clip("CLIPTextModelWithProjection", projection_dim=32),
        "tokenizer": tokenizer(),
        "tokenizer_2": tokenizer(),
        "unet": _unet(**_XL | {"cross_attention_dim": 64}),
        "scheduler": library.EulerDiscreteScheduler(),
        "add_watermarker": False,
    }
    return made(kind, **{**parts, **more})


def modular() -> Any:
    """SDXL put together from blocks."""
    parts = sdxl().components
    pipe = library.StableDiffusionXLAutoBlocks().init_pipeline()
    pipe.set_progress_bar_config(disable=True)
    pipe.update_components(**{name: parts[name] for name in pipe.component_names if parts.get(name)})
    return pipe


def _sd3() -> Any:
    transformer = model(
        "SD3Transformer2DModel",
        sample_size=16,
        patch_size=1,
        in_channels=4,
        out_channels=4,
        num_layers=1,
        attention_head_dim=8,
        num_attention_heads=4,
        joint_attention_dim=32,
        caption_projection_dim=32,
        pooled_projection_dim=64,
    )
    text = clip("CLIPTextModelWithProjection", projection_dim=32, hidden_act="gelu")
    return made(
        "StableDiffusion3Pipeline",
        transformer=transformer,
        scheduler=library.FlowMatchEulerDiscreteScheduler(),
        vae=vae(shift_factor=0.06, scaling_factor=1.5),
        text_encoder=text,
        text_encoder_2=clip("CLIPTextModelWithProjection", projection_dim=32, hidden_act="gelu"),
        text_encoder_3=t5(),
        **dict.fromkeys(("tokenizer", "tokenizer_2", "tokenizer_3"), tokenizer()),
    )


def _flux(kind: str = "FluxPipeline", **more: Any) -> Any:
    transformer = model(
        "FluxTransformer2DModel",
        patch_size=1,
        in_channels=16,
        num_layers=1,
        num_single_layers=1,
        attention_head_dim=16,
        num_attention_heads=2,
        joint_attention_dim=32,
        pooled_projection_dim=32,
        axes_dims_rope=[4, 4, 8],
    )
    parts = {
        "transformer": transformer,
        "scheduler": library.FlowMatchEulerDiscreteScheduler(),
        "vae": vae(shift_factor=0.06, scaling_factor=1.5, use_quant_conv=False, use_post_quant_conv=False),
        "text_encoder": clip(),
        "text_encoder_2": t5(),
        **dict.fromkeys(("tokenizer", "tokenizer_2"), tokenizer()),
    }
    return made(kind, **{**parts, **more})


def _pixart() -> Any:
    transformer = model(
        "PixArtTransformer2DModel",
        sample_size=8,
        num_layers=1,
        patch_size=2,
        attention_head_dim=8,
        num_attention_heads=3,
        caption_channels=32,
        in_channels=4,
        cross_attention_dim=24,
        out_channels=8,
        attention_bias=True,
        norm_type="ada_norm_single",
        norm_elementwise_affine=False,
    )
    return made(
        "PixArtAlphaPipeline",
        transformer=transformer,
        vae=vae(),
        scheduler=library.DDIMScheduler(),
        text_encoder=t5(),
        tokenizer=tokenizer(),
    )


def _wan() -> Any:
    """Wan 2.2: a transformer for much noise and one for little."""
    transformers_ = [
        model(
            "WanTransformer3DModel",
            patch_size=(1, 2, 2),
            num_attention_heads=2,
            attention_head_dim=12,
            in_channels=16,
            out_channels=16,
            text_dim=32,
            freq_dim=32,
            ffn_dim=32,
            num_layers=1,
            cross_attn_norm=True,
            qk_norm="rms_norm_across_heads",
            rope_max_seq_len=32,
        )
        for _ in range(2)
    ]
    return made(
        "WanPipeline",
        transformer=transformers_[0],
        transformer_2=transformers_[1],
        boundary_ratio=0.875,
        vae=model("AutoencoderKLWan", base_dim=3, z_dim=16, dim_mult=[1, 1, 1, 1], num_res_blocks=1),
        scheduler=library.FlowMatchEulerDiscreteScheduler(shift=7.0),
        text_encoder=t5("UMT5EncoderModel"),
        tokenizer=tokenizer(),
    )


def _animatediff() -> Any:
    return sd(
        "AnimateDiffPipeline",
        motion_adapter=model(
            "MotionAdapter",
            block_out_channels=(8, 16),
            motion_layers_per_block=1,
            motion_norm_num_groups=2,
            motion_num_attention_heads=2,
        ),
    )


def _ddpm() -> Any:
    """Without text encoder, VAE or guidance, over `progress_bar(timesteps)`."""
    blocks = {
        "down_block_types": ("DownBlock2D", "AttnDownBlock2D"),
        "up_block_types": ("AttnUpBlock2D", "UpBlock2D"),
    }
    unet = model("UNet2DModel", sample_size=_SIDE, attention_head_dim=8, **_BLOCKS, **blocks)
    return made("DDPMPipeline", unet=unet, scheduler=library.DDPMScheduler())


def _image(colour: str = "red", side: int = _SIDE) -> Image.Image:
    return Image.new("RGB", (side, side), colour)


def base_and_refiner() -> tuple[Any, Any]:
    """SDXL and the refiner that shares its second text encoder and its VAE."""
    base = sdxl()
    shared = {name: getattr(base, name) for name in ("text_encoder_2", "tokenizer_2", "vae")}
    alone = {"text_encoder": None, "tokenizer": None, "requires_aesthetics_score": False}
    unet = _unet(**_XL | {"cross_attention_dim": 32, "projection_class_embeddings_input_dim": 80})
    return base, sdxl("StableDiffusionXLImg2ImgPipeline", **shared, **alone, unet=unet)


_PROMPT: dict[str, Any] = {"prompt": "a horse"}
SIZED: dict[str, Any] = _PROMPT | {"height": _SIDE, "width": _SIDE}
USUAL = frozenset({"text_encoder", "unet", "vae"})
MODERN = frozenset({"text_encoder", "transformer", "vae"})

TINY: dict[str, Tiny] = {
    "text-to-image": Tiny(sd, SIZED, USUAL),
    "PNDM": Tiny(
        lambda: sd(scheduler=library.PNDMScheduler(skip_prk_steps=True)), SIZED, USUAL, steps=STEPS + 1
    ),
    "Heun": Tiny(lambda: sd(scheduler=library.HeunDiscreteScheduler()), SIZED, USUAL, steps=2 * STEPS - 1),
    "img2img": Tiny(
        lambda: sd("StableDiffusionImg2ImgPipeline"),
        _PROMPT | {"image": _image(), "strength": 0.5},
        USUAL,
        steps=2,
        asked=4,
    ),
    "inpaint": Tiny(
        lambda: sd("StableDiffusionInpaintPipeline"),
        SIZED | {"image": _image(), "mask_image": _image("white")},
        USUAL,
    ),
    "ControlNet": Tiny(
        lambda: sd("StableDiffusionControlNetPipeline", controlnet=_controlnet()),
        SIZED | {"image": _image()},
        USUAL | {"controlnet"},
    ),
    "T2I adapter": Tiny(
        lambda: sd("StableDiffusionAdapterPipeline", adapter=_adapter(), unet=_unet(**_ATTENTION_FIRST)),
        SIZED | {"image": _image()},
        USUAL | {"adapter"},
    ),
    "IP adapter": Tiny(_with_image_prompt, SIZED | {"ip_adapter_image": _image()}, USUAL | {"image_encoder"}),
    "SDXL": Tiny(sdxl, SIZED, USUAL),
    "SDXL modular": Tiny(modular, SIZED | {"output": "images"}, USUAL),
    "SD3": Tiny(_sd3, SIZED, MODERN),
    "Flux": Tiny(_flux, SIZED | {"max_sequence_length": 16}, MODERN),
    "Flux Kontext": Tiny(
        lambda: _flux("FluxKontextPipeline"),
        SIZED | {"image": _image(), "max_sequence_length": 16, "max_area": _SIDE**2, "_auto_resize": False},
        MODERN,
    ),
    "PixArt": Tiny(_pixart, SIZED | {"use_resolution_binning": False}, MODERN),
    "Wan 2.2": Tiny(_wan, SIZED | {"num_frames": 5, "max_sequence_length": 16}, MODERN),
    "AnimateDiff": Tiny(_animatediff, SIZED | {"num_frames": 2}, USUAL),
    "DDPM": Tiny(_ddpm, {}, frozenset({"unet"})),
}
"""By family. PNDM repeats a part of its schedule, Heun steps twice between two times."""
