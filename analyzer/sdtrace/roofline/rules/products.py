"""Matrix products, convolutions and attention."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any, Final

from sdtrace.attribution.attention_ops import ATTENTION, NEVER, Attention, attention_sizes
from sdtrace.attribution.convolutions import CONVOLUTIONS, convolution_of, convolution_output
from sdtrace.roofline.arguments import Arguments, Tensor
from sdtrace.roofline.dtypes import accumulated
from sdtrace.roofline.moved import Moved, Rule, result


def product(left: int, *, inputs: int, adds: bool = False, beta: int = -1) -> Rule:
    """(..., n, k) by (k, m) or (..., k, m), at positions `left` and `left` + 1, plus what is at 0.

    A sum whose factor `beta` is 0 is not read. A tensor behind the `inputs` is the output.
    """

    def rule(arguments: Arguments) -> Moved | None:
        a, b = arguments.tensor(left), arguments.tensor(left + 1)
        if a is None or b is None or not a.shape or not b.shape:
            return None
        ignored = beta >= 0 and arguments.numbers(beta)[:1] == [0.0]
        reads = (a, b) if not adds or ignored else (*arguments.at(0), a, b)
        shape = (*a.shape[:-1], *b.shape[-1:]) if len(b.shape) > 1 else a.shape[:-1]
        return Moved(reads, (result(shape, a.dtype, arguments.after(inputs)),), compute=a.dtype)

    return rule


def product_in_place(rule: Rule) -> Rule:
    """The sum at position 0 is written."""

    def in_place(arguments: Arguments) -> Moved | None:
        moved, target = rule(arguments), arguments.tensor(0)
        return None if moved is None or target is None else moved._replace(writes=(target,))

    return in_place


def linear(arguments: Arguments) -> Moved | None:
    """x (..., k) by a weight (m, k), plus a bias (m,)."""
    x, weight = arguments.tensor(0), arguments.tensor(1)
    if x is None or weight is None or not x.shape or len(weight.shape) != 2:
        return None
    return Moved(arguments.at(0, 1, 2), (result((*x.shape[:-1], weight.shape[0]), x.dtype),))


def scaled_product(inputs: int, dtype_at: int, default: str | None = None) -> Rule:
    """A product with scales and perhaps a bias, of a type that an argument names."""

    def rule(arguments: Arguments) -> Moved | None:
        a, b = arguments.tensor(0), arguments.tensor(1)
        if a is None or b is None or not {len(a.shape), len(b.shape)} <= {2, 3}:
            return None
        dtype = arguments.dtype(dtype_at) or default or a.dtype
        shape: tuple[int, ...] = (*a.shape[:-1], b.shape[-1])
        if len(a.shape) == 3 and len(b.shape) == 2:
            shape = (a.shape[1], b.shape[1])
        written = result(shape, dtype, arguments.after(inputs))
        return Moved(arguments.at(*range(inputs)), (written,), compute=a.dtype)

    return rule


def grouped_product(ends: int, dtype_at: int, default: str | None = None) -> Rule:
    """As `scaled_product`, in groups that end where the tensor at `ends` says."""

    def rule(arguments: Arguments) -> Moved | None:
        moved = scaled_product(len(arguments), dtype_at, default)(arguments)
        groups = arguments.tensor(ends)
        if moved is None or groups is None or any(len(t.shape) != 2 for t in arguments.at(0, 1)):
            return moved
        written = moved.writes[0]
        return moved._replace(writes=(result((*groups.shape, *written.shape), written.dtype),))

    return rule


def convolution(name: str, arguments: Arguments) -> Moved | None:
    """x, weight and bias are read; the result has the type of x."""
    args = _as_recorded(arguments)
    op = convolution_of(name, args)
    x = arguments.tensor(0)
    shape = convolution_output(op, args) if op is not None else None
    if op is None or x is None or shape is None or min(shape) < 0:
        return None
    reads = arguments.at(*((0, 1, 2, op.bias) if op.bias > 2 else (0, 1, op.bias)))
    return Moved(reads, (result(shape, x.dtype),))


def convolution_backward(arguments: Arguments) -> Moved | None:
    """What a mask asks for of the gradients of x, weight and bias, from those that it takes."""
    gradient, x, weight = arguments.at(0, 1, 2) if len(arguments.at(0, 1, 2)) == 3 else (None, None, None)
    wanted = arguments.flags(10)
    if gradient is None or x is None or weight is None or len(wanted) != 3:
        return None
    bias = Tensor(tuple(arguments.integers(3)), weight.dtype)
    reads = (gradient, *[weight] * wanted[0], *[x] * wanted[1])
    shapes = zip((x, weight, bias), wanted, strict=True)
    return Moved(reads, tuple(result(t.shape, t.dtype) for t, is_wanted in shapes if is_wanted))


def _as_recorded(arguments: Arguments) -> dict[str, Any]:
    """As the shape functions of attribution take them."""
    return {
        "Input Dims": [t.shape if (t := arguments.tensor(i)) else () for i in range(len(arguments))],
        "Input type": list(arguments.types),
        "Concrete Inputs": list(arguments.values),
    }


def attention(op: Attention, arguments: Arguments) -> Moved | None:
    """Queries, keys, values and what goes with them are read; the result, or three gradients, are written.

    The result has the shape of the queries with the size of a value, and their type; with it go the
    logarithms of the sums, one float32 for each head of each query, where they are asked for.
    """
    sizes = attention_sizes(op, _as_recorded(arguments))
    q = arguments.tensor(op.query)
    if sizes is None or q is None:
        return None
    reads = arguments.at(*(index for index in range(len(arguments)) if index not in op.filled))
    if op.backward:
        inputs = arguments.at(*range(op.query, op.query + 3))
        return Moved(reads, tuple(result(t.shape, t.dtype) for t in inputs), compute=q.dtype)
    rows = (sizes.batch, sizes.heads, sizes.queries)
    written = [result((*q.shape[:-1], sizes.value_size), q.dtype, arguments.tensor(op.result))]
    if op.saves != NEVER and (op.saves < 0 or arguments.flag(op.saves)):
        written.append(Tensor(rows, accumulated(q.dtype or "")))
    return Moved(reads, tuple(written), compute=q.dtype)


def int_product(arguments: Arguments) -> Moved | None:
    """int8 by int8 gives int32."""
    moved = product(0, inputs=2)(arguments)
    return None if moved is None else moved._replace(writes=(result(moved.writes[0].shape, "int32"),))


_ADDED: Final = product(1, inputs=5, adds=True, beta=3)

_NAMED: Final[dict[str, Rule]] = {
    "mm": product(0, inputs=2),
    "bmm": product(0, inputs=2),
    "mv": product(0, inputs=2),
    "addmm": _ADDED,
    "addmv": _ADDED,
    "baddbmm": _ADDED,
    "addmm_": product_in_place(_ADDED),
    "baddbmm_": product_in_place(_ADDED),
    "_addmm_activation": product(1, inputs=6, adds=True, beta=3),
    "linear": linear,
    "_weight_int8pack_mm": linear,
    "_int_mm": int_product,
    "_scaled_mm": scaled_product(8, 6),
    "_scaled_mm_v2": scaled_product(12, 9),
    "_grouped_mm": grouped_product(2, 4),
    "_scaled_grouped_mm": grouped_product(4, 7, "bfloat16"),
    "_scaled_grouped_mm_v2": grouped_product(8, 10, "bfloat16"),
    "convolution_backward": convolution_backward,
}

_bound: Callable[..., Rule] = partial
RULES: Final[dict[str, Rule]] = {
    **{f"aten::{name}": rule for name, rule in _NAMED.items()},
    **{name: _bound(convolution, name) for name in CONVOLUTIONS},
    **{name: _bound(attention, op) for name, op in ATTENTION.items()},
}
