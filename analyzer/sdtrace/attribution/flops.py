"""Floating-point operations of an op, from the shapes and arguments the profiler recorded with it.

A multiply and an add count as two. For the ops in `TORCH_FLOP_OPS` the number is the one torch itself
reports (`with_flops=True`; `computeFlops` in torch/csrc/profiler/util.cpp), simplifications included: bias is
free, `add` and `mul` cost one operation per element of their first argument. For the others it is the one of
`torch.utils.flop_counter` where that counts the op.

Two ways to sum: torch's table adds up every event of `TORCH_FLOP_OPS`. The work itself is the sum over
`outermost(...)` of all `FLOP_OPS`, because `aten::linear` and the `aten::addmm` inside it are one product.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from math import prod
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

from sdtrace.attribution.nesting import first_outside

_Args: TypeAlias = Mapping[str, object]
_Shape: TypeAlias = Sequence[int]
_Counter: TypeAlias = Callable[[_Args], int]


_LIMIT = 1 << 62
"""More than any machine does in a year: shapes that give this are damaged."""


def flops_of(op_name: str, args: Mapping[str, object]) -> int:
    """Operations of one event; 0 for an op that is not counted or recorded without what it takes.

    `args` is the event's own, as Kineto writes it: `Input Dims` (a shape per input, [] for what is no
    tensor), `Concrete Inputs` (a string per input; needed for convolutions) and `Input type`.
    """
    counter = _COUNTERS.get(op_name)
    flops = counter(args) if counter is not None else 0
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


def _shape(args: _Args, index: int) -> _Shape | None:
    shapes = args.get("Input Dims")
    if not isinstance(shapes, Sequence) or index >= len(shapes):
        return None
    shape = shapes[index]
    if not isinstance(shape, Sequence) or not all(isinstance(size, int) for size in shape):
        return None
    return shape


def _is_tensor(args: _Args, index: int) -> bool:
    types = args.get("Input type")
    if not isinstance(types, Sequence) or index >= len(types):
        return True
    return types[index] not in ("", "Scalar")


def _integers(args: _Args, index: int) -> list[int] | None:
    values = args.get("Concrete Inputs")
    if not isinstance(values, Sequence) or index >= len(values):
        return None
    return [int(number) for number in re.findall(r"-?\d{1,18}", str(values[index]))] or None


def _matrix_product(left: int, right: int) -> _Counter:
    """(n, k) by (k, m), at these inputs."""

    def count(args: _Args) -> int:
        a, b = _shape(args, left), _shape(args, right)
        if not a or not b or not a[-1]:
            return 0
        return 2 * (prod(a) // a[-1]) * prod(b)

    return count


def _batched_product(left: int, right: int) -> _Counter:
    """(b, n, k) by (b, k, m), at these inputs."""

    def count(args: _Args) -> int:
        a, b = _shape(args, left), _shape(args, right)
        if not a or not b or not a[-1] or not a[0]:
            return 0
        return 2 * (prod(a) // a[-1] // a[0]) * prod(b)

    return count


def _linear(args: _Args) -> int:
    x, weight = _shape(args, 0), _shape(args, 1)
    if not x or not weight or len(weight) != 2:
        return 0
    return 2 * prod(x) * weight[0]


def _conv2d(args: _Args) -> int:
    """As torch counts it: batched input only, and nothing for `padding="same"`, whose inner op is counted."""
    x = _shape(args, 0)
    lists = [_integers(args, index) for index in (3, 4, 5)]
    if x is None or len(x) != 4 or any(values is None or len(values) != 2 for values in lists):
        return 0
    return _convolution(3, 4, 5)(args)


def _convolution(stride: int, padding: int, dilation: int) -> _Counter:
    """A convolution of any rank with its arguments at these inputs: each output takes one weight's fan-in."""

    def count(args: _Args) -> int:
        x, weight = _shape(args, 0), _shape(args, 1)
        if not x or not weight or len(weight) < 3:
            return 0
        rank = len(weight) - 2
        lists = [_per_dimension(_integers(args, index), rank) for index in (stride, padding, dilation)]
        if len(x) < rank or any(len(values) != rank for values in lists) or 0 in lists[0]:
            return 0
        outputs: list[int] = [
            (size + 2 * pad - spread * (kernel - 1) - 1) // step + 1
            for size, kernel, step, pad, spread in zip(x[-rank:], weight[2:], *lists, strict=True)
        ]
        return 2 * _batch(x, rank) * prod(outputs) * prod(weight)

    return count


