"""FLOPs of every op that `torch.utils.flop_counter` counts, on the shapes that real traces hold.

torch's own formulas run on meta tensors of these shapes.
"""

from __future__ import annotations

from ast import literal_eval
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor
from torch.utils.flop_counter import flop_registry

from sdtrace.attribution.flops import FLOP_OPS, flops_of
from tests.recorded_ops import recorded_ops, trace_bytes
from tests.shared import shared_trace

aten = torch.ops.aten
SHIPPED = ["h200-bf16_sdpa_eager.stack.json.gz", "h200-bf16_sdpa_eager.cudnn_benchmark.json.xz"]
SHARED = [
    "reference/fp32_eager.json.gz",
    "reference/bf16_sdpa.warm.json.gz",
    "wild/bytes_eager.json.gz",
    "wild/lora_train.json.gz",
    "wild/pairs_fp32.json.gz",
    "third_party/tracelens_xdit_sd35_mi300x.json.gz",
    "third_party/tracelens_torch_compile_triton_mi300x.json.gz",
    "third_party/hta_cudagraph_training_a100.json.gz",
    "third_party/hta_mi250_rocm62_training.json.gz",
]


def meta(shape: list[int], **options: Any) -> Tensor:
    return torch.empty(shape, device="meta", **options)


class Call:
    """One event: its inputs as torch takes them."""

    def __init__(self, args: dict[str, Any]) -> None:
        self.dims = args["Input Dims"]
        self.types = args.get("Input type") or ["float"] * len(self.dims)
        self.values = args.get("Concrete Inputs") or [""] * len(self.dims)

    def tensor(self, index: int) -> Tensor | None:
        return meta(self.dims[index]) if self.types[index] not in ("", "Scalar", "ScalarList") else None

    def tensors(self, *indices: int) -> list[Tensor | None]:
        return [self.tensor(index) for index in indices]

    def value(self, index: int) -> Any:
        return literal_eval(self.values[index])


def formula(packet: Any, first: int, count: int) -> Callable[[Call], int]:
    """A formula that takes tensors alone."""
    return lambda call: int(flop_registry[packet](*call.tensors(*range(first, first + count))))


def convolution(stride: int, padding: int, dilation: int, groups: int) -> Callable[[Call], int]:
    def count(call: Call) -> int:
        settings = [call.value(index) for index in (stride, padding, dilation)]
        args = (*call.tensors(0, 1), None, *settings, False, [0] * len(settings[0]), call.value(groups))
        return int(flop_registry[aten.convolution](*args, out_val=aten.convolution(*args)))

    return count


def general_convolution(call: Call) -> int:
    args = (*call.tensors(0, 1), None, *(call.value(index) for index in range(3, 9)))
    return int(flop_registry[aten.convolution](*args, out_val=aten.convolution(*args)))


def convolution_backward(call: Call) -> int:
    bias = call.value(3) if call.values[3] else None
    args = (*call.tensors(0, 1, 2), bias, *(call.value(index) for index in range(4, 11)))
    return int(flop_registry[aten.convolution_backward](*args, out_val=aten.convolution_backward(*args)))


def heads_last(packet: Any, first: int, count: int) -> Callable[[Call], int]:
    """torch's formula is for heads before lengths; the op has them behind."""
    return lambda call: int(
        flop_registry[packet](
            *(t.transpose(1, 2) for t in call.tensors(*range(first, first + count)) if t is not None)
        )
    )


