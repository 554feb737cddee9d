from __future__ import annotations

from functools import reduce
from operator import add
from typing import Any

import pytest
import torch
from hypothesis import Phase, given, settings
from hypothesis import strategies as st

from sdtrace.roofline.arguments import Tensor, parse_arguments
from sdtrace.roofline.dtypes import item_size, promote, result_type
from sdtrace.roofline.shapes import broadcast
from sdtrace.roofline.traffic import RULES, traffic_of
from tests.roofline.spelling import torch_name

JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-5, 1 << 64)
    | st.floats()
    | st.sampled_from(["", "float", "[1]", "-1"]),
    lambda inner: st.lists(inner, max_size=4),
    max_leaves=8,
)
KEYS = ("Input Dims", "Input type", "Input Strides", "Concrete Inputs")
SHAPES = st.lists(st.integers(0, 4), max_size=3)
TYPES = st.sampled_from(["float", "c10::Half", "", "Scalar", "ScalarList", "TensorList", "unknown"])
VALUES = st.sampled_from(["", "[1, 1]", "0", "-1", "True", "[True, False, True]", "1e-05", "[]", "2.5"])
PLAUSIBLE = st.integers(0, 10).flatmap(
    lambda count: st.fixed_dictionaries(
        {
            "Input Dims": st.lists(SHAPES | st.lists(SHAPES, max_size=2), min_size=count, max_size=count),
            "Input type": st.lists(TYPES, min_size=count, max_size=count),
            "Concrete Inputs": st.lists(VALUES, min_size=count, max_size=count),
        }
    )
)
NO_SHRINKING = (Phase.explicit, Phase.reuse, Phase.generate)
"""All rules are tried on each example: to find the least of all would take minutes."""
DTYPES = [
    *(torch.bool, torch.uint8, torch.int8, torch.int16, torch.int32, torch.int64, torch.float16),
    *(torch.bfloat16, torch.float32, torch.float64, torch.complex64, torch.complex128),
]


@given(st.dictionaries(st.sampled_from(KEYS), JSON), st.sampled_from(sorted(RULES)))
@settings(max_examples=150, deadline=None)
def test_nothing_in_a_file_makes_it_fail(args: dict[str, Any], name: str) -> None:
    traffic_of(name, args)


@given(PLAUSIBLE)
@settings(max_examples=10, deadline=None, phases=NO_SHRINKING)
def test_no_rule_fails_on_arguments_of_another_op(args: dict[str, Any]) -> None:
    for name in RULES:
        traffic = traffic_of(name, args, "float32")
        assert traffic is None or min(traffic.bytes_read, traffic.bytes_written) >= 0


@given(st.lists(st.lists(st.sampled_from([1, 1, 3, 5]), max_size=4), min_size=1, max_size=3))
@settings(max_examples=100, deadline=None)
def test_shapes_expand_as_torch_expands_them(shapes: list[list[int]]) -> None:
    try:
        expected = tuple(reduce(add, (torch.empty(shape) for shape in shapes)).shape)
    except RuntimeError:
        assert broadcast(shapes) is None
    else:
        assert broadcast(shapes) == expected


@pytest.mark.parametrize("first", DTYPES, ids=torch_name)
@pytest.mark.parametrize("second", DTYPES, ids=torch_name)
def test_two_types_give_what_torch_gives(first: torch.dtype, second: torch.dtype) -> None:
    a, b = torch_name(first), torch_name(second)
    assert promote(a, b) == torch_name(torch.promote_types(first, second))
    one, single = torch.ones(1, dtype=first), torch.ones((), dtype=second)
    if second not in (torch.float64, torch.complex128):
        assert result_type([(a, False), (b, True)]) == torch_name(torch.result_type(one, single))
    for text, number in (("2", 2), ("2.5", 2.5), ("True", True)):
        assert result_type([(a, False)], [text]) == torch_name(torch.result_type(one, number))
    assert item_size(a) == one.element_size()


@pytest.mark.parametrize(
    ("kineto", "name", "size"),
    [
        ("float", "float32", 4),
        ("c10::BFloat16", "bfloat16", 2),
        ("c10::Float8_e4m3fn", "float8_e4m3fn", 1),
        ("c10::Float4_e2m1fn_x2", "float4_e2m1fn_x2", 1),
        ("long int", "int64", 8),
        ("long", "int64", 8),
        ("signed char", "int8", 1),
        ("c10::complex<float>", "complex64", 8),
        ("something new", None, None),
    ],
)
def test_types_as_kineto_spells_them(kineto: str, name: str | None, size: int | None) -> None:
    tensor = parse_arguments({"Input Dims": [[2, 3]], "Input type": [kineto]}).tensor(0)
    assert tensor == Tensor((2, 3), name)
    assert tensor.item_size == size
    assert tensor.nbytes == (None if size is None else 6 * size)


@given(st.lists(st.tuples(st.integers(1, 4), st.integers(0, 5)), max_size=4))
@settings(max_examples=100, deadline=None)
def test_distinct_elements_are_never_fewer_than_the_memory_that_they_take(
    dimensions: list[tuple[int, int]],
) -> None:
    """Equal for what `expand` makes; for windows that overlap in another way, at least as many."""
    shape, strides = tuple(n for n, _ in dimensions), tuple(s for _, s in dimensions)
    places = len(set(torch.arange(100).as_strided(shape, strides).flatten().tolist()))
    assert Tensor(shape, "float32", strides).distinct >= places
    expanded = torch.ones(3, 1, 4).expand(3, 7, 4)
    assert Tensor((3, 7, 4), "float32", tuple(expanded.stride())).distinct == 12


def test_what_is_no_tensor_is_none() -> None:
    arguments = parse_arguments(
        {
            "Input Dims": [[2], [], [], [], [[2], [3, 4]], []],
            "Input type": ["float", "Scalar", "ScalarList", "", "TensorList", "double"],
            "Concrete Inputs": ["", "-1", "[2, 1]", "", "", ""],
        },
        "float16",
    )
    assert [arguments.tensor(index) for index in range(1, 5)] == [None] * 4
    assert arguments.tensor(5) == Tensor((), "float64")
    assert arguments.listed(4) == (Tensor((2,), "float16"), Tensor((3, 4), "float16"))
    assert arguments.integers(2) == [2, 1]
    assert arguments.integer(1, 7) == -1
    assert arguments.tensor(99) is None
    assert not arguments.is_cut


def test_a_list_without_shapes_is_cut() -> None:
    """Kineto records no shapes of long lists."""
    assert parse_arguments({"Input Dims": [[]], "Input type": ["TensorList"]}).is_cut
