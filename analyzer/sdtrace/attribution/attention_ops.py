"""Every attention op that hands a device fused work: where its arguments are, and what it costs.

Queries are (batch, heads, length, size) or, heads last, (batch, length, heads, size). Sequences of several
lengths packed into one have no batch, (all lengths, heads, size), and their ends in a tensor of batch + 1.

Operations as in torch.utils.flop_counter (`sdpa_flop_count`, `sdpa_backward_flop_count`): two products
forward, five backward; a causal mask does not lower the count, keys shared by heads are repeated. Packed
sequences are counted as equally long, because no trace holds their lengths: the least that it can be
where queries and keys are of one sequence.
"""

from __future__ import annotations

import re
from math import prod
from typing import NamedTuple

from sdtrace.attribution.op_arguments import Args, Shape, is_tensor, shape_at, text_at, type_at

NEVER = -2
"""Of `Attention.saves`: the sums are not kept."""


class Attention(NamedTuple):
    """Which input of the op is what; keys and values follow the queries. -1 for what it does not take."""

    query: int = 0
    heads_last: bool = False
    ends: int = -1
    """The ends of packed queries; those of the keys follow."""
    backward: bool = False
    result: int = -1
    """The result, where the op is given it to fill. Its size is the values', which may lie transposed."""
    layout: int = -1
    """The first input that may be the number saying whether heads are last (0) or not (1)."""
    saves: int = -1
    """The truth value that asks for the logarithms of the sums too; without one they are always kept."""
    filled: tuple[int, ...] = ()
    """Inputs that the op only writes."""


_PLAIN = Attention(saves=NEVER)
_FIRST, _LAST = Attention(), Attention(heads_last=True)
_FIRST_BACK = Attention(query=1, backward=True)
_LAST_BACK = Attention(query=1, heads_last=True, backward=True)
_PACKED = Attention(heads_last=True, ends=3)
_FILLS_GRADIENTS = _LAST_BACK._replace(filled=(6, 7, 8))
_SAGE = Attention(result=3, layout=4, saves=NEVER, filled=(3,))
_SAGE_KERNELS = (
    "qk_int8_sv_f16_accum_f16_attn",
    "qk_int8_sv_f16_accum_f32_attn",
    "qk_int8_sv_f16_accum_f16_attn_inst_buf",
    "qk_int8_sv_f16_accum_f16_fuse_v_mean_attn",
    "qk_int8_sv_f8_accum_f32_attn",
    "qk_int8_sv_f8_accum_f32_attn_inst_buf",
    "qk_int8_sv_f8_accum_f32_fuse_v_scale_attn",
    "qk_int8_sv_f8_accum_f32_fuse_v_scale_attn_inst_buf",
    "qk_int8_sv_f8_accum_f32_fuse_v_scale_fuse_v_mean_attn",
    "qk_int8_sv_f8_accum_f16_attn_inst_buf",
    "qk_int8_sv_f8_accum_f16_fuse_v_scale_attn_inst_buf",
)
_SAGE_NAMESPACES = (
    "sageattention",
    *(f"sageattention{infix}_sm{version}" for infix in ("", "_qattn") for version in (80, 89, 90)),
)

ATTENTION: dict[str, Attention] = {
    "aten::scaled_dot_product_attention": _PLAIN,
    "aten::_scaled_dot_product_attention_math": _PLAIN,
    "aten::_scaled_dot_product_flash_attention": _FIRST,
    "aten::_scaled_dot_product_flash_attention_for_cpu": _FIRST,
    "aten::_scaled_dot_product_efficient_attention": Attention(saves=4),
    "aten::_scaled_dot_product_cudnn_attention": Attention(saves=4),
    "aten::_scaled_dot_product_fused_attention_overrideable": Attention(saves=4),
    "aten::_flash_attention_forward": _PACKED,
    "aten::_efficient_attention_forward": Attention(heads_last=True, ends=4, saves=10),
    "aten::_cudnn_attention_forward": Attention(saves=8),
    "aten::_scaled_dot_product_flash_attention_backward": _FIRST_BACK,
    "aten::_scaled_dot_product_flash_attention_for_cpu_backward": _FIRST_BACK,
    "aten::_scaled_dot_product_efficient_attention_backward": _FIRST_BACK,
    "aten::_scaled_dot_product_cudnn_attention_backward": _FIRST_BACK,
    "aten::_scaled_dot_product_fused_attention_overrideable_backward": _FIRST_BACK,
    "aten::_flash_attention_backward": _LAST_BACK._replace(ends=6),
    "aten::_efficient_attention_backward": _LAST_BACK._replace(ends=6),
    "aten::_cudnn_attention_backward": _FIRST_BACK,
    **dict.fromkeys(
        (
            "flash_attn::_flash_attn_forward",
            "flash_attn_3::_flash_attn_forward",
            "_diffusers_flash_attn_3::_flash_attn_forward",
            "aiter::_flash_attn_forward",
            "aiter::wrapper_fmha_v3_fwd",
            "aiter::fmha_v3_fwd",
            "aiter::mha_fwd",
        ),
        _LAST,
    ),
    **dict.fromkeys(
        (
            "flash_attn::_flash_attn_varlen_forward",
            "aiter::_flash_attn_varlen_forward",
            "aiter::fmha_v3_varlen_fwd",
            "aiter::mha_varlen_fwd",
            "xformers_flash::flash_fwd",
        ),
        _PACKED,
    ),
    "flash_attn_3::fwd": Attention(heads_last=True, ends=7),
    "flash_attn::_flash_attn_backward": _FILLS_GRADIENTS,
    "flash_attn::_flash_attn_varlen_backward": _FILLS_GRADIENTS._replace(ends=9),
    **dict.fromkeys(
        (
            "aiter::_flash_attn_backward",
            "aiter::wrapper_fmha_v3_bwd",
            "aiter::fmha_v3_bwd",
            "aiter::mha_bwd",
        ),
        _LAST_BACK,
    ),
    "xformers::efficient_attention_forward_cutlass": Attention(heads_last=True, ends=4),
    "xformers::efficient_attention_backward_cutlass": _LAST_BACK._replace(ends=5),
    "xformers_flash::flash_bwd": Attention(query=2, heads_last=True, ends=7, backward=True),
    "sageattention::sageattn": _PLAIN,
    **{f"{space}::{kernel}": _SAGE for space in _SAGE_NAMESPACES for kernel in _SAGE_KERNELS},
}
"""By op name: torch's own, flash-attn 2 and 3, diffusers, AITER, xformers, SageAttention (int8 kernels)."""


