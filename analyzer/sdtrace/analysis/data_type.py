"""The data type of a program, by what its matrix products and convolutions take in.

Where no inputs are recorded, as inside CUDA graphs, the names of their kernels tell.
"""

from __future__ import annotations

import re
from typing import Final

import numpy as np

from sdtrace.analysis.speed_of_light import WorkStudy
from sdtrace.attribution.host import sum_by
from sdtrace.phases.timeline import STEADY

_PRODUCTS: Final = frozenset({"gemm", "convolution"})
_FLOATS: Final = re.compile(r"\b(?:b?float\d+\w*)\b")
_TENSILE: Final = "^Cijk_A[ijkl]+_B[ijkl]+_"
"""What AMD's matrix products are called; the letters that follow are their types."""
_KERNELS: Final = {
    "bfloat16": re.compile(rf"bf16|bfloat16|{_TENSILE}B(?:BS|SS|_BS|_SS)_"),
    "float16": re.compile(
        rf"{_TENSILE}H(?:HS|SS|_HS|_SS|B|_B)_|(?<![a-z])f16|fp16|hgemm|h884|h1688|h16816|\bhalf\b|__half"
    ),
    "float32": re.compile(rf"sgemm|f32f32_f32f32|_ffma_|gemm_fp32|tf32|s1688|<float|{_TENSILE}S(?:B|_B)_"),
}
"""What kernels of products call their inputs; the first that fits, for results and sums are named too."""
_ALL, _MOST = 0.95, 0.5
"""Shares of the time of products from which a type is that of all, or of most of them."""


def data_type(work: WorkStudy) -> str:
    """`float32`, or `bfloat16 (most matmuls)`; '' where neither inputs nor kernels tell of most products.

    By GPU time of steady work, or of all where none is. Only the type of the first input counts: biases and
    sums may be of a wider one.
    """
    study = work.study
    trace, row = study.trace, study.linked.work.row
    steady = study.phases.work_mask(STEADY)
    products = np.array([name in _PRODUCTS for name in study.categorized.categories], np.bool_)
    chosen = products[study.categorized.code]
    mine = np.flatnonzero(chosen & steady if steady.any() else chosen)
    if not mine.size:
        return ""
    names = list(_KERNELS)
    inputs = [_FLOATS.search(kind.types) for kind in work.works]
    names += sorted({each[0] for each in inputs if each is not None}.difference(names))
    code = np.array([-1 if each is None else names.index(each[0]) for each in inputs] + [-1], np.int64)
    types = code[work.named.kind[mine]]
    kernel = trace.name[row[mine]]
    for number, pattern in enumerate(_KERNELS.values()):
        types = np.where((types < 0) & trace.names_matching(pattern)[kernel], number, types)
    ns = trace.dur_ns[row[mine]]
    sums = sum_by(types, ns, len(names))
    most = int(sums.max())
    if most < _MOST * int(ns.sum()):
        return ""
    name = names[int(sums.argmax())]
    return name if most >= _ALL * int(sums.sum()) else f"{name} (most matmuls)"
