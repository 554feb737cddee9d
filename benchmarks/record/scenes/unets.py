"""Pipelines of UNets at true geometries with one layer a block, most of them bound by the CPU."""

from __future__ import annotations

from typing import Any

import diffusers
import transformers
from benchmarks.record.made import Made
from benchmarks.record.pipelines import (
    NoText,
    autoencoder,
    quiet,
    sd_unet,
    sdxl_unet,
    settings,
    small_autoencoder,
)
from benchmarks.record.place import Place

_ALL = ("base", "compile", "last_compile", "graphs", "item")
_UNCHECKED = {"requires_safety_checker": False}


def animd(at: Place) -> Made:
    unet = at.built(
        lambda: diffusers.UNetMotionModel(
            layers_per_block=1,
            block_out_channels=at.pick((320, 640, 1280, 1280), (32, 32, 32, 32)),
            cross_attention_dim=at.pick(768, 32),
            use_motion_mid_block=False,
        )
    )
    scheduler = diffusers.EulerDiscreteScheduler(beta_schedule="linear", timestep_spacing="linspace")
    pipe = quiet(
        diffusers.AnimateDiffPipeline(
            autoencoder(at),
            NoText(at),
            None,
            unet,
            None,
            scheduler,
            feature_extractor=None,
            image_encoder=None,
        )
    )
    text = at.random(1, 77, at.pick(768, 32))

    def call(one: Any) -> Any:
        return one(
            prompt_embeds=text,
            negative_prompt_embeds=text,
            height=at.pick(320, 64),
            width=at.pick(512, 64),
            num_frames=at.pick(16, 2),
            num_inference_steps=3,
            output_type="latent",
        ).frames

    return Made(settings(at, pipe, call, ("base", "compile", "item")), images=3)


def lcm(at: Place) -> Made:
    unet = sd_unet(at, time_cond_proj_dim=at.pick(256, 32))
    scheduler = diffusers.LCMScheduler(beta_schedule="scaled_linear", beta_start=0.00085, beta_end=0.012)
    pipe = quiet(
        diffusers.LatentConsistencyModelPipeline(
            autoencoder(at), NoText(at), None, unet, scheduler, None, None, **_UNCHECKED
        )
    )
    text, size = at.random(1, 77, at.pick(768, 32)), at.pick(512, 128)

    def call(one: Any) -> Any:
        return one(
            prompt_embeds=text, height=size, width=size, num_inference_steps=5, output_type="pt"
        ).images

    return Made(settings(at, pipe, call, _ALL, more=_UNCHECKED))


def cnet(at: Place) -> Made:
    control = at.built(
        lambda: diffusers.ControlNetModel(
            layers_per_block=1,
            block_out_channels=at.pick((320, 640, 1280, 1280), (32, 32, 32, 32)),
            cross_attention_dim=at.pick(768, 32),
        )
    )
    scheduler = diffusers.EulerDiscreteScheduler(beta_schedule="scaled_linear", timestep_spacing="leading")
    pipe = quiet(
        diffusers.StableDiffusionControlNetPipeline(
            autoencoder(at), NoText(at), None, sd_unet(at), control, scheduler, None, None, **_UNCHECKED
        )
    )
    text, size = at.random(1, 77, at.pick(768, 32)), at.pick(512, 64)
    picture = at.picture(1, 3, size, size)

    def call(one: Any) -> Any:
        return one(
            prompt_embeds=text,
            negative_prompt_embeds=text,
            image=picture,
            height=size,
            width=size,
            num_inference_steps=4,
            output_type="pt",
        ).images

    return Made(settings(at, pipe, call, _ALL, ("unet", "controlnet"), _UNCHECKED), images=3)


def xl768(at: Place) -> Made:
    unet = sdxl_unet(at, (1, 2, 4))
    pooled = at.random(1, at.pick(1280, 32))
    scheduler = diffusers.EulerDiscreteScheduler(beta_schedule="scaled_linear", timestep_spacing="leading")
    encoder = NoText(at, pooled.shape[1])
    vae = small_autoencoder(at)
    pipe = quiet(
        diffusers.StableDiffusionXLPipeline(
            vae, None, encoder, None, None, unet, scheduler, add_watermarker=False
        )
    )
    text, size = at.random(1, 77, at.pick(2048, 32)), at.pick(768, 64)

    def call(one: Any) -> Any:
        return one(
            prompt_embeds=text,
            negative_prompt_embeds=text,
            pooled_prompt_embeds=pooled,
            negative_pooled_prompt_embeds=pooled,
            height=size,
            width=size,
            num_inference_steps=5,
            output_type="pt",
        ).images

    return Made(settings(at, pipe, call, _ALL, more={"add_watermarker": False}))


def aldm(at: Place) -> Made:
    blocks = at.pick((256, 512, 768, 1280), (32, 32, 32, 32))
    unet = at.built(
        lambda: diffusers.UNet2DConditionModel(
            in_channels=8,
            out_channels=8,
            layers_per_block=1,
            block_out_channels=blocks,
            down_block_types=("DownBlock2D", *["CrossAttnDownBlock2D"] * 3),
            up_block_types=(*["CrossAttnUpBlock2D"] * 3, "UpBlock2D"),
            cross_attention_dim=blocks,
            class_embed_type="simple_projection",
            projection_class_embeddings_input_dim=512,
            class_embeddings_concat=True,
        )
    )
    voice = transformers.SpeechT5HifiGanConfig(
        model_in_dim=64,
        sampling_rate=16000,
        upsample_initial_channel=at.pick(1024, 32),
        upsample_rates=[5, 4, 2, 2, 2],
        upsample_kernel_sizes=[16, 16, 8, 4, 4],
        normalize_before=False,
    )
    vocoder = at.built(lambda: transformers.SpeechT5HifiGan(voice))
    scheduler = diffusers.DDIMScheduler(beta_schedule="scaled_linear", clip_sample=False, steps_offset=1)
    vae = autoencoder(at, 8, 1, (128, 256, 512))
    pipe = quiet(diffusers.AudioLDMPipeline(vae, NoText(at), None, unet, scheduler, vocoder))
    text = at.random(1, 512)

    def call(one: Any) -> Any:
        return one(
            prompt_embeds=text,
            negative_prompt_embeds=text,
            audio_length_in_s=at.pick(10.24, 0.64),
            num_inference_steps=6,
            output_type="pt",
        ).audios

    return Made(settings(at, pipe, call, _ALL[:-1]), images=3)


def cm64(at: Place) -> Made:
    unet = at.built(
        lambda: diffusers.UNet2DModel(
            sample_size=at.pick(64, 16),
            layers_per_block=at.pick(2, 1),
            block_out_channels=at.pick((192, 384, 576, 768), (32, 32, 32, 32)),
            down_block_types=("ResnetDownsampleBlock2D", *["AttnDownBlock2D"] * 3),
            up_block_types=(*["AttnUpBlock2D"] * 3, "ResnetUpsampleBlock2D"),
            attention_head_dim=at.pick(64, 8),
            resnet_time_scale_shift="scale_shift",
            downsample_type="resnet",
            upsample_type="resnet",
            num_class_embeds=1000,
            norm_eps=1e-5,
        )
    )
    pipe = quiet(diffusers.ConsistencyModelPipeline(unet, diffusers.CMStochasticIterativeScheduler()))

    def call(one: Any) -> Any:
        return one(batch_size=1, class_labels=7, num_inference_steps=5, output_type="pt").images

    return Made(settings(at, pipe, call, _ALL))