def _transposed_convolution(args: _Args) -> int:
    """Each input element meets every weight of its channel; padding and stride only say where results go."""
    x, weight = _shape(args, 0), _shape(args, 1)
    if not x or not weight or len(weight) < 3:
        return 0
    rank = len(weight) - 2
    return 2 * _batch(x, rank) * prod(x[-rank:]) * prod(weight)


def _any_convolution(args: _Args) -> int:
    """`aten::convolution`, whose seventh input says whether it is transposed."""
    values = args.get("Concrete Inputs")
    if isinstance(values, Sequence) and len(values) > 6 and values[6] == "True":
        return _transposed_convolution(args)
    return _convolution(3, 4, 5)(args)


def _per_dimension(values: list[int] | None, rank: int) -> list[int]:
    if values is None:
        return []
    return values * rank if len(values) == 1 else values[:rank]


def _batch(x: _Shape, rank: int) -> int:
    return x[0] if len(x) == rank + 2 else 1


def _attention(heads_last: bool) -> _Counter:
    """Q by K transposed, then by V; a causal mask does not lower the count. Shared K/V heads are repeated."""

    def count(args: _Args) -> int:
        shapes = [_shape(args, index) for index in (0, 1, 2)]
        if any(shape is None or len(shape) < 2 for shape in shapes):
            return 0
        q, k, v = (_heads_first(shape or (), heads_last) for shape in shapes)
        if len(q) != len(k):
            return 0
        groups = prod(max(sizes) for sizes in zip(q[:-2], k[:-2], strict=True))
        return 2 * groups * q[-2] * k[-2] * (q[-1] + v[-1])

    return count


def _heads_first(shape: _Shape, heads_last: bool) -> _Shape:
    if heads_last and len(shape) == 4:
        return (shape[0], shape[2], shape[1], shape[3])
    return shape


def _per_element(args: _Args) -> int:
    shape = _shape(args, 0)
    return prod(shape) if shape is not None and _is_tensor(args, 0) else 0


TORCH_FLOP_OPS = frozenset(
    {"aten::conv2d", "aten::mm", "aten::addmm", "aten::bmm", "aten::baddbmm", "aten::mul", "aten::add"}
)
"""The ops for which torch's own table has a FLOPs figure."""

_COUNTERS: dict[str, _Counter] = {
    "aten::mm": _matrix_product(0, 1),
    "aten::_int_mm": _matrix_product(0, 1),
    "aten::_scaled_mm": _matrix_product(0, 1),
    "aten::addmm": _matrix_product(1, 2),
    "aten::_addmm_activation": _matrix_product(1, 2),
    "aten::bmm": _batched_product(0, 1),
    "aten::baddbmm": _batched_product(1, 2),
    "aten::linear": _linear,
    "aten::conv1d": _convolution(3, 4, 5),
    "aten::conv2d": _conv2d,
    "aten::conv3d": _convolution(3, 4, 5),
    "aten::convolution": _any_convolution,
    "aten::_convolution": _any_convolution,
    "aten::convolution_overrideable": _any_convolution,
    "aten::cudnn_convolution": _convolution(3, 2, 4),
    "aten::miopen_convolution": _convolution(4, 3, 5),
    "aten::mkldnn_convolution": _convolution(4, 3, 5),
    "aten::cudnn_convolution_transpose": _transposed_convolution,
    "aten::conv_transpose1d": _transposed_convolution,
    "aten::conv_transpose2d": _transposed_convolution,
    "aten::conv_transpose3d": _transposed_convolution,
    "aten::scaled_dot_product_attention": _attention(heads_last=False),
    "aten::_scaled_dot_product_attention_math": _attention(heads_last=False),
    "aten::_scaled_dot_product_flash_attention": _attention(heads_last=False),
    "aten::_scaled_dot_product_flash_attention_for_cpu": _attention(heads_last=False),
    "aten::_scaled_dot_product_efficient_attention": _attention(heads_last=False),
    "aten::_scaled_dot_product_cudnn_attention": _attention(heads_last=False),
    "aten::_scaled_dot_product_fused_attention_overrideable": _attention(heads_last=False),
    "aten::_flash_attention_forward": _attention(heads_last=True),
    "aten::_efficient_attention_forward": _attention(heads_last=True),
    "aten::_cudnn_attention_forward": _attention(heads_last=False),
    **dict.fromkeys(
        [
            "aten::add",
            "aten::add_",
            "aten::sub",
            "aten::sub_",
            "aten::mul",
            "aten::mul_",
            "aten::div",
            "aten::div_",
        ],
        _per_element,
    ),
}

FLOP_OPS = frozenset(_COUNTERS)
"""All ops that are counted, enclosing and enclosed ones alike: see `outermost`."""
