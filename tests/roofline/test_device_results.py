"""Ops that only a GPU has: torch's meta functions tell what they give."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor

from sdtrace.roofline.arguments import parse_arguments
from sdtrace.roofline.traffic import RULES, moved_by
from tests.roofline.spelling import spelled, torch_name

aten = torch.ops.aten
BF16, F32, I32, I64, F8 = torch.bfloat16, torch.float32, torch.int32, torch.int64, torch.float8_e4m3fn


def meta(*shape: int, dtype: torch.dtype = BF16) -> Tensor:
    return torch.empty(shape, dtype=dtype, device="meta")


def columns(*shape: int, dtype: torch.dtype = BF16) -> Tensor:
    """A matrix, or several, whose columns are contiguous."""
    return meta(*shape, dtype=dtype).transpose(-1, -2).contiguous().transpose(-1, -2)


Q, K, V = meta(2, 8, 64, 32), meta(2, 8, 48, 32), meta(2, 8, 48, 32)
LAST = [tensor.transpose(1, 2) for tensor in (Q, K, V)]
SUMS, SEED, CHANNELS = meta(2, 8, 64, dtype=F32), meta(dtype=I64), meta(8)
IMAGE = meta(2, 8, 5, 4)

CASES: list[tuple[Any, tuple[Any, ...]]] = [
    (aten._scaled_dot_product_efficient_attention, (Q, K, V, None, True)),
    (aten._scaled_dot_product_flash_attention, (Q, K, V, 0.0, False, False)),
    (aten._flash_attention_forward, (*LAST, None, None, 64, 48, 0.0, False, False)),
    (aten._efficient_attention_forward, (*LAST, None, None, None, None, None, 0.0, 0, True)),
    (
        aten._scaled_dot_product_efficient_attention_backward,
        (Q, Q, K, V, None, Q, SUMS, SEED, SEED, 0.0, [True, True, True, False]),
    ),
    (
        aten._scaled_dot_product_flash_attention_backward,
        (Q, Q, K, V, Q, SUMS, None, None, 64, 48, 0.0, False, SEED, SEED),
    ),
    (
        aten._scaled_dot_product_cudnn_attention_backward,
        (Q, Q, K, V, Q, SUMS, SEED, SEED, None, None, None, 64, 48, 0.0, False),
    ),
    (
        aten._scaled_mm,
        (
            meta(64, 32, dtype=F8),
            columns(32, 16, dtype=F8),
            meta(dtype=F32),
            meta(dtype=F32),
            None,
            None,
            BF16,
            False,
        ),
    ),
    (aten._int_mm, (meta(64, 32, dtype=torch.int8), meta(32, 16, dtype=torch.int8))),
    (aten._grouped_mm, (meta(64, 32), columns(4, 32, 16), meta(4, dtype=I32), None, None)),
    (aten._grouped_mm, (meta(64, 32), meta(32, 16), meta(4, dtype=I32), None, None)),
    (aten._grouped_mm, (meta(4, 64, 32), meta(32, 16), meta(4, dtype=I32), None, None)),
    (aten._grouped_mm, (meta(4, 64, 32), meta(4, 32, 16), None, None, None)),
    (aten._fused_rms_norm, (Q, [32], meta(32), 1e-6)),
    (aten.native_layer_norm, (Q, [32], meta(32), meta(32), 1e-5)),
    (aten.native_group_norm, (IMAGE, CHANNELS, CHANNELS, 2, 8, 20, 4, 1e-5)),
    (aten.cudnn_batch_norm, (IMAGE, CHANNELS, CHANNELS, None, None, True, 0.1, 1e-5)),
    (
        aten.max_pool2d_with_indices_backward,
        (
            meta(2, 3, 4, 4),
            meta(2, 3, 8, 8),
            [2, 2],
            [2, 2],
            [0, 0],
            [1, 1],
            False,
            meta(2, 3, 4, 4, dtype=I64),
        ),
    ),
    (aten.index, (meta(5, 6, 7), [meta(3, dtype=I64)])),
]


@pytest.mark.parametrize(
    ("op", "args"), CASES, ids=lambda value: str(value) if "aten" in str(value)[:5] else ""
)
def test_a_rule_gives_the_shape_and_the_type_that_torch_gives(op: Any, args: tuple[Any, ...]) -> None:
    name = str(op).replace(".", "::")
    assert name in RULES
    results = op(*args)
    tensors = [results] if isinstance(results, Tensor) else [t for t in results if isinstance(t, Tensor)]
    moved = moved_by(name, parse_arguments(spelled(*args), "int64"))
    assert moved is not None
    ours = [(tensor.shape, tensor.dtype) for tensor in moved.writes]
    theirs = [(tuple(tensor.shape), torch_name(tensor.dtype)) for tensor in tensors]
    # Behind the results stand random states and the like, of a few bytes.
    assert ours == theirs[: len(ours)]
    assert sum(tensor.numel() for tensor in tensors[len(ours) :]) < 5


@pytest.mark.parametrize(("keeps", "results"), [(True, 2), (False, 1)])
def test_cudnn_attention_keeps_its_sums_when_asked(keeps: bool, results: int) -> None:
    args = spelled(Q, K, V, None, None, None, 64, 48, keeps, 0.0, False, False, None)
    moved = moved_by("aten::_cudnn_attention_forward", parse_arguments(args))
    assert moved is not None
    assert [tensor.shape for tensor in moved.writes] == [(2, 8, 64, 32), (2, 8, 64)][:results]


def test_cudnn_convolution_gives_what_a_convolution_does() -> None:
    settings = ([1, 2], [2, 1], [1, 1])
    x, weight = meta(2, 8, 17, 13), meta(16, 4, 3, 5)
    moved = moved_by(
        "aten::cudnn_convolution", parse_arguments(spelled(x, weight, *settings, 2, False, False, True))
    )
    expected = aten.convolution(x, weight, None, settings[1], settings[0], settings[2], False, [0, 0], 2)
    assert moved is not None
    assert [(t.shape, t.dtype) for t in moved.writes] == [(tuple(expected.shape), "bfloat16")]
