"""Pipelines of small transformers, bound by the CPU, that compile in less than a minute."""

from __future__ import annotations

from typing import Any

import diffusers
import torch
from benchmarks.record.made import Made
from benchmarks.record.pipelines import NoText, autoencoder, quiet, settings, small_autoencoder
from benchmarks.record.place import Place

_WANTED = ("base", "compile", "graphs")


def latte(at: Place) -> Made:
    size, frames, width = at.pick((256, 8, 4096), (64, 2, 32))
    model = at.built(
        lambda: diffusers.LatteTransformer3DModel(
            num_attention_heads=at.pick(16, 2),
            attention_head_dim=at.pick(72, 16),
            in_channels=4,
            out_channels=8,
            num_layers=at.pick(4, 1),
            cross_attention_dim=at.pick(1152, 32),
            attention_bias=True,
            sample_size=size // 8,
            patch_size=2,
            activation_fn="gelu-approximate",
            num_embeds_ada_norm=1000,
            norm_type="ada_norm_single",
            norm_elementwise_affine=False,
            caption_channels=width,
            video_length=frames,
        )
    )
    scheduler = diffusers.EulerDiscreteScheduler(beta_schedule="linear", timestep_spacing="leading")
    pipe = quiet(diffusers.LattePipeline(None, NoText(at), autoencoder(at), model, scheduler))
    text = at.random(1, at.pick(60, 8), width)

    def call(one: Any) -> Any:
        return one(
            prompt_embeds=text,
            negative_prompt_embeds=text,
            negative_prompt=None,
            video_length=frames,
            height=size,
            width=size,
            num_inference_steps=5,
            output_type="latent",
        ).frames

    return Made(settings(at, pipe, call, _WANTED, ("transformer",)))


def amused(at: Place) -> Made:
    """Pictures of tokens, all of which each step of the transformer guesses."""
    width = at.pick(768, 32)
    model = at.built(
        lambda: diffusers.UVit2DModel(
            hidden_size=at.pick(1024, 32),
            cond_embed_dim=width,
            micro_cond_embed_dim=at.pick(1280, 160),
            micro_cond_encode_dim=at.pick(256, 32),
            encoder_hidden_size=width,
            in_channels=width,
            block_out_channels=width,
            block_num_heads=at.pick(12, 2),
            num_attention_heads=at.pick(16, 2),
            num_res_blocks=at.pick(2, 1),
            num_hidden_layers=at.pick(8, 1),
            intermediate_size=at.pick(2816, 64),
            vocab_size=at.pick(8256, 65),
            codebook_size=at.pick(8192, 64),
        )
    )
    blocks = at.pick((128, 256, 256, 512, 768), (32, 32))
    vqvae = at.built(
        lambda: diffusers.VQModel(
            block_out_channels=blocks,
            down_block_types=("DownEncoderBlock2D",) * len(blocks),
            up_block_types=("UpDecoderBlock2D",) * len(blocks),
            latent_channels=at.pick(64, 4),
            num_vq_embeddings=at.pick(8192, 64),
            mid_block_add_attention=False,
            lookup_from_codebook=True,
        )
    )
    scheduler = diffusers.AmusedScheduler(mask_token_id=at.pick(8255, 64))
    pipe = quiet(diffusers.AmusedPipeline(vqvae, None, NoText(at), model, scheduler))
    pooled, text = at.random(1, width), at.random(1, 77, width)
    size = at.pick(256, 16)

    def call(one: Any) -> Any:
        return one(
            prompt_embeds=pooled,
            encoder_hidden_states=text,
            negative_prompt_embeds=pooled,
            negative_encoder_hidden_states=text,
            height=size,
            width=size,
            num_inference_steps=6,
            output_type="pt",
        ).images

    return Made(settings(at, pipe, call, _WANTED, ("transformer",)))


def dit256(at: Place) -> Made:
    """DiT itself, which is told a class instead of a text."""
    model = at.built(
        lambda: diffusers.DiTTransformer2DModel(
            num_attention_heads=at.pick(16, 2),
            attention_head_dim=at.pick(72, 16),
            out_channels=8,
            num_layers=at.pick(8, 1),
            sample_size=at.pick(32, 8),
        )
    )
    blocks = at.pick((64, 128, 256, 256), (32, 32, 32, 32))
    pipe = quiet(
        diffusers.DiTPipeline(
            model, autoencoder(at, blocks=blocks), diffusers.DDIMScheduler(clip_sample=False)
        )
    )

    def call(one: Any) -> Any:
        images = one([207], guidance_scale=4.0, num_inference_steps=8, output_type="np").images
        return torch.from_numpy(images)

    return Made(settings(at, pipe, call, _WANTED, ("transformer",)))


def pixs(at: Place) -> Made:
    width, words = at.pick((4096, 60), (32, 8))
    model = at.built(
        lambda: diffusers.PixArtTransformer2DModel(
            num_attention_heads=at.pick(16, 2),
            attention_head_dim=at.pick(72, 16),
            in_channels=4,
            out_channels=8,
            num_layers=at.pick(8, 1),
            cross_attention_dim=at.pick(1152, 32),
            sample_size=at.pick(32, 8),
            caption_channels=width,
            use_additional_conditions=False,
        )
    )
    scheduler = diffusers.EulerDiscreteScheduler(beta_schedule="linear", timestep_spacing="leading")
    pipe = quiet(diffusers.PixArtAlphaPipeline(None, NoText(at), small_autoencoder(at), model, scheduler))
    text, mask = at.random(1, words, width), torch.ones(1, words, device=at.device, dtype=torch.long)
    size = at.pick(256, 64)

    def call(one: Any) -> Any:
        return one(
            negative_prompt=None,
            prompt_embeds=text,
            prompt_attention_mask=mask,
            negative_prompt_embeds=text,
            negative_prompt_attention_mask=mask,
            height=size,
            width=size,
            num_inference_steps=6,
            use_resolution_binning=False,
            output_type="latent",
        ).images

    return Made(settings(at, pipe, call, _WANTED, ("transformer",)))
