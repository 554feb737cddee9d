"""Operations that a result needs, where torch's counter counts more: the least time rests on these.

torch counts every query by every key, also where a causal mask leaves half of the pairs out, and the gradient
of a convolution's weight as if there were no groups. Kernels do less, and would seem faster than the card.
"""

from __future__ import annotations

from typing import Final

from sdtrace.attribution.attention_ops import attention_of, attention_sizes
from sdtrace.attribution.convolutions import convolution_backward_flops
from sdtrace.attribution.op_arguments import Args, text_at

CAUSAL: Final[dict[str, int]] = {
    "aten::_scaled_dot_product_flash_attention": 4,
    "aten::_scaled_dot_product_flash_attention_for_cpu": 4,
    "aten::_scaled_dot_product_efficient_attention": 6,
    "aten::_scaled_dot_product_cudnn_attention": 6,
    "aten::_scaled_dot_product_fused_attention_overrideable": 5,
    "aten::_flash_attention_forward": 8,
    "aten::_efficient_attention_forward": 9,
    "aten::_cudnn_attention_forward": 10,
    "aten::_scaled_dot_product_flash_attention_backward": 11,
    "aten::_scaled_dot_product_flash_attention_for_cpu_backward": 7,
    "aten::_scaled_dot_product_efficient_attention_backward": 11,
    "aten::_scaled_dot_product_cudnn_attention_backward": 14,
    "aten::_scaled_dot_product_fused_attention_overrideable_backward": 13,
    "aten::_flash_attention_backward": 11,
    "aten::_efficient_attention_backward": 14,
    "aten::_cudnn_attention_backward": 14,
    "flash_attn::_flash_attn_forward": 5,
    "flash_attn::_flash_attn_varlen_forward": 9,
}
"""By op, the input that says whether its mask is causal: a truth value, or a number that is not 0."""


def needed_flops(op: str, args: Args, flops: int) -> int:
    """How many of its `flops` the op `op` with `args`, an event's own, needs at least.

    >>> shape = [2, 8, 64, 40]
    >>> args = {"Input Dims": [shape, shape, shape], "Concrete Inputs": ["", "", "", "0.", "True"]}
    >>> needed_flops("aten::_scaled_dot_product_flash_attention", args, 128)
    65
    """
    if op == "aten::convolution_backward":
        return convolution_backward_flops(args, by_group=True)
    if op in CAUSAL and text_at(args, CAUSAL[op]) in ("True", "1", "2"):
        return _causal(op, args, flops)
    return flops


def _causal(op: str, args: Args, flops: int) -> int:
    """Each query by the keys up to its own; all, where there are not as many keys as queries."""
    attention = attention_of(op)
    sizes = attention_sizes(attention, args) if attention is not None else None
    if sizes is None or sizes.queries != sizes.keys:
        return flops
    length = sizes.queries // sizes.sequences
    return flops * (length + 1) // (2 * length) if length else flops