_FLEX = re.compile(r"triton_tem_fused\w*?flex_attention(_backward)?(?![a-z])")


def attention_of(name: str) -> Attention | None:
    """How the op takes its arguments; None for what is no attention.

    Inductor's flex attention templates are known by name: theirs are queries, keys, values, heads first, in
    both directions. What their masks leave out is not recorded and counts, as it does in torch's counter.
    """
    if name in ATTENTION:
        return ATTENTION[name]
    flex = _FLEX.match(name)
    return None if flex is None else Attention(backward=flex[1] is not None)


class Sizes(NamedTuple):
    """What an attention is computed on; lengths are of all packed sequences together."""

    batch: int
    heads: int
    queries: int
    keys: int
    size: int
    value_size: int
    sequences: int = 1
    """How many are packed into one length."""


def attention_sizes(op: Attention, args: Args) -> Sizes | None:
    """Sizes from the recorded shapes; None where these do not fit together."""
    q, k, v = (_with_plain_heads(shape_at(args, op.query + offset), op) for offset in range(3))
    if not q or not k or not v or not 3 <= len(q) <= 5 or len(q) != len(k) or len(q) != len(v):
        return None
    if op.result >= 0:
        v = shape_at(args, op.result) or v
    last = _heads_last(op, args)
    sequences = _packed(op, args)
    if len(q) == 3 and last and not sequences:
        return None
    head, length = (-2, -3) if last else (-3, -2)
    batch = max(prod(q[:-3]), prod(k[:-3]))
    heads = max(q[head], k[head])
    return Sizes(batch, heads, q[length], k[length], q[-1], v[-1], sequences or 1)


def _with_plain_heads(shape: Shape | None, op: Attention) -> Shape | None:
    """xformers may have heads in groups: (batch, length, groups, heads, size)."""
    if shape is None or len(shape) != 5 or not op.heads_last:
        return shape
    return (*shape[:2], shape[2] * shape[3], shape[4])


def _heads_last(op: Attention, args: Args) -> bool:
    if op.layout < 0:
        return op.heads_last
    numbers = (index for index in range(op.layout, op.layout + 6) if type_at(args, index) == "Scalar")
    return text_at(args, next(numbers, 0)) == "0"


def _packed(op: Attention, args: Args) -> int:
    """How many sequences are packed; 0 where they are not."""
    if op.ends < 0 or not is_tensor(args, op.ends):
        return 0
    ends: Shape | None = shape_at(args, op.ends)
    return max(1, ends[0] - 1) if ends is not None and len(ends) == 1 else 0


def attention_flops(name: str, args: Args) -> int:
    """Operations of one event; 0 where the shapes do not tell.

    >>> shape = [2, 8, 4096, 40]
    >>> attention_flops("aten::_cudnn_attention_forward", {"Input Dims": [shape, shape, shape]})
    42949672960
    """
    op = attention_of(name)
    sizes = attention_sizes(op, args) if op is not None else None
    if op is None or sizes is None:
        return 0
    products = 3 * sizes.size + 2 * sizes.value_size if op.backward else sizes.size + sizes.value_size
    pairs = sizes.batch * sizes.heads * sizes.queries * sizes.keys
    return 2 * pairs * products // sizes.sequences
