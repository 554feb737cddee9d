"""Weights that come to the device once, before its first kernel: `model.to("cuda")` under the profiler."""

from __future__ import annotations

import re
from typing import Final

import numpy as np

from sdtrace.attribution.event_selection import named_like
from sdtrace.attribution.linked_trace import LinkedTrace
from sdtrace.intervals import Bools, Intervals, contains, nothing, union
from sdtrace.phases.silence import spans_of

_STEP: Final = re.compile(r"^ProfilerStep")
_TO_DEVICE: Final = re.compile(r"HtoD|HostToDevice|M2D")
_WEIGHTS: Final = 50_000_000
"""Bytes of weights at least; inputs are smaller."""
_TENSORS: Final = 8
"""Copies of weights at least; inputs are a few tensors."""
_NEARLY_ALL: Final = 0.9
"""Share of all bytes that come to the device: weights that come again are not loaded once."""


def loading(linked: LinkedTrace) -> Intervals:
    """When weights were copied to the device, host time.

    Nothing where they come again later, nor in a step of the profiler's: what comes there is its data.
    """
    trace, work = linked.trace, linked.work
    kernels = trace.in_categories({"kernel"})[work.row]
    inward = _to_device(linked)
    first = trace.start_ns[work.row[kernels]].min(initial=np.iinfo(np.int64).max)
    early = inward & (trace.end_ns[work.row] <= first) & (work.launch >= 0)
    came, whole = (int(trace.nbytes[work.row[mine]].clip(min=0).sum()) for mine in (early, inward))
    if not kernels.any() or early.sum() < _TENSORS or came < max(_WEIGHTS, _NEARLY_ALL * whole):
        return nothing()
    calls = work.launch[early]
    found = union(trace.start_ns[calls].min(keepdims=True), trace.end_ns[calls].max(keepdims=True))
    steps = spans_of(linked, named_like(linked, _STEP, {"user_annotation", "cpu_op"}))
    return nothing() if steps.start.size and contains(steps, found.start).any() else found


def _to_device(linked: LinkedTrace) -> Bools:
    """Which pieces of work are copies from the host's memory to the device."""
    trace, row = linked.trace, linked.work.row
    found: Bools = (
        trace.names_matching(_TO_DEVICE)[trace.name[row]] & trace.in_categories({"gpu_memcpy"})[row]
    )
    return found
