"""What one call of each kind of op is as work: operations, bytes, and the least time it could take."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any, Final

import msgspec
import numpy as np

from sdtrace.attribution.flops import flops_of
from sdtrace.attribution.linked_trace import LinkedTrace
from sdtrace.model.work import Peaks
from sdtrace.roofline.arguments import Tensor, parse_arguments
from sdtrace.roofline.limits import Roof, roof_of
from sdtrace.roofline.named_work import Kind, NamedWork
from sdtrace.roofline.needed import needed_flops
from sdtrace.roofline.traffic import Traffic, list_dtype_of, traffic_of
from sdtrace.roofline.triton import TEMPLATE, KernelFacts, kernel_facts, triton_traffic

_TF32: Final = re.compile(r"tf32|s1688|TF32")
"""Names of kernels that multiply float32 on tensor cores (cuBLAS, cuDNN, CUTLASS)."""


@dataclass(frozen=True)
class KindWork:
    """One kind of op: what a call of it computes and moves.

    `dims` and `types` are those of its tensors, for people: `2x320x64x64, 320` and `bfloat16, bfloat16`.
    `flops` are as torch counts them, `needed_flops` those that the least time rests on (see `needed`).
    `traffic` is None where it is not known, `roof` where the card's peaks are not, or the traffic is a guess.
    """

    kind: Kind
    dims: str
    types: str
    flops: int
    needed_flops: int
    traffic: Traffic | None
    dtype: str | None
    roof: Roof | None

    @property
    def moved(self) -> int | None:
        """Bytes read and written together."""
        return None if self.traffic is None else self.traffic.bytes_read + self.traffic.bytes_written


def work_of_kinds(linked: LinkedTrace, named: NamedWork, peaks: Peaks | None) -> list[KindWork]:
    """The work of a call of each of `named.kinds`."""
    kernels = _kernel_names(linked, named)
    facts = kernel_facts(linked.trace.run)
    return [_work_of(kind, names, peaks, facts) for kind, names in zip(named.kinds, kernels, strict=True)]


def _kernel_names(linked: LinkedTrace, named: NamedWork) -> list[list[str]]:
    """The names of the device work of each kind, the first that ran first."""
    trace, work = linked.trace, linked.work
    known = np.flatnonzero(named.kind >= 0)
    code = named.kind[known] * len(trace.names) + trace.name[work.row[known]]
    codes, first = np.unique(code, return_index=True)
    names: list[list[str]] = [[] for _ in named.kinds]
    for value in codes[np.argsort(first)].tolist():
        names[value // len(trace.names)].append(trace.names[value % len(trace.names)])
    return names


def _work_of(kind: Kind, kernels: list[str], peaks: Peaks | None, facts: KernelFacts) -> KindWork:
    args = _decoded(kind.args)
    list_dtype = list_dtype_of(kernels[0]) if kernels else None
    tensors = list(parse_arguments(args, list_dtype).all())
    cache_bytes = None if peaks is None else peaks.l2_bytes
    traffic = triton_traffic(kind.op, args, facts, cache_bytes) or traffic_of(kind.op, args, list_dtype)
    flops = flops_of(kind.op, args)
    dtype = traffic.compute_dtype if traffic is not None else None
    if dtype == "float32" and any(map(_TF32.search, kernels)):
        dtype = "tf32"
    is_graded = traffic is not None and traffic.exact and (_is_counted(kind.op, flops, tensors, dtype))
    needed = needed_flops(kind.op, args, flops)
    roof = roof_of(needed, traffic, peaks, dtype) if peaks is not None and is_graded else None
    return KindWork(kind, _dims(tensors), _types(tensors), flops, needed, traffic, dtype, roof)


def _is_counted(op: str, flops: int, tensors: list[Tensor], dtype: str | None) -> bool:
    """Whether operations and type of a template are known: which units it uses for float32 is not recorded.

    Neither is which blocks a mask leaves out of an attention. The blocks' places are the only tensors of four
    dimensions that hold whole numbers; they are one where there is no mask.
    """
    if not op.startswith(TEMPLATE):
        return True
    places = [tensor for tensor in tensors if tensor.dtype == "int32" and len(tensor.shape) == 4]
    return flops > 0 and dtype != "float32" and all(place.elements == 1 for place in places)


def _decoded(text: str) -> dict[str, Any]:
    try:
        args = msgspec.json.decode(text or "{}")
    except (msgspec.DecodeError, RecursionError):
        return {}
    return args if isinstance(args, dict) else {}


def _dims(tensors: list[Tensor]) -> str:
    return ", ".join("x".join(map(str, tensor.shape)) or "scalar" for tensor in tensors)


def _types(tensors: list[Tensor]) -> str:
    return ", ".join(tensor.dtype or "?" for tensor in tensors)
