"""Which device work a compiler could fuse: that of torch's own ops, whose code it knows."""

from __future__ import annotations

import re
from typing import Final

import numpy as np

from sdtrace.attribution.linked_trace import LinkedTrace
from sdtrace.intervals import Bools

_CUSTOM: Final = re.compile(r"^(?!(?:aten|autograd|torch|prims?|c10d|profiler)::)\w+::\w")
"""Ops of libraries, such as `vllm::`, `_C::`, `aiter::`: for a compiler each is one call."""
_TORCHS_KERNEL: Final = re.compile(r"\bat::native::|\b(?:elementwise|reduce)_kernel\b|\bCatArray")


def is_compilable(linked: LinkedTrace) -> Bools:
    """One for each piece of device work: whether it is of an op of torch's own, in no op of a library.

    Where no op launched it, as with a graph's, its kernel must be torch's own.
    """
    trace, host, op = linked.trace, linked.host, linked.work.op
    own_kernel = trace.names_matching(_TORCHS_KERNEL)[trace.name[linked.work.row]]
    is_op = np.append(trace.in_categories({"cpu_op"})[host.row], False)
    is_custom = np.append(trace.names_matching(_CUSTOM)[host.name], False) & is_op
    has_op = is_op[op]
    if not is_custom.any():
        return np.asarray(has_op | own_kernel)
    ops, which = np.unique(op, return_inverse=True)
    within, above = np.zeros(len(ops), np.bool_), ops
    while (above >= 0).any():
        within |= is_custom[above]
        above = np.append(host.tree_parent, -1)[above]
    return np.where(has_op, ~within[which], own_kernel)
