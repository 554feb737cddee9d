"""The settings of a whole pipeline: its number types, and ways to run it that cost time or save it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, Final, NamedTuple

import torch
from benchmarks.record.pipelines import copied
from benchmarks.record.place import Place
from diffusers.models.attention_processor import AttnProcessor
from torch.nn.attention import SDPBackend, sdpa_kernel

_HALF: Final = torch.bfloat16


class Whole(NamedTuple):
    """A pipeline: `encode(pipe)` gives the embeddings of a text, `draw(pipe, text)` an image, a tensor."""

    pipe: Any
    encode: Callable[[Any], Any]
    draw: Callable[..., Any]

    def image(self, **more: Any) -> torch.Tensor:
        with torch.no_grad():
            return copied(self.draw(self.pipe, self.encode(self.pipe), **more))


Run = Callable[[], Any]
Make = Callable[[torch.dtype], Whole]


def in_types_and_ways(at: Place, make: Make, wanted: Sequence[str]) -> dict[str, Run]:
    """`base` in bfloat16, `fp32` as torch computes it by default, `fp32_tf32` with its products in TF32.

    Then the wanted ways to make the image of `base`, from the same networks where that is possible.
    """
    half, full = make(_HALF), make(torch.float32)

    def in_tf32() -> torch.Tensor:
        with _tf32():
            return full.image()

    ways: dict[str, Callable[[], Run]] = {
        "math": lambda: _with_plain_attention(half),
        "unfused": lambda: _with_unfused_attention(make(_HALF)),
        "offload": lambda: _offloaded(at, make(_HALF)),
        "text_cached": lambda: _with_known_text(half),
        "vae_compile": lambda: _with_compiled_decoder(at, make(_HALF)),
        "batch2": lambda: lambda: half.image(num_images_per_prompt=2),
        "checked": lambda: _checked(half),
    }
    types = {"base": half.image, "fp32": full.image, "fp32_tf32": in_tf32}
    return types | {name: ways[name]() for name in wanted}


@contextmanager
def _tf32() -> Iterator[None]:
    before = torch.get_float32_matmul_precision()
    torch.set_float32_matmul_precision("high")
    try:
        yield
    finally:
        torch.set_float32_matmul_precision(before)


def _with_plain_attention(whole: Whole) -> Run:
    def run() -> torch.Tensor:
        with sdpa_kernel(SDPBackend.MATH):
            return whole.image()

    return run


def _with_unfused_attention(whole: Whole) -> Run:
    whole.pipe.unet.set_attn_processor(AttnProcessor())
    return whole.image


def _offloaded(at: Place, whole: Whole) -> Run:
    """Each network is on the GPU while it runs alone."""
    if not at.is_tiny:
        whole.pipe.enable_model_cpu_offload()
    return whole.image


def _with_known_text(whole: Whole) -> Run:
    with torch.no_grad():
        text = whole.encode(whole.pipe)

    def run() -> torch.Tensor:
        with torch.no_grad():
            return copied(whole.draw(whole.pipe, text))

    return run


def _with_compiled_decoder(at: Place, whole: Whole) -> Run:
    whole.pipe.vae.decode = at.compiled(whole.pipe.vae.decode)
    return whole.image


def _checked(whole: Whole) -> Run:
    """After every step the program looks whether a number is one."""

    def look(_: Any, step: int, __: Any, found: dict[str, Any]) -> dict[str, Any]:
        if not torch.isfinite(found["latents"]).all().item():
            raise FloatingPointError(step)
        return found

    return lambda: whole.image(callback_on_step_end=look)
