"""Floating-point operations of an op, from the shapes and arguments the profiler recorded with it.

A multiply and an add count as two. For the ops in `TORCH_FLOP_OPS` the number is the one torch itself
reports (`with_flops=True`; `computeFlops` in torch/csrc/profiler/util.cpp), simplifications included: bias is
free, `add` and `mul` cost one operation per element of their first argument. For the others it is the one of
`torch.utils.flop_counter` where that counts the op, and by the same rules where it does not: grouped and
scaled products, attention of other libraries. A product of packed 4-bit numbers, two in a byte, counts
both, where torch's counter takes the byte for one.

Two ways to sum: torch's table adds up every event of `TORCH_FLOP_OPS`. The work itself is the sum over
`outermost(...)` of all `FLOP_OPS`, because `aten::linear` and the `aten::addmm` inside it are one product.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from math import prod
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

from sdtrace.attribution.attention_ops import ATTENTION, attention_flops
from sdtrace.attribution.convolutions import (
    CONVOLUTIONS,
    convolution_backward_flops,
    convolution_flops,
)
from sdtrace.attribution.nesting import first_outside
from sdtrace.attribution.op_arguments import Args, integers_at, is_tensor, shape_at, type_at
from sdtrace.attribution.template_flops import template_flops

_Counter: TypeAlias = Callable[[Args], int]


_LIMIT = 1 << 62
"""More than any machine does in a year: shapes that give this are damaged."""


def flops_of(op_name: str, args: Mapping[str, object]) -> int:
    """Operations of one event; 0 for an op that is not counted or recorded without what it takes.

    `args` is the event's own, as Kineto writes it: `Input Dims` (a shape per input, [] for what is no
    tensor), `Concrete Inputs` (a string per input; needed for convolutions) and `Input type`.

    >>> flops_of("aten::mm", {"Input Dims": [[4, 5], [5, 6]]})
    240
    """
    counter = _COUNTERS.get(op_name)
    if counter is not None:
        flops = counter(args)
    else:
        flops = attention_flops(op_name, args) or template_flops(op_name, args)
    return flops if 0 <= flops < _LIMIT else 0


def outermost(flops: npt.NDArray[np.int64], parents: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
    """`flops` per event with 0 where an enclosing event counts the same work.

    `parents` holds the index of each event's parent, -1 for none; both have shape (events,).
    """
    counted = np.flatnonzero(flops > 0)
    inside = first_outside(parents, flops <= 0, parents[counted]) >= 0
    result = flops.copy()
    result[counted[inside]] = 0
    return result


def _matrix_product(left: int, right: int) -> _Counter:
    """(n, k) by (k, m), at these inputs."""

    def count(args: Args) -> int:
        a, b = shape_at(args, left), shape_at(args, right)
        if not a or not b or not a[-1]:
            return 0
        return 2 * (prod(a) // a[-1]) * prod(b) * _values_per_item(args, left)

    return count


def _values_per_item(args: Args, index: int) -> int:
    return 2 if type_at(args, index).endswith("_x2") else 1


def _batched_product(left: int, right: int) -> _Counter:
    """(b, n, k) by (b, k, m), at these inputs."""

    def count(args: Args) -> int:
        a, b = shape_at(args, left), shape_at(args, right)
        if not a or not b or not a[-1] or not a[0]:
            return 0
        return 2 * (prod(a) // a[-1] // a[0]) * prod(b)

    return count


def _grouped_product(args: Args) -> int:
    """Products of one group each: rows, columns or the inner size are divided among the groups.

    (n, k) by (g, k, m), (g, n, k) by (k, m) and (n, k) by (k, m) are as much as one product of these
    n, k and m; (g, n, k) by (g, k, m) are g.
    """
    a, b = shape_at(args, 0), shape_at(args, 1)
    if not a or not b or not {len(a), len(b)} <= {2, 3}:
        return 0
    groups = a[0] if len(a) == len(b) == 3 else 1
    return 2 * groups * a[-2] * a[-1] * b[-1] * _values_per_item(args, 0)


def _linear(args: Args) -> int:
    x, weight = shape_at(args, 0), shape_at(args, 1)
    if not x or not weight or len(weight) != 2:
        return 0
    return 2 * prod(x) * weight[0]


def _conv2d(args: Args) -> int:
    """As torch counts it: batched input only, and nothing for `padding="same"`, whose inner op is counted."""
    x = shape_at(args, 0)
    lists = [integers_at(args, index) for index in (3, 4, 5)]
    if x is None or len(x) != 4 or any(values is None or len(values) != 2 for values in lists):
        return 0
    return convolution_flops("aten::conv2d", args)


def _per_element(args: Args) -> int:
    shape = shape_at(args, 0)
    return prod(shape) if shape is not None and is_tensor(args, 0) else 0


TORCH_FLOP_OPS = frozenset(
    {"aten::conv2d", "aten::mm", "aten::addmm", "aten::bmm", "aten::baddbmm", "aten::mul", "aten::add"}
)
"""The ops for which torch's own table has a FLOPs figure."""

_PER_ELEMENT = ("add", "add_", "sub", "sub_", "mul", "mul_", "div", "div_")

_COUNTERS: dict[str, _Counter] = {
    **{name: partial(convolution_flops, name) for name in CONVOLUTIONS},
    **{name: partial(attention_flops, name) for name in ATTENTION},
    **{f"aten::{name}": _per_element for name in _PER_ELEMENT},
    "aten::conv2d": _conv2d,
    "aten::convolution_backward": convolution_backward_flops,
    "aten::mm": _matrix_product(0, 1),
    "aten::_int_mm": _matrix_product(0, 1),
    "aten::_scaled_mm": _matrix_product(0, 1),
    "aten::_scaled_mm_v2": _matrix_product(0, 1),
    "aten::addmm": _matrix_product(1, 2),
    "aten::addmm_": _matrix_product(1, 2),
    "aten::_addmm_activation": _matrix_product(1, 2),
    "aten::bmm": _batched_product(0, 1),
    "aten::baddbmm": _batched_product(1, 2),
    "aten::baddbmm_": _batched_product(1, 2),
    "aten::_grouped_mm": _grouped_product,
    "aten::_scaled_grouped_mm": _grouped_product,
    "aten::_scaled_grouped_mm_v2": _grouped_product,
    "aten::linear": _linear,
    "aten::_weight_int8pack_mm": _linear,
}

FLOP_OPS = frozenset(_COUNTERS)
"""All ops that are counted by a name of their own, enclosing and enclosed ones alike: see `outermost`."""
