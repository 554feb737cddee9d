"""Every convolution op of torch: where its arguments are, the shape it gives, what it costs.

x is (batch, channels, *space) or, for the `aten::conv*` wrappers, (channels, *space); the weight is
(out channels, channels / groups, *kernel), of a transposed convolution (channels, out channels / groups,
*kernel). Sizes follow torch.nn.Conv2d and torch.nn.ConvTranspose2d; operations torch.utils.flop_counter
(`conv_flop_count`, `conv_backward_flop`): a multiply and an add are two, the bias is free.
"""

from __future__ import annotations

from math import prod
from typing import NamedTuple

from sdtrace.attribution.op_arguments import Args, Shape, flags_at, integers_at, shape_at, text_at


class Convolution(NamedTuple):
    """Which input of the op is what; -1 for what it does not take."""

    stride: int
    padding: int
    dilation: int = -1
    bias: int = 2
    transposed: bool = False
    output_padding: int = -1
    groups: int = -1


_CONV = Convolution(3, 4, 5)
_CONV_TRANSPOSE = Convolution(3, 4, 7, transposed=True, output_padding=5, groups=6)
_EITHER = (_CONV, Convolution(3, 4, 5, transposed=True, output_padding=7, groups=8))
_SAYS_TRANSPOSED = 6
_MIOPEN = Convolution(4, 3, 5)
_SLOW = Convolution(4, 5, 6, bias=3)
_SLOW_TRANSPOSE = Convolution(4, 5, 7, bias=3, transposed=True, output_padding=6)

CONVOLUTIONS: dict[str, Convolution | tuple[Convolution, Convolution]] = {
    **dict.fromkeys(("aten::conv1d", "aten::conv2d", "aten::conv3d"), _CONV),
    **dict.fromkeys(
        ("aten::conv_transpose1d", "aten::conv_transpose2d", "aten::conv_transpose3d"), _CONV_TRANSPOSE
    ),
    **dict.fromkeys(("aten::convolution", "aten::_convolution", "aten::convolution_overrideable"), _EITHER),
    "aten::cudnn_convolution": Convolution(3, 2, 4, bias=-1),
    "aten::cudnn_convolution_relu": _CONV,
    "aten::cudnn_convolution_add_relu": Convolution(5, 6, 7, bias=4),
    "aten::cudnn_convolution_transpose": Convolution(
        4, 2, 5, bias=-1, transposed=True, output_padding=3, groups=6
    ),
    "aten::miopen_convolution": _MIOPEN,
    "aten::miopen_depthwise_convolution": _MIOPEN,
    "aten::miopen_convolution_transpose": Convolution(5, 3, 6, transposed=True, output_padding=4, groups=7),
    "aten::mkldnn_convolution": _MIOPEN,
    "aten::_slow_conv2d_forward": _SLOW._replace(dilation=-1),
    "aten::slow_conv3d_forward": _SLOW._replace(dilation=-1),
    "aten::_conv_depthwise2d": _SLOW,
    "aten::conv_depthwise3d": _SLOW,
    "aten::slow_conv_dilated2d": _SLOW,
    "aten::slow_conv_dilated3d": _SLOW,
    "aten::slow_conv_transpose2d": _SLOW_TRANSPOSE,
    "aten::slow_conv_transpose3d": _SLOW_TRANSPOSE,
}
"""By op name. Of a pair, the op's seventh input says whether it is the second, transposed one."""


def convolution_of(name: str, args: Args) -> Convolution | None:
    """How the op takes its arguments; None for what is no convolution."""
    found = CONVOLUTIONS.get(name)
    if found is None or isinstance(found, Convolution):
        return found
    return found[text_at(args, _SAYS_TRANSPOSED) == "True"]


def convolution_output(op: Convolution, args: Args) -> tuple[int, ...] | None:
    """The shape of the result; None where the arguments do not tell it, as with `padding="same"`.

    >>> values = ["", "", "", "[2, 2]", "[1, 1]", "[1, 1]"]
    >>> args = {"Input Dims": [[2, 4, 9, 9], [6, 4, 3, 3]], "Concrete Inputs": values}
    >>> convolution_output(Convolution(3, 4, 5), args)
    (2, 6, 5, 5)
    """
    x, weight = shape_at(args, 0), shape_at(args, 1)
    if not x or not weight or len(weight) < 3 or len(x) not in (len(weight), len(weight) - 1):
        return None
    rank = len(weight) - 2
    kernel, space = weight[2:], x[-rank:]
    lists = [_per_dimension(args, at, rank, usual) for at, usual in _settings(op)]
    stride, padding, dilation, extra = lists
    if any(len(values) != rank for values in lists) or 0 in stride:
        return None
    sizes = zip(space, kernel, stride, padding, dilation, extra, strict=True)
    if op.transposed:
        groups = (integers_at(args, op.groups) or [1])[0] if op.groups >= 0 else 1
        channels = weight[1] * groups
        result = [(n - 1) * s - 2 * p + d * (k - 1) + e + 1 for n, k, s, p, d, e in sizes]
    else:
        channels = weight[0]
        result = [(n + 2 * p - d * (k - 1) - 1) // s + 1 for n, k, s, p, d, _ in sizes]
    return (*x[: len(x) - rank - 1], channels, *result)


def _settings(op: Convolution) -> list[tuple[int, int]]:
    """Where stride, padding, dilation and output padding are, and what they usually are."""
    return [(op.stride, 1), (op.padding, 0), (op.dilation, 1), (op.output_padding, 0)]


def _per_dimension(args: Args, index: int, rank: int, usual: int) -> list[int]:
    """`rank` numbers: those given, the one given repeated, or the usual one for what the op does not take."""
    values = [usual] if index < 0 else integers_at(args, index) or []
    return values * rank if len(values) == 1 else values[:rank]


def convolution_flops(name: str, args: Args) -> int:
    """2 * batch * space * weight: the space is that of the result, of a transposed one that of x."""
    op, x, weight = convolution_of(name, args), shape_at(args, 0), shape_at(args, 1)
    if op is None or not x or not weight or len(weight) < 3:
        return 0
    rank = len(weight) - 2
    inner = x if op.transposed else convolution_output(op, args)
    return 2 * _batch(x, rank) * prod(inner[-rank:]) * prod(weight) if inner else 0


def _batch(x: Shape, rank: int) -> int:
    return x[0] if len(x) == rank + 2 else 1


_BACKWARD_GROUPS = 9


def convolution_backward_flops(args: Args, *, by_group: bool = False) -> int:
    """As torch counts `aten::convolution_backward`: for the gradient of x, for that of the weight, or both.

    The weight's takes all channels of x by all of the result, also with groups: torch counts so. `by_group`
    counts those of the same group alone.
    """
    gradient, x, weight = (shape_at(args, index) for index in (0, 1, 2))
    wanted = flags_at(args, 10)
    if not gradient or not x or not weight or len(weight) < 3 or len(wanted) != 3:
        return 0
    transposed = text_at(args, 7) == "True"
    inner = x[2:] if transposed else gradient[2:]
    of_x = gradient[0] * prod(inner) * prod(weight)
    groups = (integers_at(args, _BACKWARD_GROUPS) or [1])[0] if by_group else 1
    of_weight = x[1] * gradient[1] // max(1, groups) * x[0] * prod(inner) * prod(weight[2:])
    return 2 * (of_x * wanted[0] + of_weight * wanted[1])
