"""Operations that a result needs, where `torch.utils.flop_counter` counts more."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch.utils.flop_counter import FlopCounterMode

from sdtrace.attribution.attention_ops import ATTENTION
from sdtrace.attribution.flops import flops_of
from sdtrace.roofline.needed import CAUSAL, needed_flops
from tests.roofline.spelling import spelled

aten = torch.ops.aten
COMPOSITE = {"aten::scaled_dot_product_attention", "aten::_scaled_dot_product_attention_math"}
"""They launch nothing themselves."""


def names(op: str) -> list[str]:
    return [argument.name for argument in getattr(aten, op.removeprefix("aten::")).default._schema.arguments]


def test_each_op_of_torch_says_whether_its_mask_is_causal_where_we_look() -> None:
    ours = {op: names(op)[place] for op, place in CAUSAL.items() if op.startswith("aten::")}
    assert set(ours.values()) == {"is_causal", "custom_mask_type"}
    theirs = {op for op in ATTENTION if op.startswith("aten::") and {*ours.values()} & {*names(op)}}
    assert theirs - COMPOSITE == ours.keys()


@pytest.mark.parametrize(("length", "is_causal"), [(64, True), (5, True), (64, False)])
def test_a_causal_mask_leaves_pairs_out(length: int, is_causal: bool) -> None:
    q = torch.empty(2, 4, length, 8, device="meta")
    args = spelled(q, q, q, 0.0, is_causal)
    op = "aten::_scaled_dot_product_flash_attention"
    every = torch.ones(length, length)
    pairs = int((every.tril() if is_causal else every).sum())
    assert needed_flops(op, args, flops_of(op, args)) == 2 * 2 * 4 * pairs * (8 + 8)


def test_queries_of_another_number_than_keys_keep_all_pairs() -> None:
    q, k = (torch.empty(2, 4, length, 8, device="meta") for length in (1, 64))
    args = spelled(q, k, k, 0.0, True)
    assert needed_flops("aten::_scaled_dot_product_flash_attention", args, 1000) == 1000


def counted(call: Any, *args: Any) -> int:
    with FlopCounterMode(display=False) as counter:
        call(*args)
    return int(counter.get_total_flops())


@pytest.mark.parametrize("transposed", [False, True])
@pytest.mark.parametrize("groups", [1, 2, 8])
def test_a_gradient_of_groups_is_that_of_each_group(groups: int, transposed: bool) -> None:
    """The oracle is torch's counter on the groups one by one."""

    def call(channels: int, groups: int) -> tuple[Any, ...]:
        x, weight = torch.ones(2, channels, 9, 9), torch.ones(channels, channels // groups, 3, 3)
        settings = ([2, 2], [1, 1], [1, 1], transposed, [0, 0], groups)
        result = aten.convolution(x, weight, None, *settings)
        return (result, x, weight, None, *settings, [True, True, False])

    whole = call(8, groups)
    op = "aten::convolution_backward"
    args = spelled(*whole)
    assert flops_of(op, args) == counted(aten.convolution_backward, *whole)
    part = counted(aten.convolution_backward, *call(8 // groups, 1))
    assert needed_flops(op, args, flops_of(op, args)) == groups * part


def test_other_ops_need_what_is_counted() -> None:
    x = torch.empty(4, 4, device="meta")
    assert needed_flops("aten::mm", spelled(x, x), 128) == 128
