"""Findings about the GPU work of steady state: precision, layout, attention, many small kernels."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator

from sdtrace.breakdowns.kernels import KernelRow
from sdtrace.findings.evidence import Evidence
from sdtrace.findings.finding import Finding, rows_of
from sdtrace.findings.text import listed, percent
from sdtrace.whatif.labels import SHORT_DATA

_FP32_GEMM = re.compile(r"sgemm|f32f32_f32f32|_ffma_|gemm_fp32|fp32_sm\d+|_S_B_S_|Cijk\w*_SB_|s884cudnn_fp32")
_TF32 = re.compile(r"tf32|s1688|xf32", re.IGNORECASE)
_IS_FLOAT32 = f"name ~ '{_FP32_GEMM.pattern}' AND NOT name ~ '{SHORT_DATA.pattern}'"
_SOFTMAX = re.compile(r"soft_?max", re.IGNORECASE)
_OTHER_SOFTMAX = re.compile(r"log_?soft_?max|gating|topk|sampl", re.IGNORECASE)
_BATCHED = re.compile(r"^aten::(?:bmm|baddbmm)")
_COMPILED = re.compile(r"^triton_")
_FP32_ATTENTION = re.compile(r"_f32_|<float,|float32|fp32")
_TENSOR_CORE_GAIN = 4
_SHARE = 5.0
_EXPOSED = 0.05
_VOLTA = _TENSOR_CORES_SINCE = 7
_TF32_SINCE = 8
_TF32_GAIN = 3
"""Where no replay tells; on an H100 products in float32 took 6 to 12 times as long as in TF32."""


def find(e: Evidence) -> Iterator[Finding]:
    """What the kernels themselves give away."""
    for part in (_float32, _tf32, _unfused_attention, _slow_attention, _small, _collectives):
        yield from part(e)


def _is_float32(name: str) -> bool:
    """Whether a kernel multiplies float32 numbers in full."""
    return bool(_FP32_GEMM.search(name)) and not _TF32.search(name) and not SHORT_DATA.search(name)


def _float32(e: Evidence) -> Iterator[Finding]:
    rows = _matching(e, lambda row: _is_float32(row.name))
    ns = sum(row.total_ns for row in rows)
    if e.steady_share(ns) < _SHARE or (e.device_major is not None and e.device_major < _TENSOR_CORES_SINCE):
        return
    saving = e.per_iteration(ns * (1 - 1 / _TENSOR_CORE_GAIN))
    matters = e.steady_wall_ns is None or saving > _SHARE / 100 * e.steady_wall_ns
    yield Finding(
        "device.float32",
        "high" if matters else "medium",
        "Matrix work runs in full float32, without tensor cores",
        f"{percent(ns, e.steady_work_ns)} of steady GPU time, in {listed([row.short_name for row in rows])}.",
        f"{_shorter_types(e)} Assumes a 4x speedup of these kernels.",
        saving_ns=saving,
        confidence="likely",
        evidence_rows=rows_of("kernels", [row.name for row in rows]),
        verify=e.trial("bf16_sdpa", e.steady_work(_IS_FLOAT32)),
    )


def _tf32(e: Evidence) -> Iterator[Finding]:
    rows = _matching(e, lambda row: _is_float32(row.name))
    ns = sum(row.total_ns for row in rows)
    if e.steady_share(ns) < _SHARE or e.device_major is None or e.device_major < _TF32_SINCE:
        return
    yield Finding(
        "device.tf32",
        "medium",
        "TF32 is off: float32 products do not use tensor cores",
        f"{percent(ns, e.steady_work_ns)} of steady device time is matrix products and convolutions in full "
        "float32. This GPU has tensor cores that take float32 and round its factors to 10 bits.",
        "`torch.backends.cuda.matmul.allow_tf32 = True` and `torch.backends.cudnn.allow_tf32 = True`, or "
        '`torch.set_float32_matmul_precision("high")` before you compile. Tensors stay float32; results '
        "differ in the fourth digit. 16-bit types bring more, and this in their place.",
        saving_ns=e.per_iteration(ns * (1 - 1 / _TF32_GAIN)),
        confidence="likely",
        evidence_rows=rows_of("kernels", [row.name for row in rows]),
        verify=e.steady_work(_IS_FLOAT32),
    )


def _shorter_types(e: Evidence) -> str:
    """What the device's matrix units take in place of float32."""
    if e.device_major == _VOLTA:
        return "Use float16: the tensor cores of this GPU take neither bfloat16 nor TF32."
    if e.is_amd:
        return "Use bfloat16 or float16."
    return (
        f"Use bfloat16{e.variant_hint('bf16_sdpa')}, or at least allow TF32, "
        "`torch.backends.cuda.matmul.allow_tf32 = True`."
    )


def _unfused_attention(e: Evidence) -> Iterator[Finding]:
    softmax = _matching(e, lambda row: _is_softmax_of_scores(row, e))
    ns = sum(row.total_ns for row in softmax)
    fused = sum(row.total_ns for row in _matching(e, _is_fused_attention))
    if e.steady_share(ns) < _SHARE or fused >= ns:
        return
    yield Finding(
        "device.unfused_attention",
        "high",
        "Attention is computed unfused: the score matrix goes through memory",
        f"Softmax alone takes {percent(ns, e.steady_work_ns)} of steady GPU time "
        f"({sum(row.calls for row in softmax):,} calls); fused attention kernels take "
        f"{percent(fused, e.steady_work_ns)}.",
        f"Use scaled dot product attention: {_OF_DIFFUSERS if e.makes_images else _OF_TRANSFORMERS}, in "
        "bfloat16 or float16. The saving counts only the softmax.",
        saving_ns=e.per_iteration(ns),
        confidence="likely",
        evidence_rows=rows_of("kernels", [row.name for row in softmax]),
        verify=e.trial("bf16_sdpa", e.steady_work(f"name ~* '{_SOFTMAX.pattern}'")),
    )


