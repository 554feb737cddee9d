"""Pipelines of small UNets, bound by the CPU, that compile in less than a minute."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import diffusers
import torch
from benchmarks.record.made import Made
from benchmarks.record.pipelines import (
    NoText,
    autoencoder,
    copied,
    quiet,
    sdxl_unet,
    settings,
    short_sd_unet,
    small_autoencoder,
)
from benchmarks.record.place import Place, channels_last

_WANTED = ("base", "compile", "last_compile", "graphs")
_UNCHECKED = {"requires_safety_checker": False}


def turbo(at: Place) -> Made:
    unet = sdxl_unet(at, (1, 1, 2))
    pooled = at.random(1, at.pick(1280, 32))
    scheduler = diffusers.EulerDiscreteScheduler(beta_schedule="scaled_linear", timestep_spacing="trailing")
    vae, encoder = small_autoencoder(at), NoText(at, pooled.shape[1])
    pipe = quiet(
        diffusers.StableDiffusionXLImg2ImgPipeline(
            vae, None, encoder, None, None, unet, scheduler, add_watermarker=False
        )
    )
    text, size = at.random(1, 77, at.pick(2048, 32)), at.pick(512, 64)
    picture = at.picture(1, 3, size, size)

    def call(one: Any) -> Any:
        return one(
            prompt_embeds=text,
            pooled_prompt_embeds=pooled,
            image=picture,
            strength=0.5,
            num_inference_steps=8,
            guidance_scale=0.0,
            output_type="pt",
        ).images

    return Made(settings(at, pipe, call, _WANTED, more={"add_watermarker": False}))


def inpaint(at: Place) -> Made:
    unet = short_sd_unet(at, in_channels=9, out_channels=4)
    scheduler = diffusers.EulerDiscreteScheduler(beta_schedule="scaled_linear", timestep_spacing="leading")
    pipe = quiet(
        diffusers.StableDiffusionInpaintPipeline(
            autoencoder(at), NoText(at), None, unet, scheduler, None, None, **_UNCHECKED
        )
    )
    text, size = at.random(1, 77, at.pick(768, 32)), at.pick(384, 64)
    picture = at.picture(1, 3, size, size)
    mask = torch.zeros(1, 1, size, size, device=at.device, dtype=picture.dtype)
    mask[:, :, size // 4 : size // 2] = 1

    def call(one: Any) -> Any:
        return one(
            prompt_embeds=text,
            negative_prompt_embeds=text,
            image=picture,
            mask_image=mask,
            height=size,
            width=size,
            num_inference_steps=5,
            output_type="pt",
        ).images

    return Made(settings(at, pipe, call, _WANTED, more=_UNCHECKED))


def adapter(at: Place) -> Made:
    sketches = at.built(
        lambda: diffusers.T2IAdapter(channels=at.pick([320, 640, 1280], [32, 32, 32]), num_res_blocks=2)
    )
    vae = small_autoencoder(at)
    scheduler = diffusers.EulerDiscreteScheduler(beta_schedule="scaled_linear", timestep_spacing="leading")
    pipe = quiet(
        diffusers.StableDiffusionAdapterPipeline(
            vae, NoText(at), None, short_sd_unet(at), sketches, scheduler, None, None, **_UNCHECKED
        )
    )
    text, size = at.random(1, 77, at.pick(768, 32)), at.pick(448, 64)
    sketch = at.picture(1, 3, size, size)

    def call(one: Any) -> Any:
        return one(
            prompt_embeds=text,
            negative_prompt_embeds=text,
            image=sketch,
            height=size,
            width=size,
            num_inference_steps=4,
            output_type="latent",
        ).images

    return Made(settings(at, pipe, call, _WANTED, more=_UNCHECKED))


def marigold(at: Place) -> Made:
    unet = short_sd_unet(at, in_channels=8, out_channels=4)
    blocks = at.pick((64, 128, 256, 256), (32, 32, 32, 32))
    scheduler = diffusers.DDIMScheduler(beta_schedule="scaled_linear", clip_sample=False, steps_offset=1)
    vae = autoencoder(at, blocks=blocks)
    pipe = quiet(diffusers.MarigoldDepthPipeline(unet, vae, scheduler, NoText(at), None))
    text = at.random(1, 77, at.pick(768, 32))
    picture = at.picture(1, 3, at.pick(320, 64), at.pick(448, 64))

    def call(one: Any) -> Any:
        one.empty_text_embedding = text
        return one(
            picture,
            num_inference_steps=6,
            ensemble_size=1,
            processing_resolution=0,
            output_type="pt",
        ).prediction

    return Made(settings(at, pipe, call, _WANTED))


def pix2pix(at: Place) -> Made:
    """Three rows a step: with text and picture, with the picture alone, with neither."""
    unet = short_sd_unet(at, in_channels=8, out_channels=4)
    scheduler = diffusers.EulerDiscreteScheduler(beta_schedule="scaled_linear", timestep_spacing="leading")
    blocks = at.pick((64, 128, 256, 256), (32, 32, 32, 32))
    vae = autoencoder(at, blocks=blocks)
    pipe = quiet(
        diffusers.StableDiffusionInstructPix2PixPipeline(
            vae, NoText(at), None, unet, scheduler, None, None, **_UNCHECKED
        )
    )
    text, size = at.random(1, 77, at.pick(768, 32)), at.pick(320, 64)
    picture = at.picture(1, 3, size, size)

    def call(one: Any) -> Any:
        return one(
            prompt_embeds=text,
            negative_prompt_embeds=text,
            image=picture,
            num_inference_steps=5,
            output_type="pt",
        ).images

    return Made(settings(at, pipe, call, _WANTED, more=_UNCHECKED))


def ddpm128(at: Place) -> Made:
    """A loop without a pipeline, whose times of the steps are on the GPU from the start."""
    size = at.pick(128, 16)
    unet = at.built(
        lambda: diffusers.UNet2DModel(
            sample_size=size,
            layers_per_block=1,
            block_out_channels=at.pick((128, 128, 256, 384), (32, 32, 32, 32)),
            down_block_types=("DownBlock2D", "DownBlock2D", "AttnDownBlock2D", "DownBlock2D"),
            up_block_types=("UpBlock2D", "AttnUpBlock2D", "UpBlock2D", "UpBlock2D"),
            attention_head_dim=at.pick(64, 8),
        )
    )
    scheduler = diffusers.DDIMScheduler()
    scheduler.set_timesteps(8)
    times = scheduler.timesteps.to(at.device)

    def runs(one: Any) -> Callable[[], Any]:
        @torch.no_grad()
        def run() -> torch.Tensor:
            picture = at.random(1, 3, size, size)
            for time, on_device in zip(scheduler.timesteps, times, strict=True):
                picture = scheduler.step(one(picture, on_device).sample, time, picture).prev_sample
            return copied(picture)

        return run

    return Made(
        {
            "base": runs(unet),
            "compile": runs(at.compiled(unet)),
            "last_compile": runs(at.compiled(channels_last(unet))),
            "graphs": runs(at.compiled(unet, "reduce-overhead")),
        }
    )
