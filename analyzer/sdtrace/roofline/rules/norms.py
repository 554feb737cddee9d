"""Normalisations and softmax, forward and backward."""

from __future__ import annotations

from math import prod
from typing import Final

from sdtrace.roofline.arguments import Arguments, Tensor
from sdtrace.roofline.dtypes import accumulated
from sdtrace.roofline.moved import Moved, Rule, result
from sdtrace.roofline.rules.elementwise import elementwise, like_first


def row_norm(statistics: int, inputs: int) -> Rule:
    """Over the last dimensions, with one or two numbers a row kept for the backward pass."""

    def rule(arguments: Arguments) -> Moved | None:
        x = arguments.tensor(0)
        if x is None:
            return None
        count = len(arguments.integers(1)) or 1
        rows = (*x.shape[: len(x.shape) - count], *[1] * count)
        kept = [Tensor(rows, accumulated(x.dtype or ""))] * statistics
        return Moved(arguments.at(*range(inputs)), (result(x.shape, x.dtype), *kept))

    return rule


def group_norm(arguments: Arguments) -> Moved | None:
    """Over groups of channels; mean and deviation of each group of each sample are kept."""
    x, weight = arguments.tensor(0), arguments.tensor(1)
    if x is None:
        return None
    kept = Tensor((arguments.integer(3, 0), arguments.integer(6, 0)), (weight or x).dtype)
    return Moved(arguments.at(0, 1, 2), (result(x.shape, x.dtype), kept, kept))


def batch_norm(arguments: Arguments) -> Moved | None:
    """Over all but the channels; training keeps statistics and updates the running ones."""
    x = arguments.tensor(0)
    if x is None:
        return None
    writes = [result(x.shape, x.dtype)]
    if arguments.flag(5) and len(x.shape) > 1:
        writes += [Tensor((x.shape[1],), accumulated(x.dtype or ""))] * 2 + list(arguments.at(3, 4))
    return Moved(arguments.at(*range(5)), tuple(writes))


def norm_backward(x: int, weight: int, reads: tuple[int, ...], mask: int, *, bias: bool = True) -> Rule:
    """Gradients of x, weight and bias, as far as the mask asks for them (all without a mask)."""

    def rule(arguments: Arguments) -> Moved | None:
        source, scale = arguments.tensor(x), arguments.tensor(weight)
        if source is None:
            return None
        wanted = arguments.flags(mask) or [True] * 3
        parts = (source, scale, scale if bias else None)
        pairs = zip(parts, wanted, strict=False)
        writes = tuple(result(t.shape, t.dtype) for t, asked in pairs if t is not None and asked)
        return Moved(arguments.at(*reads), writes, compute=source.dtype)

    return rule


def softmax(arguments: Arguments) -> Moved | None:
    """Softmax of half precision may be asked for in float32."""
    x = arguments.tensor(0)
    if x is None:
        return None
    dtype = "float32" if arguments.flag(2) else x.dtype
    return Moved((x,), (result(x.shape, dtype, arguments.after(3)),))


def softmax_backward(arguments: Arguments) -> Moved | None:
    """From the gradient and the result; the gradient of x has the type that x had."""
    moved = elementwise(2)(arguments)
    if moved is None:
        return None
    written = moved.writes[0]
    dtype = arguments.dtype(3) or written.dtype
    return moved._replace(writes=(result(written.shape, dtype, arguments.after(4)),))


def aiter_group_norm(arguments: Arguments) -> Moved | None:
    """x, number of groups, weight, bias, epsilon; the result is like x."""
    moved = like_first(len(arguments))(arguments)
    return None if moved is None or not prod(moved.writes[0].shape) else moved


_BATCH_BACKWARD: Final = norm_backward(0, 2, (0, 1, 2, 5, 6), -1)

RULES: Final[dict[str, Rule]] = {
    "aten::native_layer_norm": row_norm(2, 4),
    "aten::_fused_rms_norm": row_norm(1, 3),
    "aten::native_group_norm": group_norm,
    **dict.fromkeys(
        ("aten::native_batch_norm", "aten::cudnn_batch_norm", "aten::miopen_batch_norm"), batch_norm
    ),
    "aten::native_layer_norm_backward": norm_backward(1, 5, (0, 1, 3, 4, 5), 7),
    "aten::_fused_rms_norm_backward": norm_backward(1, 4, (0, 1, 3, 4), 5, bias=False),
    "aten::native_group_norm_backward": norm_backward(1, 4, (0, 1, 2, 3, 4), 9),
    "aten::native_batch_norm_backward": norm_backward(1, 2, (0, 1, 2, 5, 6), 9),
    "aten::cudnn_batch_norm_backward": _BATCH_BACKWARD,
    "aten::miopen_batch_norm_backward": _BATCH_BACKWARD,
    "aten::_softmax": softmax,
    "aten::_log_softmax": softmax,
    "aten::_softmax_backward_data": softmax_backward,
    "aten::_log_softmax_backward_data": softmax_backward,
    "aiter::_groupnorm_run": aiter_group_norm,
}
