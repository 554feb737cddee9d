"""More tiny pipelines than the tests can afford, as in `tests/collector/tiny_pipelines.py`."""

from __future__ import annotations

from typing import Any

import diffusers as library
import torch
import transformers
from tests.collector.tiny_pipelines import (
    MODERN,
    SIZED,
    USUAL,
    Tiny,
    clip,
    made,
    model,
    sd,
    sdxl,
    t5,
    tokenizer,
    vae,
)


def _sana() -> Any:
    transformer = model(
        "SanaTransformer2DModel",
        patch_size=1,
        in_channels=4,
        out_channels=4,
        num_layers=1,
        num_attention_heads=2,
        attention_head_dim=4,
        num_cross_attention_heads=2,
        cross_attention_head_dim=4,
        cross_attention_dim=8,
        caption_channels=8,
        sample_size=32,
    )
    autoencoder = model(
        "AutoencoderDC",
        in_channels=3,
        latent_channels=4,
        attention_head_dim=2,
        encoder_block_types=("ResBlock", "EfficientViTBlock"),
        decoder_block_types=("ResBlock", "EfficientViTBlock"),
        encoder_block_out_channels=(8, 8),
        decoder_block_out_channels=(8, 8),
        encoder_qkv_multiscales=((), (5,)),
        decoder_qkv_multiscales=((), (5,)),
        encoder_layers_per_block=(1, 1),
        decoder_layers_per_block=[1, 1],
        downsample_block_type="conv",
        upsample_block_type="interpolate",
        decoder_norm_types="rms_norm",
        decoder_act_fns="silu",
        scaling_factor=0.41407,
    )
    config = transformers.Gemma2Config(
        head_dim=16,
        hidden_size=8,
        intermediate_size=8,
        num_attention_heads=2,
        num_hidden_layers=1,
        num_key_value_heads=2,
        vocab_size=300,
        attn_implementation="eager",
    )
    return made(
        "SanaPipeline",
        transformer=transformer,
        vae=autoencoder,
        scheduler=library.FlowMatchEulerDiscreteScheduler(shift=7.0),
        text_encoder=transformers.Gemma2Model(config).eval().requires_grad_(False),
        tokenizer=tokenizer(),
    )


def _ltx() -> Any:
    transformer = model(
        "LTXVideoTransformer3DModel",
        in_channels=8,
        out_channels=8,
        num_attention_heads=4,
        attention_head_dim=8,
        cross_attention_dim=32,
        num_layers=1,
        caption_channels=32,
    )
    autoencoder = model(
        "AutoencoderKLLTXVideo",
        latent_channels=8,
        block_out_channels=(8, 8, 8, 8),
        decoder_block_out_channels=(8, 8, 8, 8),
        layers_per_block=(1, 1, 1, 1, 1),
        decoder_layers_per_block=(1, 1, 1, 1, 1),
        spatio_temporal_scaling=(True, True, False, False),
        decoder_spatio_temporal_scaling=(True, True, False, False),
        decoder_inject_noise=(False,) * 5,
        upsample_residual=(False,) * 4,
        upsample_factor=(1,) * 4,
        patch_size=1,
        patch_size_t=1,
        encoder_causal=True,
        decoder_causal=False,
    )
    return made(
        "LTXPipeline",
        transformer=transformer,
        vae=autoencoder,
        scheduler=library.FlowMatchEulerDiscreteScheduler(),
        text_encoder=t5(),
        tokenizer=tokenizer(),
    )


def _qwen_text(**more: Any) -> Any:
    config = transformers.Qwen3Config(
        hidden_size=16,
        intermediate_size=16,
        num_hidden_layers=2,
        num_attention_heads=2,
        num_key_value_heads=2,
        head_dim=8,
        vocab_size=300,
        **more,
    )
    return transformers.Qwen3Model(config).eval().requires_grad_(False)


class _Chat:
    """The byte tokenizer with the one template that Z-Image asks for."""

    def __init__(self) -> None:
        self._tokenizer = tokenizer()
        self.model_max_length = self._tokenizer.model_max_length

    def apply_chat_template(self, messages: list[dict[str, str]], **_: Any) -> str:
        return messages[0]["content"]

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        return self._tokenizer(*args, **kwargs)