FORWARD = aten._scaled_dot_product_cudnn_attention
BACKWARD = aten._scaled_dot_product_cudnn_attention_backward
TORCH: dict[str, Callable[[Call], int]] = {
    "aten::mm": formula(aten.mm, 0, 2),
    "aten::addmm": formula(aten.addmm, 0, 3),
    "aten::bmm": formula(aten.bmm, 0, 2),
    "aten::baddbmm": formula(aten.baddbmm, 0, 3),
    "aten::_scaled_mm": formula(aten._scaled_mm, 0, 4),
    "aten::convolution": general_convolution,
    "aten::_convolution": general_convolution,
    "aten::convolution_overrideable": general_convolution,
    "aten::convolution_backward": convolution_backward,
    # torch's registry gives `cudnn_convolution` the arguments of `convolution`, and so takes `benchmark`
    # for `transposed`: here as the convolution that it is.
    "aten::cudnn_convolution": convolution(3, 2, 4, 5),
    "aten::miopen_convolution": convolution(4, 3, 5, 6),
    "aten::conv2d": convolution(3, 4, 5, 6),
    "aten::_cudnn_attention_forward": formula(FORWARD, 0, 3),
    "aten::_cudnn_attention_backward": formula(BACKWARD, 0, 4),
    "aten::_efficient_attention_forward": heads_last(FORWARD, 0, 3),
    "aten::_efficient_attention_backward": heads_last(BACKWARD, 0, 4),
    "aten::_flash_attention_forward": heads_last(FORWARD, 0, 3),
    "aten::_flash_attention_backward": heads_last(BACKWARD, 0, 4),
    "aten::scaled_dot_product_attention": formula(FORWARD, 0, 3),
    **{
        f"aten::_scaled_dot_product_{kind}_attention": formula(FORWARD, 0, 3)
        for kind in ("cudnn", "efficient", "flash")
    },
    **{
        f"aten::_scaled_dot_product_{kind}_attention_backward": formula(BACKWARD, 0, 4)
        for kind in ("cudnn", "efficient", "flash")
    },
}


def differences(path: Path) -> tuple[int, list[tuple[str, int, int]]]:
    """How many kinds of event were compared, and those where the two differ."""
    compared, different = 0, []
    for name, args, _ in recorded_ops(trace_bytes(path)):
        if name in TORCH:
            ours, theirs = flops_of(name, args), TORCH[name](Call(args))
            compared += 1
            if ours != theirs:
                different.append((name, ours, theirs))
    return compared, different


def test_every_op_that_torch_counts_is_counted() -> None:
    names = {str(packet).replace(".", "::") for packet in flop_registry if "aten" in str(packet)}
    assert names - {"aten::_slow_conv2d_forward"} <= set(TORCH)
    assert names <= FLOP_OPS


@pytest.mark.parametrize("name", SHIPPED)
def test_flops_equal_torchs_on_every_shipped_trace_with_shapes(name: str) -> None:
    compared, different = differences(Path(__file__).parents[2] / "traces" / name)
    assert compared > 50
    assert not different


@pytest.mark.parametrize("name", SHARED)
def test_flops_equal_torchs_on_every_shared_trace_with_shapes(name: str) -> None:
    compared, different = differences(shared_trace(name))
    assert compared > 0
    assert not different


@pytest.mark.parametrize("transposed", [False, True])
@pytest.mark.parametrize("groups", [1, 2])
@pytest.mark.parametrize("mask", [(True, True, True), (True, False, False), (False, True, False)])
def test_backward_convolution_costs_what_torch_counts(
    transposed: bool, groups: int, mask: tuple[bool, bool, bool]
) -> None:
    weight = [8, 6 // groups, 3, 5] if transposed else [6, 8 // groups, 3, 5]
    settings = ([2, 1], [1, 2], [1, 2], transposed, [0, 0], groups)
    result = list(aten.convolution(meta([2, 8, 17, 13]), meta(weight), None, *settings).shape)
    values = ["", "", "", "[6]", *(str(setting) for setting in settings), str(list(mask))]
    args = {
        "Input Dims": [result, [2, 8, 17, 13], weight, *[[]] * 8],
        "Input type": ["float"] * 3 + ["Scalar"] * 8,
        "Concrete Inputs": values,
    }
    theirs = convolution_backward(Call(args))
    assert theirs > 0
    assert flops_of("aten::convolution_backward", args) == theirs


Q, K, V = [2, 9, 8, 16], [2, 11, 4, 16], [2, 11, 4, 24]
"""(batch, length, heads, size); each key's head serves two of the queries."""
EXPECTED = 2 * 2 * 8 * 9 * 11 * (16 + 24)
EXPECTED_BACKWARD = 2 * 2 * 8 * 9 * 11 * (3 * 16 + 2 * 24)


@pytest.mark.parametrize(
    ("name", "before", "expected"),
    [
        ("flash_attn::_flash_attn_forward", [], EXPECTED),
        ("_diffusers_flash_attn_3::_flash_attn_forward", [], EXPECTED),
        ("aiter::fmha_v3_fwd", [], EXPECTED),
        ("xformers::efficient_attention_forward_cutlass", [], EXPECTED),
        ("xformers_flash::flash_fwd", [], EXPECTED),
        ("flash_attn::_flash_attn_backward", [Q[:3] + V[3:]], EXPECTED_BACKWARD),
        ("aiter::mha_bwd", [Q[:3] + V[3:]], EXPECTED_BACKWARD),
        ("xformers_flash::flash_bwd", [[], Q[:3] + V[3:]], EXPECTED_BACKWARD),
    ],
)
def test_attention_of_other_libraries_costs_what_torchs_own_does(
    name: str, before: list[list[int]], expected: int
) -> None:
    swapped = [meta([s[0], s[2], s[1], s[3]]) for s in (Q, K, V)]
    assert flop_registry[FORWARD](*swapped) == EXPECTED
    assert flop_registry[BACKWARD](meta([2, 8, 9, 24]), *swapped) == EXPECTED_BACKWARD
    dims = [*before, Q, K, V]
    args = {"Input Dims": dims, "Input type": ["c10::Half"] * len(dims)}
    assert flops_of(name, args) == expected


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("triton_tem_fused_flex_attention_0", EXPECTED),
        ("triton_tem_fused__to_copy_flex_attention_mul_12", EXPECTED),
        ("triton_tem_fused_flex_attention_backward_3", EXPECTED_BACKWARD),
        ("triton_tem_fused_mm_3", 0),
    ],
)
def test_flex_attention_is_known_by_the_name_of_its_template(name: str, expected: int) -> None:
    dims = [[s[0], s[2], s[1], s[3]] for s in (Q, K, V)]
    assert flops_of(name, {"Input Dims": [*dims, [2, 8, 9]], "Input type": ["c10::Half"] * 4}) == expected


