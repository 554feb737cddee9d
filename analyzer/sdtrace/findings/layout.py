"""Findings about conversions between NCHW and NHWC, and when another layout helps."""

from __future__ import annotations

import re
from collections.abc import Iterator

from sdtrace.findings.evidence import Evidence
from sdtrace.findings.finding import Finding, rows_of
from sdtrace.findings.text import percent

TO_NHWC = re.compile(
    r"nchwToNhwc|nhwcToNchw|nchw2nhwc|nhwc2nchw|nchw_to_nhwc|batched_transpose", re.IGNORECASE
)
"""Kernels of cuDNN and MIOpen that convert what a convolution reads or writes."""
_SHARE = 5.0
_WEIGHTS_SHARE = 2.0
"""Percent of steady GPU time. Weights converted each time are pure loss: removing them took as much off
the GPU time of the pipelines that were measured."""


def find(e: Evidence) -> Iterator[Finding]:
    """Conversions of activations, and of weights."""
    yield from _activations(e)
    yield from _weights(e)


def _activations(e: Evidence) -> Iterator[Finding]:
    ns = e.conversions.eager_ns + e.conversions.compiled_ns
    if e.steady_share(ns) < _SHARE:
        return
    rows = [row for row in e.steady_kernels if TO_NHWC.search(row.name)]
    mostly_compiled = e.conversions.compiled_ns > e.conversions.eager_ns
    yield Finding(
        "device.layout",
        "low",
        "Convolutions convert their input between NCHW and NHWC every time",
        f"{percent(ns, e.steady_work_ns)} of steady GPU time in "
        f"{sum(row.calls for row in rows):,} conversions, "
        f"{percent(e.conversions.compiled_ns, ns)} of it in compiled code.",
        _in_compiled_code(e) if mostly_compiled else _in_eager_code(e),
        confidence="likely",
        evidence_rows=rows_of("kernels", [row.name for row in rows]),
        verify=e.steady_work(f"name ~* '{TO_NHWC.pattern}'"),
    )


def _in_eager_code(e: Evidence) -> str:
    return (
        "channels_last alone does not help here: in eager mode the ops between convolutions convert back. "
        "It did not help in any of four measured pipelines. "
        f"Compile this part first{e.variant_hint('bf16_sdpa')}; then measure it with channels_last too."
    )


def _in_compiled_code(e: Evidence) -> str:
    return (
        "Measure `model.to(memory_format=torch.channels_last)`"
        f"{e.variant_hint('bf16_sdpa_channels_last')}: what is fused between these convolutions takes NHWC. "
        "It saves the conversions, but fused norms can get slower by more."
    )


def _weights(e: Evidence) -> Iterator[Finding]:
    ns, names = e.conversions.weights_ns, e.conversions.weight_kernels
    if e.steady_share(ns) < _WEIGHTS_SHARE:
        return
    yield Finding(
        "device.weight_layout",
        "medium",
        "Compiled code converts the weights of convolutions in every call",
        f"{percent(ns, e.steady_work_ns)} of steady GPU time, in {len(names)} kernels that copy a weight "
        "into another layout.",
        "Convert them once, before you compile: `model.to(memory_format=torch.channels_last)`"
        f"{e.variant_hint('bf16_sdpa_channels_last')}.",
        saving_ns=e.per_iteration(ns),
        confidence="likely",
        evidence_rows=rows_of("kernels", names),
        verify=e.trial("bf16_sdpa_channels_last", e.steady_work("name ~ '^triton_poi_fused.*convolution'")),
    )
