"""Findings about the device work of steady state: precision, layout, attention, many small kernels."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator

from sdtrace.breakdowns.kernels import KernelRow
from sdtrace.findings.evidence import Evidence, Finding
from sdtrace.findings.text import listed, percent

_FP32_GEMM = re.compile(r"sgemm|f32f32_f32f32|_ffma_|gemm_fp32|fp32_sm\d+|_S_B_S_|Cijk\w*_SB_|s884cudnn_fp32")
_TF32 = re.compile(r"tf32|s1688|xf32", re.IGNORECASE)
_TO_NHWC = re.compile(
    r"nchwToNhwc|nhwcToNchw|nchw2nhwc|nhwc2nchw|nchw_to_nhwc|batched_transpose", re.IGNORECASE
)
_TENSOR_CORE_GAIN = 4
_SHARE = 5.0


def find(e: Evidence) -> Iterator[Finding]:
    """What the kernels themselves give away."""
    yield from _float32(e)
    yield from _attention(e)
    yield from _layout(e)
    yield from _small(e)


def _float32(e: Evidence) -> Iterator[Finding]:
    rows = _matching(e, lambda row: bool(_FP32_GEMM.search(row.name)) and not _TF32.search(row.name))
    ns = sum(row.total_ns for row in rows)
    if e.steady_share(ns) < _SHARE:
        return
    yield Finding(
        "device.float32",
        "high",
        "Matrix work runs in full float32, without tensor cores",
        f"{percent(ns, e.steady_work_ns)} of steady device time, "
        f"in {listed([row.short_name for row in rows])}.",
        "Use bfloat16 (variant `bf16_sdpa`), or at least allow TF32: "
        "`torch.backends.cuda.matmul.allow_tf32 = True`. The saving assumes a fourth of the time, "
        "as tensor cores give at least.",
        saving_ns=e.per_iteration(ns * (1 - 1 / _TENSOR_CORE_GAIN)),
        confidence="likely",
    )


def _attention(e: Evidence) -> Iterator[Finding]:
    by_category = {row.category: row for row in e.steady_categories}
    softmax = by_category.get("softmax")
    fused = sum(
        row.total_ns
        for name, row in by_category.items()
        if name.startswith("attention_") and name != "attention_math"
    )
    if softmax and e.steady_share(softmax.total_ns) > _SHARE and not fused:
        yield Finding(
            "device.unfused_attention",
            "high",
            "Attention is computed unfused: the score matrix goes through memory",
            f"Softmax alone takes {percent(softmax.total_ns, e.steady_work_ns)} of steady device time "
            f"({softmax.calls:,} calls), and no fused attention kernel runs.",
            "Use scaled dot product attention: `AttnProcessor2_0`, diffusers' default (variants `*_sdpa`). "
            "The saving counts the softmax only.",
            saving_ns=e.per_iteration(softmax.total_ns),
            confidence="likely",
        )
    slow = [by_category[name] for name in ("attention_efficient", "attention_math") if name in by_category]
    ns = sum(row.total_ns for row in slow)
    if e.steady_share(ns) > _SHARE:
        yield Finding(
            "device.slow_attention",
            "medium",
            "Scaled dot product attention does not run as a flash kernel",
            f"{percent(ns, e.steady_work_ns)} of steady device time "
            f"is {listed([row.category for row in slow])}.",
            "Flash and cuDNN attention need float16 or bfloat16 and no arbitrary mask; in float32 this "
            "can be slower than unfused attention with TF32.",
            confidence="likely",
        )


def _layout(e: Evidence) -> Iterator[Finding]:
    rows = _matching(e, lambda row: bool(_TO_NHWC.search(row.name)))
    ns = sum(row.total_ns for row in rows)
    if e.steady_share(ns) < _SHARE:
        return
    yield Finding(
        "device.layout",
        "medium",
        "Convolutions convert their input between NCHW and NHWC every time",
        f"{percent(ns, e.steady_work_ns)} of steady device time "
        f"in {sum(row.calls for row in rows):,} conversions.",
        "`unet.to(memory_format=torch.channels_last)` and the same for the VAE "
        "(variant `bf16_sdpa_channels_last`).",
        saving_ns=e.per_iteration(ns),
        confidence="likely",
    )


def _small(e: Evidence) -> Iterator[Finding]:
    calls = sum(row.calls for row in e.steady_kernels)
    launch = e.steady_idle.get("launch_bound", 0)
    if not calls or e.small_kernels < calls / 2 or not launch:
        return
    yield Finding(
        "device.small_kernels",
        "low",
        "Most kernels are shorter than it takes to launch one",
        f"{e.small_kernels:,} of {calls:,} steady kernels take under 5 us.",
        "Fuse them with `torch.compile`, or launch them together in a CUDA graph (`mode='reduce-overhead'`).",
    )


def _matching(e: Evidence, wanted: Callable[[KernelRow], bool]) -> list[KernelRow]:
    return [row for row in e.steady_kernels if wanted(row)]
