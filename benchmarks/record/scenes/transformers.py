"""Pipelines of transformers at true geometries with fewer blocks, most of them bound by the GPU."""

from __future__ import annotations

from typing import Any

import diffusers
import torch
from benchmarks.record.made import Made
from benchmarks.record.pipelines import FLOW, NoText, autoencoder, quiet, settings
from benchmarks.record.place import Place

_BY_GPU = ("base", "compile", "item")


def _made(at: Place, pipe: Any, call: Any, more: dict[str, Any] | None = None) -> Made:
    return Made(settings(at, pipe, call, _BY_GPU, ("transformer",), more))


def qwen(at: Place) -> Made:
    width, size = at.pick(3584, 32), at.pick(1024, 64)
    model = at.built(
        lambda: diffusers.QwenImageTransformer2DModel(
            num_layers=at.pick(7, 1),
            num_attention_heads=at.pick(24, 2),
            joint_attention_dim=width,
            attention_head_dim=128,
        )
    )
    pipe = quiet(diffusers.QwenImagePipeline(FLOW(use_dynamic_shifting=False), None, None, None, model))
    text = at.random(1, at.pick(48, 8), width)
    mask = torch.ones(text.shape[:2], dtype=torch.long, device=at.device)

    def call(one: Any) -> Any:
        return one(
            prompt_embeds=text,
            prompt_embeds_mask=mask,
            height=size,
            width=size,
            num_inference_steps=5,
            true_cfg_scale=1.0,
            output_type="latent",
        ).images

    return _made(at, pipe, call)


def klein(at: Place) -> Made:
    width, size = at.pick(7680, 32), at.pick(1024, 64)
    model = at.built(
        lambda: diffusers.Flux2Transformer2DModel(
            num_layers=at.pick(2, 1),
            num_single_layers=at.pick(7, 1),
            num_attention_heads=at.pick(24, 2),
            joint_attention_dim=width,
            guidance_embeds=False,
        )
    )
    vae = at.built(
        lambda: diffusers.AutoencoderKLFlux2(
            block_out_channels=at.pick((128, 256, 512, 512), (32, 32, 32, 32)), layers_per_block=at.pick(2, 1)
        )
    )
    pipe = quiet(diffusers.Flux2KleinPipeline(FLOW(), vae, None, None, model, is_distilled=True))
    text = at.random(1, at.pick(256, 8), width)

    def call(one: Any) -> Any:
        return one(
            prompt_embeds=text,
            height=size,
            width=size,
            num_inference_steps=4,
            guidance_scale=1.0,
            output_type="latent",
        ).images

    return _made(at, pipe, call, {"is_distilled": True})


def cogvid(at: Place) -> Made:
    words, width = at.pick(226, 8), at.pick(4096, 32)
    frames, height, across = at.pick((17, 480, 720), (5, 128, 128))
    model = at.built(
        lambda: diffusers.CogVideoXTransformer3DModel(
            num_layers=at.pick(5, 1),
            num_attention_heads=at.pick(30, 2),
            text_embed_dim=width,
            sample_width=across // 8,
            sample_height=height // 8,
            sample_frames=frames,
            max_text_seq_length=words,
        )
    )
    scheduler = diffusers.CogVideoXDDIMScheduler(prediction_type="v_prediction", timestep_spacing="trailing")
    pipe = quiet(diffusers.CogVideoXPipeline(None, None, None, model, scheduler))
    text = at.random(1, words, width)

    def call(one: Any) -> Any:
        return one(
            prompt_embeds=text,
            negative_prompt_embeds=text,
            height=height,
            width=across,
            num_frames=frames,
            num_inference_steps=4,
            output_type="latent",
        ).frames

    return _made(at, pipe, call)


def zimage(at: Place) -> Made:
    width, size = at.pick(2560, 32), at.pick(1024, 64)
    model = at.built(
        lambda: diffusers.ZImageTransformer2DModel(
            n_layers=at.pick(5, 1),
            n_refiner_layers=1,
            dim=at.pick(3840, 256),
            n_heads=at.pick(30, 2),
            n_kv_heads=at.pick(30, 2),
            cap_feat_dim=width,
        )
    )
    pipe = quiet(diffusers.ZImagePipeline(FLOW(shift=3.0), None, None, None, model))
    text = [at.random(at.pick(64, 8), width)]

    def call(one: Any) -> Any:
        return one(
            prompt_embeds=text,
            height=size,
            width=size,
            num_inference_steps=5,
            guidance_scale=0.0,
            output_type="latent",
        ).images

    return _made(at, pipe, call)


def prx(at: Place) -> Made:
    """In float32, which TF32 speeds up."""
    torch.set_float32_matmul_precision("high")
    size = at.pick(1024, 64)
    model = at.built(
        lambda: diffusers.PRXTransformer2DModel(
            depth=at.pick(6, 1),
            num_heads=at.pick(28, 14),
            hidden_size=at.pick(1792, 448),
            axes_dim=at.pick([32, 32], [16, 16]),
        ),
        torch.float32,
    )
    pipe = quiet(diffusers.PRXPipeline(model, FLOW(shift=3.0), None, None, autoencoder(at, 16)))
    text = at.random(1, at.pick(256, 8), 2304, dtype=torch.float32)
    mask = torch.ones(text.shape[:2], dtype=torch.bool, device=at.device)

    def call(one: Any) -> Any:
        return one(
            prompt_embeds=text,
            prompt_attention_mask=mask,
            negative_prompt_embeds=text,
            negative_prompt_attention_mask=mask,
            height=size,
            width=size,
            num_inference_steps=4,
            guidance_scale=4.0,
            use_resolution_binning=False,
            output_type="latent",
        ).images

    return _made(at, pipe, call)


def saudio(at: Place) -> Made:
    width = at.pick(768, 32)
    model = at.built(
        lambda: diffusers.StableAudioDiTModel(
            num_layers=at.pick(12, 1),
            num_attention_heads=at.pick(24, 2),
            num_key_value_attention_heads=at.pick(12, 1),
            sample_size=at.pick(1024, 32),
            global_states_input_dim=at.pick(1536, 64),
            cross_attention_input_dim=width,
            cross_attention_dim=at.pick(768, 64),
        )
    )
    vae = at.built(
        lambda: diffusers.AutoencoderOobleck(
            encoder_hidden_size=at.pick(32, 8),
            decoder_channels=at.pick(32, 8),
            channel_multiples=[1, 2, 4, 8, 16],
        )
    )
    projection = at.built(
        lambda: diffusers.StableAudioProjectionModel(
            text_encoder_dim=width, conditioning_dim=width, min_value=0, max_value=512
        )
    )
    scheduler = diffusers.EDMDPMSolverMultistepScheduler(
        sigma_min=0.3,
        sigma_max=500,
        sigma_data=1.0,
        prediction_type="v_prediction",
        sigma_schedule="exponential",
    )
    pipe = quiet(diffusers.StableAudioPipeline(vae, NoText(at), projection, None, model, scheduler))
    text = at.random(1, at.pick(128, 8), width)
    mask = torch.ones(text.shape[:2], dtype=torch.long, device=at.device)

    def call(one: Any) -> Any:
        return one(
            prompt_embeds=text,
            negative_prompt_embeds=text,
            attention_mask=mask,
            negative_attention_mask=mask,
            audio_end_in_s=at.pick(10.0, 0.2),
            num_inference_steps=6,
            output_type="latent",
        ).audios

    wanted = ("base", "compile", "graphs", "item")
    return Made(settings(at, pipe, call, wanted, ("transformer",)), images=3)