@pytest.mark.parametrize("heads_first", [False, True])
def test_sageattention_says_by_a_number_where_its_heads_are(heads_first: bool) -> None:
    """Values in 8 bit lie transposed and padded: the size of the result is theirs."""
    q, k = ([2, 8, 9, 16], [2, 8, 11, 16]) if heads_first else ([2, 9, 8, 16], [2, 11, 8, 16])
    args = {
        "Input Dims": [q, k, [2, 8, 16, 64], q, [2, 8, 3], [2, 8, 3], [], []],
        "Input type": ["signed char"] * 2
        + ["c10::Float8_e4m3fn", "c10::Half", "float", "float"]
        + ["Scalar"] * 2,
        "Concrete Inputs": [""] * 6 + [str(int(heads_first)), "0"],
    }
    name = "sageattention_sm90::qk_int8_sv_f8_accum_f32_attn_inst_buf"
    assert flops_of(name, args) == 2 * 2 * 8 * 9 * 11 * 32


def test_packed_sequences_count_as_equally_long() -> None:
    """Without the ends of the sequences, in a tensor of one dimension, three dimensions mean nothing."""
    dims = [[40, 8, 16], [80, 8, 16], [80, 8, 16], [5], [5]]
    types = ["c10::Half"] * 3 + ["int"] * 2
    name = "flash_attn::_flash_attn_varlen_forward"
    expected = 4 * 2 * 8 * 10 * 20 * (16 + 16)
    assert flops_of(name, {"Input Dims": dims, "Input type": types}) == expected
    assert flops_of(name, {"Input Dims": dims[:3], "Input type": types[:3]}) == 0
    assert flops_of(name, {"Input Dims": [*dims[:3], *dims[:1]], "Input type": types[:4]}) == 0


@pytest.mark.parametrize(
    ("left", "right", "flops"),
    [
        ([64, 32], [4, 32, 16], 2 * 64 * 32 * 16),
        ([4, 64, 32], [32, 16], 2 * 64 * 32 * 16),
        ([64, 32], [32, 16], 2 * 64 * 32 * 16),
        ([4, 64, 32], [4, 32, 16], 2 * 4 * 64 * 32 * 16),
    ],
)
def test_a_grouped_product_costs_what_its_parts_do(left: list[int], right: list[int], flops: int) -> None:
    """The groups divide rows, columns or the inner size of one product."""
    args = {"Input Dims": [left, right, [4]], "Input type": ["c10::BFloat16", "c10::BFloat16", "int"]}
    assert flops_of("aten::_grouped_mm", args) == flops


def test_a_byte_of_two_4_bit_numbers_counts_twice() -> None:
    args = {"Input Dims": [[64, 32], [32, 16]], "Input type": ["c10::Float4_e2m1fn_x2"] * 2}
    assert flops_of("aten::_scaled_mm", args) == 2 * 64 * 64 * 16
    args["Input type"] = ["c10::Float8_e4m3fn"] * 2
    assert flops_of("aten::_scaled_mm", args) == 2 * 64 * 32 * 16
