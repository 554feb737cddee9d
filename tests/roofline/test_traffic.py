"""Bytes of single ops, computed by hand."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest
import torch

from sdtrace.attribution.linked_trace import attribute
from sdtrace.roofline.traffic import RULES, Traffic, list_dtype_of, traffic_of
from sdtrace.trace import load_trace
from tests.roofline.spelling import spelled

F16 = torch.float16


def meta(*shape: int, dtype: torch.dtype = torch.float32) -> torch.Tensor:
    return torch.empty(shape, dtype=dtype, device="meta")


X, IMAGE = meta(8, 16), meta(2, 8, 5, 5)
PLACES = meta(3, dtype=torch.int64)
LIST = [meta(4, 5), meta(6)]


@pytest.mark.parametrize(
    ("name", "inputs", "read", "written"),
    [
        ("mul", (X, meta(16)), 4 * (128 + 16), 4 * 128),
        ("mul", (X, meta(1, 16).expand(8, 16)), 4 * (128 + 16), 4 * 128),
        ("mul", (meta(8, 1), meta(16)), 4 * (8 + 16), 4 * 128),
        ("add_", (X, meta(16), 1), 4 * (128 + 16), 4 * 128),
        ("eq", (X, X), 8 * 128, 128),
        ("copy_", (meta(8, 16, dtype=F16), X, False), 4 * 128, 2 * 128),
        ("fill_", (X, 0), 0, 4 * 128),
        ("abs", (X, meta(0)), 4 * 128, 4 * 128),
        ("add", (X, X, 1, meta(8, 16, dtype=F16)), 8 * 128, 2 * 128),
        ("mm", (X, meta(16, 3), meta(8, 3)), 4 * (128 + 48), 4 * 24),
        ("addmm", (meta(3), X, meta(16, 3), 1, 1), 4 * (3 + 128 + 48), 4 * 24),
        ("addmm", (meta(8, 3), X, meta(16, 3), 0, 1), 4 * (128 + 48), 4 * 24),
        ("addmm_", (meta(8, 3), X, meta(16, 3), 1, 1), 4 * (24 + 128 + 48), 4 * 24),
        ("baddbmm", (meta(2, 8, 3), meta(2, 8, 4), meta(2, 4, 3), 0.0, 0.5), 4 * (64 + 24), 4 * 48),
        ("cudnn_batch_norm", (IMAGE, *[meta(8)] * 4, False, 0.1, 1e-5), 4 * (400 + 32), 4 * 400),
        ("cudnn_batch_norm", (IMAGE, *[meta(8)] * 4, True, 0.1, 1e-5), 4 * (400 + 32), 4 * (400 + 32)),
        ("gather", (X, 0, meta(2, 16, dtype=torch.int64)), 8 * 32 + 4 * 32, 4 * 32),
        ("index_select", (meta(1000, 16), 0, PLACES), 8 * 3 + 4 * 48, 4 * 48),
        ("index_select", (meta(2, 16), 0, PLACES), 8 * 3 + 4 * 32, 4 * 48),
        ("embedding", (meta(1000, 16), PLACES, -1, False, False), 8 * 3 + 4 * 48, 4 * 48),
        ("scatter_", (X, 0, meta(2, 16, dtype=torch.int64), meta(2, 16)), 8 * 32 + 4 * 32, 4 * 32),
        ("scatter_add_", (X, 0, meta(2, 16, dtype=torch.int64), meta(2, 16)), 8 * 32 + 8 * 32, 4 * 32),
        ("index_put_", (X, [PLACES], meta(3, 16), True), 4 * 3 + 8 * 48, 4 * 48),
        ("_local_scalar_dense", (PLACES,), 8, 8),
        ("arange", (0, 160, 1, meta(0)), 0, 4 * 160),
        ("arange", (7, meta(0, dtype=torch.int64)), 0, 8 * 7),
        ("upsample_nearest2d", (IMAGE, [10, 10], 2.0, 2.0), 4 * 400, 4 * 1600),
        ("upsample_nearest2d", (IMAGE, [2, 2], None, None), 4 * 64, 4 * 64),
        ("upsample_bilinear2d", (IMAGE, [2, 4], True, None, None), 4 * 16 * 4 * 5, 4 * 16 * 8),
        ("upsample_bicubic2d", (IMAGE, [1, 4], True, None, None), 4 * 16 * 4 * 5, 4 * 16 * 4),
        ("_upsample_bilinear2d_aa", (IMAGE, [1, 1], False, None, None), 4 * 400, 4 * 16),
        ("div", (PLACES, 2, "floor"), 8 * 3, 8 * 3),
        ("div", (PLACES, 2), 8 * 3, 4 * 3),
        ("_embedding_bag", (meta(1000, 16), PLACES, PLACES, False, 0), 8 * 6 + 4 * 48, 4 * 48),
        ("_embedding_bag", (meta(9, 16), PLACES, PLACES, *[False] * 4, True), 8 * 6 + 4 * 48, 4 * 32),
        ("index_put_", (X, [PLACES], meta(), False), 4 * 3 + 4, 4 * 48),
        ("_index_put_impl_", (X, None, meta(), False), 4, 4 * 128),
        ("cat", ([meta(2, 3), meta(4, 3)], 0), 4 * 18, 4 * 18),
        ("_foreach_add_", (LIST, LIST, 1), 8 * 26, 4 * 26),
        ("_foreach_mul", (LIST, 0.5), 4 * 26, 4 * 26),
        ("_foreach_copy_", (LIST, LIST, False), 4 * 26, 4 * 26),
        ("_foreach_norm", (LIST, 2), 4 * 26, 8),
        ("_fused_adamw_", (*[LIST] * 4, None, None, *[0.1] * 5, False), 16 * 26, 12 * 26),
        ("_fused_adamw_", (*[LIST] * 5, None, *[0.1] * 5, True), 20 * 26, 16 * 26),
        ("native_layer_norm", (X, [16], meta(16), None, 1e-5), 4 * (128 + 16), 4 * (128 + 16)),
    ],
)
def test_bytes_of_one_call(name: str, inputs: tuple[Any, ...], read: int, written: int) -> None:
    traffic = traffic_of(f"aten::{name}", spelled(*inputs), "float32")
    assert f"aten::{name}" in RULES
    assert traffic is not None
    assert (traffic.bytes_read, traffic.bytes_written) == (read, written)


def test_an_unknown_op_reads_what_it_is_given_and_writes_as_much_as_that_expands_to() -> None:
    traffic = traffic_of("mine::op", spelled(meta(8, 1, dtype=F16), meta(16), 3))
    assert traffic == Traffic(2 * 8 + 4 * 16, 2 * 128, False, "float16")


@pytest.mark.parametrize(
    ("name", "args"),
    [
        ("aten::mul", {}),
        ("triton_poi_fused_add_0", spelled(X, X)),
        ("CompiledFunctionBackward", spelled(X)),
        ("record_param_comms", spelled([X])),
        ("c10d::_allgather_base_", spelled(X, X)),
        ("aten::_foreach_mul_", {"Input Dims": [[], []], "Input type": ["TensorList", "Scalar"]}),
        ("aten::relu", {"Input Dims": [[2, 3]], "Input type": ["unknown"]}),
        ("aten::relu", {"Input Dims": "...", "Input type": 3}),
    ],
)
def test_what_is_not_known_is_none(name: str, args: dict[str, Any]) -> None:
    assert traffic_of(name, args) is None


def test_a_list_of_unknown_type_is_none_and_one_kernels_name_tells_it() -> None:
    args = spelled([meta(2, 3), meta(4, 3)], 0)
    assert traffic_of("aten::cat", args) is None
    kernel = "void at::native::CatArrayBatchedCopy<at::native::OpaqueType<2u>, unsigned int, 4, 64, 64>"
    assert traffic_of("aten::cat", args, list_dtype_of(kernel)) == Traffic(36, 36, True, "bits16")


@pytest.mark.parametrize(
    ("kernel", "dtype"),
    [
        (
            "multi_tensor_apply_kernel<TensorListMetadata<1>, BinaryOpScalarFunctor<float, 1, 1, 0>, float>",
            "float32",
        ),
        (
            "multi_tensor_apply_kernel<TensorListMetadata<2>, UnaryOpFunctor<c10::BFloat16, 2, 1, 1>, Sqrt>",
            "bfloat16",
        ),
        ("FusedOptimizerTensorListMetadata<4>, FusedAdamMathFunctor<c10::complex<float>, 4>", "complex64"),
        ("CatArrayBatchedCopy<long, unsigned int, 2, 128, 1>", "int64"),
        ("Memcpy DtoD (Device -> Device)", None),
    ],
)
def test_the_type_of_a_list_by_kernel(kernel: str, dtype: str | None) -> None:
    assert list_dtype_of(kernel) == dtype


@pytest.mark.parametrize(
    ("name", "inputs", "exact"),
    [
        ("mul", (X, X), True),
        ("sum", (X, [0], False, None), True),
        ("gather", (X, 0, meta(2, 16, dtype=torch.int64)), False),
        ("nonzero", (X,), False),
    ],
)
def test_bounds_are_marked(name: str, inputs: tuple[Any, ...], exact: bool) -> None:
    traffic = traffic_of(f"aten::{name}", spelled(*inputs))
    assert traffic is not None
    assert traffic.exact is exact


def test_a_reduction_over_unrecorded_dimensions_is_a_bound() -> None:
    args = {**spelled(X, [0], False, None), "Concrete Inputs": []}
    assert traffic_of("aten::sum", args) == Traffic(4 * 128, 4, False, "float32")


@pytest.mark.parametrize(
    ("name", "inputs", "dtype"),
    [
        ("_scaled_mm", (meta(8, 16, dtype=torch.float8_e4m3fn),) * 2, "float8_e4m3fn"),
        ("mul", (meta(8, dtype=F16), meta(8)), "float32"),
        ("mul", (meta(8, dtype=F16), meta(dtype=torch.float64)), "float16"),
        ("eq", (meta(8, dtype=F16), meta(8, dtype=F16)), "float16"),
        ("addmm", (meta(16), meta(8, 16, dtype=F16), meta(16, 16, dtype=F16), 1, 1), "float16"),
    ],
)
def test_the_type_that_is_computed_in(name: str, inputs: tuple[Any, ...], dtype: str) -> None:
    traffic = traffic_of(f"aten::{name}", spelled(*inputs))
    assert traffic is not None
    assert traffic.compute_dtype == dtype


def test_gradients_that_flash_attn_fills_are_not_read() -> None:
    q, sums = meta(2, 64, 8, 32, dtype=F16), meta(2, 8, 64)
    args = spelled(q, q, q, q, q, sums, q, q, q, 0.0, 1.0, False)
    traffic = traffic_of("flash_attn::_flash_attn_backward", args)
    size = 2 * 2 * 64 * 8 * 32
    assert traffic == Traffic(5 * size + 4 * 2 * 8 * 64, 3 * size, True, "float16")


def test_rules_know_nearly_all_device_time_of_an_eager_trace() -> None:
    """98 % of it exactly."""
    path = Path(__file__).parents[2] / "traces" / "h200-bf16_sdpa_eager.stack.json.gz"
    trace = load_trace(path)
    linked = attribute(trace, with_python=False)
    work = linked.work
    row = linked.host.row[work.op]
    known: dict[tuple[int, int], bool] = {}
    for pair in set(zip(trace.name[row].tolist(), trace.args[row].tolist(), strict=True)):
        known[pair] = pair[1] >= 0 and _is_exact(trace.names[pair[0]], trace.args_texts[pair[1]])
    exact = np.array(
        [known[pair] for pair in zip(trace.name[row].tolist(), trace.args[row].tolist(), strict=True)]
    )
    dur_ns = trace.dur_ns[work.row]
    assert dur_ns[exact & (work.op >= 0)].sum() > 0.98 * dur_ns.sum()


def _is_exact(name: str, text: str) -> bool:
    traffic = traffic_of(name, msgspec.json.decode(text), "bits16")
    return name in RULES and traffic is not None and traffic.exact


@pytest.mark.parametrize(
    ("op", "in_place"), [("aten::add_", 4096), ("aten::add", 0), ("aten::copy_", 0), ("aten::mul_", 4096)]
)
def test_what_is_written_where_it_was_read_is_known(op: str, in_place: int) -> None:
    """It is in a cache once. A copy does not read what it writes over."""
    args = {"Input Dims": [[32, 32], [32, 32], []], "Input type": ["float", "float", "Scalar"]}
    traffic = traffic_of(op, args)
    assert traffic is not None
    assert traffic.bytes_written == 4096
    assert traffic.in_place == in_place