def _z_image() -> Any:
    transformer = model(
        "ZImageTransformer2DModel",
        all_patch_size=(2,),
        all_f_patch_size=(1,),
        in_channels=4,
        dim=32,
        n_layers=1,
        n_refiner_layers=1,
        n_heads=2,
        n_kv_heads=2,
        cap_feat_dim=16,
        axes_dims=[4, 6, 6],
        axes_lens=[256, 32, 32],
    )
    return made(
        "ZImagePipeline",
        transformer=transformer,
        vae=vae(shift_factor=0.1),
        scheduler=library.FlowMatchEulerDiscreteScheduler(shift=3.0),
        text_encoder=_qwen_text(),
        tokenizer=_Chat(),
    )


def _cascade() -> Any:
    """A prior and a decoder that one pipeline calls."""
    common = {
        "conditioning_dim": 16,
        "block_out_channels": (8, 8),
        "num_attention_heads": (1, 1),
        "down_num_layers_per_block": (1, 1),
        "up_num_layers_per_block": (1, 1),
        "down_blocks_repeat_mappers": (1, 1),
        "up_blocks_repeat_mappers": (1, 1),
        "block_types_per_layer": (("SDCascadeResBlock", "SDCascadeTimestepBlock"),) * 2,
        "timestep_ratio_embedding_dim": 8,
        "switch_level": (False,),
    }
    text = {"clip_text_pooled_in_channels": 32, "clip_text_in_channels": 32}
    prior = model(
        "StableCascadeUNet", in_channels=4, out_channels=4, clip_image_in_channels=32, **common, **text
    )
    decoder = model(
        "StableCascadeUNet",
        in_channels=4,
        out_channels=4,
        effnet_in_channels=4,
        clip_text_pooled_in_channels=32,
        **common,
    )
    from diffusers.pipelines.deprecated.wuerstchen import PaellaVQModel  # noqa: PLC0415 - not always there

    torch.manual_seed(0)
    vqgan = PaellaVQModel(bottleneck_blocks=1, levels=2, num_vq_embeddings=8, embed_dim=4).eval()
    parts = {"text_encoder": clip("CLIPTextModelWithProjection", projection_dim=32), "tokenizer": tokenizer()}
    schedulers = {name: library.DDPMWuerstchenScheduler() for name in ("scheduler", "prior_scheduler")}
    return made(
        "StableCascadeCombinedPipeline",
        decoder=decoder,
        prior_prior=prior,
        vqgan=vqgan.requires_grad_(False),
        prior_text_encoder=parts["text_encoder"],
        prior_tokenizer=tokenizer(),
        **parts,
        **schedulers,
    )


def _latent_consistency() -> Any:
    return sd("LatentConsistencyModelPipeline", scheduler=library.LCMScheduler())


def _compiled() -> Any:
    pipe = sdxl()
    pipe.unet = torch.compile(pipe.unet, backend="eager")
    pipe.vae.decoder.compile(backend="eager")
    return pipe


def _tiled() -> Any:
    pipe = sd()
    pipe.vae.enable_tiling()
    pipe.vae.enable_slicing()
    return pipe


MORE: dict[str, Tiny] = {
    "Sana": Tiny(
        _sana, {**SIZED, "use_resolution_binning": False, "complex_human_instruction": None}, MODERN
    ),
    "LTX": Tiny(_ltx, {**SIZED, "num_frames": 9, "max_sequence_length": 16}, MODERN),
    "Z-Image": Tiny(_z_image, {**SIZED, "guidance_scale": 0.0}, MODERN),
    "Stable Cascade": Tiny(_cascade, {**SIZED, "prior_num_inference_steps": 2}, USUAL, steps=5),
    "LCM": Tiny(_latent_consistency, SIZED, USUAL),
    "SDXL img2img": Tiny(
        lambda: sdxl("StableDiffusionXLImg2ImgPipeline"),
        {"prompt": "a horse", "image": torch.zeros(1, 3, 32, 32), "strength": 0.5},
        USUAL,
        steps=2,
        asked=4,
    ),
    "SDXL compiled": Tiny(_compiled, SIZED, USUAL),
    "tiled VAE": Tiny(_tiled, SIZED, USUAL),
}
"""By family, as `TINY`."""
