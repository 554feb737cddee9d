"""Pipelines from the text to the picture, in several number types and ways."""

from __future__ import annotations

from typing import Any

import diffusers
import torch
import transformers
from benchmarks.record.made import Made
from benchmarks.record.pipelines import FLOW, NoText, autoencoder, quiet
from benchmarks.record.place import Place
from benchmarks.record.types_and_ways import Whole, in_types_and_ways

_UNET_WAYS = ("unfused", "offload", "text_cached", "vae_compile", "batch2", "checked")
_DIT_WAYS = ("math", "offload", "text_cached", "vae_compile", "batch2", "checked")


def _clip(at: Place, dtype: torch.dtype, width: int, layers: int) -> Any:
    width, layers = at.pick(width, 32), at.pick(layers, 2)
    config = transformers.CLIPTextConfig(
        hidden_size=width,
        intermediate_size=4 * width,
        num_hidden_layers=layers,
        num_attention_heads=at.pick(width // 64, 2),
        projection_dim=width,
    )
    return at.built(lambda: transformers.CLIPTextModelWithProjection(config), dtype)


def _t5(at: Place, dtype: torch.dtype, width: int, layers: int) -> Any:
    width, layers = at.pick(width, 32), at.pick(layers, 2)
    config = transformers.T5Config(
        d_model=width,
        d_kv=at.pick(64, 16),
        d_ff=at.pick(5 * width // 2, 64),
        num_layers=layers,
        num_heads=at.pick(width // 64, 2),
        feed_forward_proj="gated-gelu",
    )
    return at.built(lambda: transformers.T5EncoderModel(config), dtype)


def _ids(at: Place, words: int) -> torch.Tensor:
    return torch.randint(0, 32000, (1, words), device=at.device)


def _unet(at: Place, dtype: torch.dtype, channels: tuple[int, ...], width: int, **more: Any) -> Any:
    """A UNet with attention on all levels but the last."""
    levels = len(channels)
    return at.built(
        lambda: diffusers.UNet2DConditionModel(
            layers_per_block=1,
            block_out_channels=at.pick(channels, (32,) * levels),
            down_block_types=("CrossAttnDownBlock2D",) * (levels - 1) + ("DownBlock2D",),
            up_block_types=("UpBlock2D",) + ("CrossAttnUpBlock2D",) * (levels - 1),
            cross_attention_dim=at.pick(width, 32),
            **more,
        ),
        dtype,
    )


def sdwhole(at: Place) -> Made:
    """Stable Diffusion 1.5 without its lowest level, 896x768."""
    ids = _ids(at, 77)
    height, width = at.pick((768, 896), (64, 64))
    unchecked = {"requires_safety_checker": False}

    def whole(dtype: torch.dtype) -> Whole:
        unet = _unet(at, dtype, (320, 640, 1280), 768)
        pipe = diffusers.StableDiffusionPipeline(
            autoencoder(at, dtype=dtype),
            _clip(at, dtype, 768, 12),
            None,
            unet,
            diffusers.EulerDiscreteScheduler(),
            None,
            None,
            **unchecked,
        )

        def encode(one: Any) -> Any:
            return one.text_encoder(ids).last_hidden_state

        def draw(one: Any, text: Any, **more: Any) -> Any:
            return one(
                prompt_embeds=text,
                negative_prompt_embeds=text,
                height=height,
                width=width,
                num_inference_steps=6,
                output_type="pt",
                **more,
            ).images

        return Whole(quiet(pipe), encode, draw)

    return Made(in_types_and_ways(at, whole, _UNET_WAYS), images=3)


def xlwhole(at: Place) -> Made:
    """SDXL with one transformer layer on two levels, 1152x896."""
    ids = _ids(at, 77)
    width = at.pick(1280, 32)
    height, across = at.pick((896, 1152), (64, 64))

    def whole(dtype: torch.dtype) -> Whole:
        unet = _unet(
            at,
            dtype,
            (320, 640, 1280),
            1280,
            attention_head_dim=at.pick((5, 10, 20), (1, 2, 2)),
            use_linear_projection=True,
            addition_embed_type="text_time",
            addition_time_embed_dim=at.pick(256, 8),
            projection_class_embeddings_input_dim=at.pick(2816, 80),
        )
        text_encoder = _clip(at, dtype, 1280, 12)
        pipe = diffusers.StableDiffusionXLPipeline(
            autoencoder(at, dtype=dtype),
            NoText(at, width),
            text_encoder,
            None,
            None,
            unet,
            diffusers.EulerDiscreteScheduler(),
        )

        def encode(one: Any) -> Any:
            found = one.text_encoder_2(ids)
            return found.last_hidden_state, found.text_embeds

        def draw(one: Any, text: Any, **more: Any) -> Any:
            words, pooled = text
            return one(
                prompt_embeds=words,
                negative_prompt_embeds=words,
                pooled_prompt_embeds=pooled,
                negative_pooled_prompt_embeds=pooled,
                height=height,
                width=across,
                num_inference_steps=5,
                output_type="pt",
                **more,
            ).images

        return Whole(quiet(pipe), encode, draw)

    ways = ("unfused", "text_cached", "vae_compile", "batch2", "checked")
    return Made(in_types_and_ways(at, whole, ways), images=3)


def fluxwhole(at: Place) -> Made:
    """FLUX with two and six blocks, 1024x896."""
    ids, pooled_width = _ids(at, at.pick(256, 8)), at.pick(768, 32)
    height, across = at.pick((896, 1024), (32, 32))

    def whole(dtype: torch.dtype) -> Whole:
        net = at.built(
            lambda: diffusers.FluxTransformer2DModel(
                in_channels=at.pick(64, 16),
                num_layers=at.pick(2, 1),
                num_single_layers=at.pick(6, 1),
                attention_head_dim=at.pick(128, 16),
                num_attention_heads=at.pick(16, 2),
                joint_attention_dim=at.pick(2048, 32),
                pooled_projection_dim=pooled_width,
                axes_dims_rope=at.pick((16, 56, 56), (4, 4, 8)),
            ),
            dtype,
        )
        vae = autoencoder(at, at.pick(16, 4), dtype=dtype)
        pipe = diffusers.FluxPipeline(FLOW(shift=3.0), vae, None, None, _t5(at, dtype, 2048, 8), None, net)
        pooled = at.random(1, pooled_width, dtype=dtype)

        def encode(one: Any) -> Any:
            return one.text_encoder_2(ids).last_hidden_state

        def draw(one: Any, text: Any, **more: Any) -> Any:
            return one(
                prompt_embeds=text,
                pooled_prompt_embeds=pooled,
                height=height,
                width=across,
                num_inference_steps=5,
                output_type="pt",
                **more,
            ).images

        return Whole(quiet(pipe), encode, draw)

    return Made(in_types_and_ways(at, whole, _DIT_WAYS), images=3)


def pixwhole(at: Place) -> Made:
    """PixArt-Sigma with 10 blocks, 1024x1024."""
    words, size = at.pick(300, 8), at.pick(1024, 64)
    ids, mask = _ids(at, words), torch.ones(1, words, device=at.device, dtype=torch.long)

    def whole(dtype: torch.dtype) -> Whole:
        net = at.built(
            lambda: diffusers.PixArtTransformer2DModel(
                num_attention_heads=at.pick(16, 2),
                attention_head_dim=at.pick(72, 16),
                cross_attention_dim=at.pick(1152, 32),
                caption_channels=at.pick(1024, 32),
                num_layers=at.pick(10, 1),
                sample_size=size // 8,
                use_additional_conditions=False,
            ),
            dtype,
        )
        scheduler = diffusers.DPMSolverMultistepScheduler()
        pipe = diffusers.PixArtSigmaPipeline(
            None, _t5(at, dtype, 1024, 12), autoencoder(at, dtype=dtype), net, scheduler
        )

        def encode(one: Any) -> Any:
            return one.text_encoder(ids, attention_mask=mask).last_hidden_state

        def draw(one: Any, text: Any, **more: Any) -> Any:
            return one(
                prompt_embeds=text,
                prompt_attention_mask=mask,
                negative_prompt=None,
                negative_prompt_embeds=text,
                negative_prompt_attention_mask=mask,
                height=size,
                width=size,
                num_inference_steps=6,
                use_resolution_binning=False,
                output_type="pt",
                **more,
            ).images

        return Whole(quiet(pipe), encode, draw)

    ways = ("math", "offload", "text_cached", "vae_compile", "batch2")
    return Made(in_types_and_ways(at, whole, ways), images=3)


def sd3whole(at: Place) -> Made:
    """Stable Diffusion 3 with 8 blocks, 960x960."""
    words, size, width = at.pick(160, 8), at.pick(960, 64), at.pick(1536, 32)
    ids = _ids(at, words)

    def whole(dtype: torch.dtype) -> Whole:
        net = at.built(
            lambda: diffusers.SD3Transformer2DModel(
                sample_size=size // 8,
                num_layers=at.pick(8, 1),
                attention_head_dim=at.pick(64, 16),
                num_attention_heads=at.pick(24, 2),
                joint_attention_dim=width,
                caption_projection_dim=width,
                pooled_projection_dim=at.pick(2048, 32),
                in_channels=at.pick(16, 4),
                out_channels=at.pick(16, 4),
            ),
            dtype,
        )
        vae = autoencoder(at, at.pick(16, 4), dtype=dtype)
        text_encoder = _t5(at, dtype, 1536, 10)
        pipe = diffusers.StableDiffusion3Pipeline(
            net, FLOW(shift=3.0), vae, None, None, None, None, text_encoder, None
        )
        pooled = at.random(1, at.pick(2048, 32), dtype=dtype)

        def encode(one: Any) -> Any:
            return one.text_encoder_3(ids).last_hidden_state

        def draw(one: Any, text: Any, num_images_per_prompt: int = 1, **more: Any) -> Any:
            text, known = (part.repeat_interleave(num_images_per_prompt, 0) for part in (text, pooled))
            return one(
                prompt_embeds=text,
                negative_prompt_embeds=text,
                pooled_prompt_embeds=known,
                negative_pooled_prompt_embeds=known,
                height=size,
                width=size,
                num_inference_steps=6,
                output_type="pt",
                **more,
            ).images

        return Whole(quiet(pipe), encode, draw)

    return Made(in_types_and_ways(at, whole, _DIT_WAYS), images=3)


def wanwhole(at: Place) -> Made:
    """Wan with 8 blocks, 17 frames of 480x480, without a decoder."""
    words, size = at.pick(128, 8), at.pick(480, 32)
    ids = _ids(at, words)

    def whole(dtype: torch.dtype) -> Whole:
        net = at.built(
            lambda: diffusers.WanTransformer3DModel(
                num_attention_heads=at.pick(12, 2),
                attention_head_dim=at.pick(128, 24),
                text_dim=at.pick(1024, 32),
                freq_dim=at.pick(256, 32),
                ffn_dim=at.pick(8960, 64),
                num_layers=at.pick(8, 1),
            ),
            dtype,
        )
        vae = at.built(lambda: diffusers.AutoencoderKLWan(base_dim=at.pick(96, 8)), dtype)
        pipe = diffusers.WanPipeline(None, _t5(at, dtype, 1024, 12), vae, FLOW(shift=3.0), net)

        def encode(one: Any) -> Any:
            return one.text_encoder(ids).last_hidden_state

        def draw(one: Any, text: Any, **more: Any) -> Any:
            more = {
                "num_videos_per_prompt" if k == "num_images_per_prompt" else k: v for k, v in more.items()
            }
            return one(
                prompt_embeds=text,
                negative_prompt_embeds=text,
                height=size,
                width=size,
                num_frames=at.pick(17, 5),
                num_inference_steps=4,
                output_type="latent",
                **more,
            ).frames

        return Whole(quiet(pipe), encode, draw)

    ways = ("math", "offload", "text_cached", "batch2", "checked")
    return Made(in_types_and_ways(at, whole, ways), images=3)


def vitwhole(at: Place) -> Made:
    """A vision transformer on 160 pictures."""
    pictures = at.picture(at.pick(160, 2), 3, 224, 224, dtype=torch.float32)
    config = transformers.ViTConfig(
        hidden_size=at.pick(768, 32),
        intermediate_size=at.pick(3072, 64),
        num_hidden_layers=at.pick(12, 2),
        num_attention_heads=at.pick(12, 2),
    )

    def whole(dtype: torch.dtype) -> Whole:
        net = at.built(lambda: transformers.ViTModel(config, add_pooling_layer=False), dtype)

        def draw(one: Any, given: Any) -> Any:
            return one(given).last_hidden_state

        return Whole(net, lambda _: pictures.to(dtype), draw)

    return Made(in_types_and_ways(at, whole, ("math",)), images=6)
