"""Shapes of results."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import zip_longest

Shape = tuple[int, ...]


def broadcast(shapes: Iterable[Sequence[int]]) -> Shape | None:
    """The shape that all expand to; None where they do not fit.

    >>> broadcast([(2, 1, 4), (3, 1)])
    (2, 3, 4)
    """
    result: list[int] = []
    for shape in shapes:
        pairs = list(zip_longest(reversed(result), reversed(shape), fillvalue=1))
        if any(a != b and 1 not in (a, b) for a, b in pairs):
            return None
        result = [b if a == 1 else a for a, b in reversed(pairs)]
    return tuple(result)


def reduced(shape: Sequence[int], dims: Sequence[int], *, keep: bool) -> Shape | None:
    """Without the dimensions `dims` (without any if it is empty), or with 1 in their place.

    None for a dimension that the shape does not have.
    """
    rank = len(shape)
    if any(not -max(rank, 1) <= dim < max(rank, 1) for dim in dims):
        return None
    gone = {dim % rank for dim in dims} if dims and rank else set(range(rank))
    if keep:
        return tuple(1 if index in gone else size for index, size in enumerate(shape))
    return tuple(size for index, size in enumerate(shape) if index not in gone)


def with_size(shape: Sequence[int], dim: int, size: int) -> Shape | None:
    """With `size` in dimension `dim`; None where there is no such dimension."""
    if not -len(shape) <= dim < len(shape):
        return None
    dim %= len(shape)
    return (*shape[:dim], size, *shape[dim + 1 :])


def padded(shape: Sequence[int], pads: Sequence[int]) -> Shape | None:
    """With (before, after) of the last dimension, then of the one before it, and so on, added."""
    if len(pads) % 2 or len(pads) > 2 * len(shape):
        return None
    sizes = list(shape)
    for index in range(len(pads) // 2):
        sizes[-1 - index] += pads[2 * index] + pads[2 * index + 1]
    return tuple(sizes) if min(sizes, default=0) >= 0 else None


def pooled(
    size: int, kernel: int, stride: int, padding: int, dilation: int = 1, *, ceil: bool = False
) -> int:
    """How many windows of a pooling fit one dimension (torch.nn.MaxPool2d)."""
    spare = size + 2 * padding - dilation * (kernel - 1) - 1
    count = (spare + (stride - 1 if ceil else 0)) // stride + 1
    return count - 1 if ceil and (count - 1) * stride >= size + padding else count
