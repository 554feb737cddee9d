"""What variants set besides compiling: attention, caches, layouts; and whether the picture is as they say."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from typing import Any

import pytest
import torch
from diffusers.models.attention_dispatch import AttentionBackendName
from torch.nn.attention import SDPBackend

from sdtrace_collector import attention, caching, models
from sdtrace_collector.compiling import compile_network
from sdtrace_collector.errors import DoesNotApply
from sdtrace_collector.likeness import psnr_db
from sdtrace_collector.picture_check import check_picture, effect_beyond_dtype, plain
from sdtrace_collector.prepare import DTYPES, caller, prepare
from sdtrace_collector.timed import Timed
from sdtrace_collector.variants import VARIANTS, Axes, move

CPU = torch.device("cpu")
SIZE = {"prompt": ["a horse"], "num_inference_steps": 4, "height": 64, "width": 64}
EAGER = {"compile": "none", "compile_vae": "off", "compile_text_encoder": "off"}


@pytest.fixture(autouse=True)
def native_attention() -> Iterator[None]:
    torch.set_num_threads(1)
    yield
    attention.dispatch(models.load("flux-tiny", torch.float32, CPU, seed=0).pipe.transformer, "sdpa")


def prepared(model: str, axes: Axes) -> Any:
    pipe = models.load(model, DTYPES[axes.dtype], CPU, seed=0).pipe
    prepare(pipe, axes)
    return pipe


def image(model: str, axes: Axes) -> torch.Tensor:
    """The first image, of a pipeline that was prepared as the axes say."""
    return Timed(caller(prepared(model, axes), axes), 0, SIZE).image(0)[1][0]


def calls_of(module: torch.nn.Module) -> list[int]:
    """A list that grows with each call of the module itself."""
    calls: list[int] = []
    module.register_forward_hook(lambda *_: calls.append(1))
    return calls


def test_transformers_get_their_attention_from_the_dispatcher() -> None:
    pipe = prepared("flux-tiny", Axes(attention="flash"))
    backends = {each._attention_backend for each in pipe.transformer.attn_processors.values()}
    assert backends == {AttentionBackendName._NATIVE_FLASH}
    again = prepared("flux-tiny", Axes(attention="sdpa"))
    backends = {each._attention_backend for each in again.transformer.attn_processors.values()}
    assert backends == {AttentionBackendName.NATIVE}, "a backend that was set before must not stay"


def test_what_is_not_installed_or_has_no_place_is_told() -> None:
    with pytest.raises(DoesNotApply, match=r"attention=flash3: .*; choose attention=sdpa or cudnn"):
        prepared("flux-tiny", Axes(attention="flash3"))
    with pytest.raises(DoesNotApply, match="a UNet has no place for it"):
        prepared("tiny", Axes(attention="sage"))
    for model in ("tiny", "flux-tiny"):
        with pytest.raises(DoesNotApply, match="attention=cudnn needs an NVIDIA GPU"):
            prepared(model, Axes(attention="cudnn"))
    with pytest.raises(DoesNotApply, match="compile=regional: Linear has no repeated blocks"):
        compile_network(torch.nn.Linear(2, 2), "regional")


def test_a_unet_prefers_the_kernel_that_was_asked_for_and_others_take_what_it_cannot() -> None:
    seen: list[list[SDPBackend]] = []

    def call() -> None:
        from torch.nn.attention import _cur_sdpa_kernel_backends  # noqa: PLC0415 - torch's own, private

        seen.append(_cur_sdpa_kernel_backends())

    unet: Any = models.load("tiny", torch.float32, CPU, seed=0).pipe.unet
    attention.with_attention(call, unet, "cudnn")()
    attention.with_attention(call, unet, "sdpa")()
    assert SDPBackend.CUDNN_ATTENTION in seen[0]
    assert SDPBackend.FLASH_ATTENTION not in seen[0]
    assert SDPBackend.MATH in seen[0]
    assert SDPBackend.FLASH_ATTENTION in seen[1]


@pytest.mark.parametrize("model", ["tiny", "flux-tiny"])
def test_skipped_steps_call_no_denoiser(model: str) -> None:
    axes = Axes(attention="sdpa", cache="lossy_skip_steps")
    pipe = prepared(model, axes)
    calls = calls_of(getattr(pipe, models.denoiser_name(pipe)))
    images = Timed(caller(pipe, axes), 0, {**SIZE, "num_inference_steps": 8})
    first, again = images.image(0)[1], images.image(0)[1]
    steps = len(pipe.scheduler.timesteps)
    # The first quarter and the last are whole, of those between every second one.
    assert len(calls) == 2 * (steps - (steps - 1 - steps // 4 + 1) // 2)
    assert torch.equal(first, again), "an image begins without what the one before left"


def test_the_first_block_cache_leaves_out_the_others_while_little_changes(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    # Random weights of so small a model change much in every step.
    monkeypatch.setattr(caching, "_THRESHOLD", 0.5)
    axes = Axes(attention="sdpa", cache="lossy_first_block")
    pipe = prepared("flux-tiny", axes)
    first, last = pipe.transformer.transformer_blocks[0], pipe.transformer.single_transformer_blocks[-1]
    calls = calls_of(first.norm1), calls_of(last.norm)
    Timed(caller(pipe, axes), 0, {**SIZE, "num_inference_steps": 20}).image(0)
    assert len(calls[0]) == 20
    assert 0 < len(calls[1]) < 20
    with pytest.raises(DoesNotApply, match="needs a transformer"):
        prepared("tiny", axes)


def test_weights_of_convolutions_are_laid_out_channels_last_in_two_and_three_dimensions() -> None:
    from sdtrace_collector.prepare import lay_out_channels_last  # noqa: PLC0415 - used here alone

    flat, deep = torch.nn.Conv2d(4, 8, 3), torch.nn.Conv3d(4, 8, 3)
    lay_out_channels_last(torch.nn.Sequential(flat, deep, torch.nn.Linear(4, 4)))
    assert flat.weight.is_contiguous(memory_format=torch.channels_last)
    assert deep.weight.is_contiguous(memory_format=torch.channels_last_3d)


@pytest.mark.parametrize("model", ["tiny", "flux-tiny"])
@pytest.mark.parametrize("variant", ["fastest_fp8", "lossy_skip_steps", "fastest_regional"])
def test_the_picture_is_as_the_variant_says(model: str, variant: str) -> None:
    axes = move(VARIANTS[variant].axes, {**EAGER, "timesteps": "device"})
    made = image(model, axes)
    check = check_picture(made, model, axes, CPU, 0, SIZE)
    assert check.effect == ("lossy" if "lossy" in variant else "equal up to rounding")
    assert check.is_as_said
    assert check.psnr_db is not None
    assert 20 < check.psnr_db < 80


def test_a_picture_that_is_not_as_said_is_found_out() -> None:
    axes = Axes(attention="sdpa", timesteps="host")
    made = image("tiny", axes)
    assert check_picture(made, "tiny", axes, CPU, 0, SIZE).psnr_db == 200
    nearly = check_picture(made + 1e-4, "tiny", axes, CPU, 0, SIZE)
    assert (nearly.effect, nearly.is_as_said) == ("exact", False)
    assert not check_picture(made * torch.nan, "tiny", axes, CPU, 0, SIZE).is_as_said


def test_the_effect_is_against_the_plain_pipeline_of_the_same_dtype() -> None:
    assert effect_beyond_dtype(plain(Axes(dtype="bf16"))) == "exact"
    assert effect_beyond_dtype(Axes(dtype="bf16", attention="sdpa", timesteps="host")) == "exact"
    assert effect_beyond_dtype(Axes(dtype="bf16")) == "equal up to rounding", "unfused attention"
    assert effect_beyond_dtype(VARIANTS["lossy_skip_steps"].axes) == "lossy"


def test_dtypes_alone_change_the_picture_by_rounding() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        single, half = (image("tiny", plain(Axes(dtype=dtype))) for dtype in ("fp32", "bf16"))
    assert 20 < psnr_db(half.float().numpy(), single.numpy()) < 100