_OF_DIFFUSERS = "`AttnProcessor2_0`, diffusers' default (variants `*_sdpa`)"
_OF_TRANSFORMERS = (
    '`attn_implementation="sdpa"` in transformers, else `torch.nn.functional.scaled_dot_product_attention`'
)


def _is_softmax_of_scores(row: KernelRow, e: Evidence) -> bool:
    """Softmax that may be attention's: not of a loss, a router or a sampler.

    In eager mode batched products stand around it; of compiled code and graphs that is not to be seen.
    """
    if not _SOFTMAX.search(row.name) or _OTHER_SOFTMAX.search(row.name) or _is_fused_attention(row):
        return False
    products = any(_BATCHED.search(work.op) for work in e.work_by_shape)
    return products or bool(_COMPILED.search(row.name)) or e.graph_replayed_ns > 0 or not e.work_by_shape


def _is_written_out(rows: list[KernelRow], e: Evidence) -> bool:
    """Whether the program itself makes most of its attention of products and softmax."""
    math = sum(row.total_ns for row in rows if row.category == "attention_math")
    return not e.calls_sdpa and not e.is_compiled and 2 * math > sum(row.total_ns for row in rows)


def _slow_attention(e: Evidence) -> Iterator[Finding]:
    rows = _matching(e, lambda row: row.category in {"attention_efficient", "attention_math"})
    ns = sum(row.total_ns for row in rows)
    if e.steady_share(ns) < _SHARE:
        return
    full = sum(row.total_ns for row in rows if _FP32_ATTENTION.search(row.name))
    evidence = (
        f"{percent(ns, e.steady_work_ns)} of steady GPU time, in {listed([r.short_name for r in rows])}."
    )
    if 2 * full > ns:
        yield Finding(
            "device.slow_attention",
            "high",
            "Attention runs in float32, for which there is no flash kernel",
            evidence,
            f"Flash and cuDNN attention need bfloat16 or float16{e.variant_hint('bf16_sdpa')}. "
            "In float32 the memory-efficient kernel can be slower than unfused attention. "
            "Assumes a 4x speedup of these kernels.",
            saving_ns=e.per_iteration(full * (1 - 1 / _TENSOR_CORE_GAIN)),
            confidence="likely",
            evidence_rows=rows_of("kernels", [row.name for row in rows]),
            verify=e.steady_work("category IN ('attention_efficient', 'attention_math')"),
        )
    elif not _is_written_out(rows, e):
        yield Finding(
            "device.slow_attention",
            "medium",
            "Scaled dot product attention does not run as a flash kernel",
            evidence,
            "Flash and cuDNN attention need contiguous heads of a size they support, and no arbitrary "
            "mask; `torch.nn.attention.sdpa_kernel` with one backend says why it refuses.",
            confidence="likely",
            evidence_rows=rows_of("kernels", [row.name for row in rows]),
            verify=e.steady_work("category IN ('attention_efficient', 'attention_math')"),
        )


def _is_fused_attention(row: KernelRow) -> bool:
    return row.category.startswith("attention_") and row.category != "attention_math"


def _small(e: Evidence) -> Iterator[Finding]:
    is_waiting = 100 * e.steady_idle.get("launch_bound", 0) >= _SHARE * e.steady_span_ns
    if 2 * e.small_kernels < max(1, e.kernels) or e.replays_graphs or e.moves_much or not is_waiting:
        return
    yield Finding(
        "device.small_kernels",
        "low",
        "Most kernels take less time than launching one",
        f"{e.small_kernels:,} of {e.kernels:,} steady kernels take under 5 µs.",
        "Give each kernel more work (larger batches), or launch many at once from a CUDA graph "
        '(`mode="reduce-overhead"`).'
        if e.is_compiled
        else "Fuse them with `torch.compile`, or launch many at once from a CUDA graph.",
        evidence_rows=rows_of("idle", ["launch_bound"]),
        verify=e.steady_work("kind = 'kernel' AND dur_ns < 5000"),
    )


def _collectives(e: Evidence) -> Iterator[Finding]:
    if e.collectives is None or e.steady_share(e.collectives.work_ns) < _SHARE:
        return
    work_ns, covered_ns, exposed_ns = e.collectives
    severe = exposed_ns > _EXPOSED * e.steady_span_ns
    yield Finding(
        "device.collectives",
        "medium" if severe else "info",
        "GPUs communicate while no other work runs"
        if severe
        else "Communication between GPUs overlaps with other work"
        if 2 * exposed_ns <= covered_ns
        else "Communication between GPUs takes little of the time",
        f"Collectives take {percent(work_ns, e.steady_work_ns)} of steady GPU time. No other work runs "
        f"during {percent(exposed_ns, covered_ns)} of that, which is "
        f"{percent(exposed_ns, e.steady_span_ns)} of steady time.",
        "A collective lasts until the slowest rank arrives: compare the ranks' traces first. Then overlap "
        "it with compute, or send less."
        if severe
        else "It costs little time of its own. It may slow down the work that runs at the same time."
        if exposed_ns < covered_ns
        else "It costs little time.",
        saving_ns=e.per_iteration(exposed_ns) if severe else None,
        confidence="likely",
        evidence_rows=rows_of("categories", ["collective"]),
        verify=e.steady_work("category = 'collective'"),
    )


def _matching(e: Evidence, wanted: Callable[[KernelRow], bool]) -> list[KernelRow]:
    return [row for row in e.steady_kernels if wanted(row)]
