"""Which implementation of attention a pipeline uses.

Transformers go through diffusers' dispatcher. UNets and VAEs call torch's scaled_dot_product_attention
themselves: for them torch is told which of its kernels to prefer, around the pipeline's call.
"""

from __future__ import annotations

import inspect
import logging
from collections.abc import Callable
from typing import Any, Final

from diffusers import UNet2DConditionModel
from diffusers.models.attention_processor import AttnProcessor
from torch.nn.attention import SDPBackend, sdpa_kernel

from sdtrace_collector.errors import DoesNotApply

_DISPATCHED: Final = {
    "unfused": "native",
    "sdpa": "native",
    "cudnn": "_native_cudnn",
    "flash": "_native_flash",
    "flash3": "_flash_3",
    "sage": "sage",
}
"""diffusers' own names. Setting one sets it for what is made later too, so that each is set."""
_REST: Final = [SDPBackend.EFFICIENT_ATTENTION, SDPBackend.MATH]
_KERNELS: Final = {
    "unfused": [SDPBackend.MATH],
    "cudnn": [SDPBackend.CUDNN_ATTENTION, *_REST],
    "flash": [SDPBackend.FLASH_ATTENTION, *_REST],
}
"""The most wanted first. The others take what it cannot, such as the one head of a VAE, 512 wide."""


def set_attention(pipe: Any, denoiser: Any, attention: str) -> None:
    """Sets it where the pipeline itself has a place for it.

    Raises:
        DoesNotApply: it is not installed, needs a GPU, or this denoiser does not go through diffusers'
            dispatcher.
    """
    if attention == "cudnn" and not next(denoiser.parameters()).is_cuda:
        raise DoesNotApply("attention=cudnn needs an NVIDIA GPU; choose attention=sdpa")
    if isinstance(denoiser, UNet2DConditionModel):
        if attention == "unfused":
            denoiser.set_attn_processor(AttnProcessor())
            pipe.vae.set_attn_processor(AttnProcessor())
        elif attention not in ("sdpa", *_KERNELS):
            raise DoesNotApply(
                f"attention={attention}: a UNet has no place for it; choose sdpa, cudnn or flash"
            )
    elif hasattr(denoiser, "set_attention_backend") or attention not in ("sdpa", "unfused"):
        dispatch(denoiser, attention)


def dispatch(denoiser: Any, attention: str) -> None:
    """Sets an attention of diffusers' dispatcher.

    Raises:
        DoesNotApply: it is not installed, or diffusers is older than its dispatcher.
    """
    logging.getLogger("diffusers.models.modeling_utils").setLevel(
        logging.ERROR
    )  # it is experimental, we know
    try:
        denoiser.set_attention_backend(_DISPATCHED[attention])
    except (AttributeError, ImportError, RuntimeError, ValueError) as error:
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise DoesNotApply(f"attention={attention}: {reason}; choose attention=sdpa or cudnn") from error


def with_attention(call: Callable[..., Any], denoiser: Any, attention: str) -> Callable[..., Any]:
    """`call` with torch told which kernels to prefer, where that is how the attention is chosen.

    A transformer has no unfused attention processor: there `unfused` is torch's math implementation.
    """
    is_unet = isinstance(denoiser, UNet2DConditionModel)
    if attention not in _KERNELS or (attention == "unfused") == is_unet:
        return call
    in_order = {"set_priority": True} if "set_priority" in inspect.signature(sdpa_kernel).parameters else {}

    def wrapped(*args: Any, **kwargs: Any) -> Any:
        with sdpa_kernel(_KERNELS[attention], **in_order):
            return call(*args, **kwargs)

    return wrapped
