"""Models, types, components and categories by the names that people use."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

_MODELS: Final = {
    "sd15": "Stable Diffusion 1.5",
    "sd21": "Stable Diffusion 2.1",
    "sdxl": "SDXL",
    "sd3": "Stable Diffusion 3",
    "tiny": "the tiny test model",
    "flux": "FLUX.1-dev",
    "flux-tiny": "the tiny FLUX",
    "qwen-image": "Qwen-Image",
    "wan-1.3b": "Wan 2.1 1.3B",
}
_DTYPES: Final = {"fp32": "float32", "bf16": "bfloat16", "fp16": "float16"}
DENOISERS: Final = {"unet": "UNet", "transformer": "transformer"}
KERNEL: Final = "kernel "
"""How the label of a kernel begins."""
UNKNOWN: Final = "work of unknown kind"
_NAMES: Final = {
    **DENOISERS,
    "vae": "VAE",
    "gemm": "matrix multiplication",
    "memcpy_h2d": "copying to the GPU",
    "memcpy_d2h": "copying to the CPU",
    "memcpy_d2d": "copying on the GPU",
    "copies": "copying between CPU and GPU",
    "fused_triton": "fused Triton kernels",
    "collective": "communication",
    "layout": "copies and layout conversions",
    "activation_elementwise": "elementwise work",
}


def model_name(run: Mapping[str, Any]) -> str:
    """The model by the name that people know it by; '' where the run's facts do not tell."""
    model = str(run.get("model") or "")
    return _MODELS.get(model, model)


def type_name(axes: Mapping[str, Any]) -> str:
    """The data type of a run, such as `bfloat16 with fp8 matmuls`; '' where its settings do not tell."""
    dtype = _DTYPES.get(str(axes.get("dtype")), str(axes.get("dtype") or ""))
    return f"{dtype} with fp8 matmuls" if axes.get("quantization") == "fp8" else dtype


def in_words(label: str) -> str:
    """A component or category as people call it; a kernel by its own name.

    >>> in_words("unet"), in_words("text_encoder"), in_words("kernel spin_kernel")
    ('UNet', 'text encoder', 'kernel spin_kernel')
    """
    return label if label.startswith(KERNEL) else _NAMES.get(label, label.replace("_", " "))
