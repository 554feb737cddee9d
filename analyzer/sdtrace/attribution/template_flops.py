"""Operations of Inductor's Triton templates: products and convolutions with what was fused into them.

A template's name lists the ops in it, its arguments end with the result. What it multiplies are two tensors
next to each other; a bias or another operand of what was fused may stand before or behind them.
"""

from __future__ import annotations

import re
from itertools import pairwise
from math import isqrt, prod

from sdtrace.attribution.op_arguments import Args, Shape, is_tensor, shape_at

_TEMPLATE = re.compile(r"triton_tem_fused_(\w+)")
_PRODUCT = re.compile(r"(?:^|_)(?:add|badd|_int_)?b?mm(?=_|$)")
_CONVOLUTION = re.compile(r"(?:^|_)convolution(?!_backward)(?=_|$)")


def template_flops(name: str, args: Args) -> int:
    """Operations of one launch; 0 where it is no such template, or the shapes do not tell.

    >>> template_flops("triton_tem_fused_mm_0", {"Input Dims": [[4, 5], [5, 6], [4, 6]]})
    240
    """
    found = _TEMPLATE.match(name)
    if found is None:
        return 0
    shapes = _shapes(args)
    if len(shapes) < 3:
        return 0
    *given, result = shapes
    flops = _convolution(given, result) if _CONVOLUTION.search(found[1]) else 0
    return flops or (_product(given, result) if _PRODUCT.search(found[1]) else 0)


def _shapes(args: Args) -> list[Shape]:
    """Of the tensors that hold something, in order."""
    dims = args.get("Input Dims")
    indexes = range(len(dims)) if isinstance(dims, list) else range(0)
    shapes = (shape_at(args, index) for index in indexes if is_tensor(args, index))
    return [shape for shape in shapes if shape and min(shape) > 0]


def _convolution(given: list[Shape], result: Shape) -> int:
    """Each element of the result takes a filter; one of 1 x 1 may be a product of (positions, channels)."""
    for x, weight in pairwise(given):
        if len(x) < 3 or len(x) != len(weight) or x[1] % weight[1]:
            continue
        channels = result[1] if len(result) == len(x) else result[-1]
        if channels == weight[0]:
            return 2 * prod(result) * prod(weight[1:])
    return 0


def _product(given: list[Shape], result: Shape) -> int:
    """(n, k) by (k, m), or as many as the result's first dimension of three says."""
    batch = result[0] if len(result) == 3 else 1
    sizes = [(_inner(a, b, result, batch), a, b) for a, b in pairwise(given)]
    known = [inner for inner, a, b in sizes if inner and inner in a and inner in b]
    any_known = known or [inner for inner, a, b in sizes if inner and min(len(a), len(b)) >= 2]
    return 2 * prod(result) * any_known[0] if any_known else 0


def _inner(a: Shape, b: Shape, result: Shape, batch: int) -> int:
    """The size that a product of tensors of these sizes sums over; 0 where they are no product."""
    square, rest = divmod(prod(a) * prod(b), prod(result) * batch)
    inner = isqrt(square)
    fits = not rest and inner * inner == square and inner > 0
    return inner if fits and not prod(a) % (inner * batch) and not prod(b) % (inner * batch) else 0
