"""How to write in a script what was set from outside."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Final

_NONE: Final = "Nothing was faster: leave the script as it is."
_COMPILES: Final = {
    "default": "compile()",
    "reduce-overhead": 'compile(mode="reduce-overhead")',
    "regional": "compile_repeated_blocks(dynamic=False)",
    "regional-reduce-overhead": 'compile_repeated_blocks(dynamic=False, mode="reduce-overhead")',
}
_DTYPES: Final = {"bf16": "torch.bfloat16", "fp16": "torch.float16"}
_BACKENDS: Final = {"cudnn": "_native_cudnn", "flash": "_native_flash", "flash3": "_flash_3", "sage": "sage"}
_KERNELS: Final = {"cudnn": "CUDNN_ATTENTION", "flash": "FLASH_ATTENTION"}


def in_code(point: Mapping[str, str], denoiser: str) -> Iterator[str]:
    """Lines for people, then lines of Python to put before the pipeline's first call."""
    lines = [line for axis, value in point.items() for line in _lines(axis, value, denoiser)]
    if not lines:
        yield _NONE
        return
    yield "Put this before the first call:"
    yield ""
    yield from (f"    {line}" for line in lines)


def _lines(axis: str, value: str, denoiser: str) -> list[str]:
    lines = {
        ("offload", "off"): ['pipe.to("cuda")  # in place of its offloading'],
        ("tf32", "on"): ['torch.set_float32_matmul_precision("high")'],
        ("cudnn_benchmark", "on"): ["torch.backends.cudnn.benchmark = True"],
        ("compile_vae", "on"): ["pipe.vae.decoder.compile()"],
        ("memory_format", "channels_last"): [
            f"pipe.{denoiser}.to(memory_format=torch.channels_last)",
            "pipe.vae.to(memory_format=torch.channels_last)",
        ],
    }.get((axis, value))
    if lines is not None:
        return lines
    if axis == "dtype" and value in _DTYPES:
        return [f"pipe.to({_DTYPES[value]})  # or torch_dtype={_DTYPES[value]} where it is loaded"]
    if axis == "attention" and value in _BACKENDS:
        if denoiser == "unet":
            return [f"# and around each call: with sdpa_kernel(SDPBackend.{_KERNELS[value]}):"]
        return [f'pipe.{denoiser}.set_attention_backend("{_BACKENDS[value]}")']
    if axis == "compile" and value in _COMPILES:
        return [f"pipe.{denoiser}.{_COMPILES[value]}"]
    return []
