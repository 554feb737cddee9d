"""torch is the oracle: shapes and types of what ops write, as recorded by its own profiler."""

from __future__ import annotations

import random
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest
import torch
from torch import Tensor
from torch.profiler import ProfilerActivity, profile

from sdtrace.roofline.arguments import parse_arguments
from sdtrace.roofline.traffic import RULES, moved_by
from tests.recorded_ops import trace_bytes

aten = torch.ops.aten
DTYPES = (torch.float32, torch.float64, torch.bfloat16, torch.float16, torch.int64, torch.int32, torch.uint8)
FLOATS = (torch.float32, torch.float64, torch.bfloat16)
DRAWS = 3

UNARY = (
    *("abs", "neg", "relu", "silu", "gelu", "mish", "hardtanh", "hardswish", "leaky_relu", "elu", "celu"),
    *("softplus", "sign", "ceil", "floor", "round", "trunc", "sqrt", "rsqrt", "exp", "log", "log2", "sin"),
    *("cos", "tanh", "sigmoid", "erf", "reciprocal", "isnan", "isinf", "logical_not", "clone", "square"),
)
BINARY = (
    *("add", "sub", "mul", "div", "maximum", "minimum", "fmod", "remainder", "pow", "atan2", "eq", "ne"),
    *("lt", "le", "gt", "ge", "logical_and", "logical_or", "floor_divide", "hypot", "copysign"),
)
ONLY_FLOATS = {"hypot", "mish", "silu", "gelu", "hardswish", "leaky_relu", "elu", "celu", "softplus"}
ONLY_TENSORS = {"maximum", "minimum", "atan2", "logical_and", "logical_or", "copysign"}
REDUCTIONS = ("sum", "mean", "amax", "amin", "logsumexp", "var", "std")


class Draw:
    """Random tensors and numbers, the same in every run."""

    def __init__(self) -> None:
        self.random = random.Random(7)

    def shape(self, rank: int | None = None) -> list[int]:
        count = self.random.randint(1, 4) if rank is None else rank
        return [self.random.randint(1, 6) for _ in range(count)]

    def tensor(self, shape: list[int], dtypes: tuple[torch.dtype, ...] = FLOATS) -> Tensor:
        return torch.ones(shape, dtype=self.random.choice(dtypes))

    def expandable(self, shape: list[int]) -> list[int]:
        """A shape that expands to `shape`."""
        kept = shape[self.random.randint(0, len(shape)) :]
        return [size if self.random.random() < 0.6 else 1 for size in kept]

    def operand(
        self, shape: list[int], dtypes: tuple[torch.dtype, ...], *, numbers: bool = True
    ) -> Tensor | float | int:
        if numbers and self.random.random() < 0.3:
            return self.random.choice([2, 2.5])
        size = self.expandable(shape)
        # A float64 without dimensions cannot be told from a Python number, and is taken for one.
        return self.tensor(size, dtypes if size else tuple(d for d in dtypes if d != torch.float64))


Call = tuple[Any, tuple[Any, ...]]
"""An overload packet of torch.ops.aten, and what it is called with."""


def elementwise(draw: Draw) -> Iterator[Call]:
    for name in UNARY:
        dtypes = FLOATS if name in ONLY_FLOATS else DTYPES
        yield getattr(aten, name), (draw.tensor(draw.shape(), dtypes),)
        yield getattr(aten, name), (draw.tensor([], dtypes),)
    for name in ("relu", "silu", "exp", "sigmoid", "tanh", "neg"):
        yield getattr(aten, f"{name}_"), (draw.tensor(draw.shape()),)
    for name in BINARY:
        shape = draw.shape()
        if name in ONLY_FLOATS:
            x = draw.tensor(shape)
            yield getattr(aten, name), (x, torch.ones(draw.expandable(shape), dtype=x.dtype))
        else:
            yield (
                getattr(aten, name),
                (
                    draw.tensor(shape, DTYPES),
                    draw.operand(shape, DTYPES, numbers=name not in ONLY_TENSORS),
                ),
            )
    for name in ("add_", "mul_", "div_", "sub_"):
        shape = draw.shape()
        yield getattr(aten, name), (draw.tensor(shape), draw.operand(shape, FLOATS))
    shape = draw.shape()
    mask, x = torch.ones(draw.expandable(shape), dtype=torch.bool), draw.tensor(shape)
    yield aten.where, (mask, x, draw.tensor(draw.expandable(shape)))
    yield aten.masked_fill, (x, mask, 2.5)
    yield aten.clamp, (x, 0, 1)
    yield aten.lerp, (x, torch.ones_like(x), 0.5)
    yield aten.addcmul, (x, torch.ones(draw.expandable(shape), dtype=x.dtype), torch.ones_like(x))
    yield aten.silu_backward, (x, torch.ones_like(x))
    yield aten.gelu_backward, (x, torch.ones_like(x))
    yield aten.threshold_backward, (x, torch.ones_like(x), 0)
    yield aten.copy_, (x, draw.tensor(draw.expandable(shape)))
    yield aten.fill_, (x, 3)
    yield aten.normal_, (x, 0.0, 1.0)
    yield aten.zero_, (x,)
    yield aten.native_dropout, (x, 0.5, True)
    yield aten.glu, (draw.tensor([3, 4]), -1)
    yield aten.glu_backward, (torch.ones(3, 2), torch.ones(3, 4), -1)
    yield aten.elu_backward, (x, 1.0, 1.0, 1.0, True, torch.ones_like(x))
    yield aten.softshrink_backward, (x, torch.ones_like(x), 0.5)
    yield aten._prelu_kernel_backward, (x, x, torch.ones_like(x))
    yield aten.logaddexp, (x, torch.ones(draw.expandable(shape), dtype=x.dtype))
    for dtype in (torch.int8, torch.int64, torch.float32):
        whole = torch.ones(shape, dtype=dtype)
        yield aten.copysign, (whole, torch.ones_like(whole))
        yield aten.div, (whole, torch.ones_like(whole))


def complex_numbers(draw: Draw) -> Iterator[Call]:
    """Sizes, spreads and angles of complex numbers are real."""
    shape = draw.shape(2)
    for dtype in (torch.float32, torch.float64):
        yield aten.complex, (torch.ones(shape, dtype=dtype), torch.ones(shape, dtype=dtype))
        yield aten.polar, (torch.ones(shape, dtype=dtype), torch.ones(shape, dtype=dtype))
    for dtype in (torch.complex64, torch.complex128):
        x = torch.ones(shape, dtype=dtype)
        yield from ((getattr(aten, name), (x,)) for name in ("abs", "angle", "neg", "exp", "clone"))
        yield aten.mul, (x, torch.ones(shape))
        yield aten.var, (x, [0], True, True)
        yield aten.var_mean, (x, [0], True, True)
        yield aten.linalg_vector_norm, (x, 2, [1], True)
        yield aten.sum, (x, [1])
        yield aten.mm, (x, torch.ones(shape[1], 3, dtype=dtype))
        yield aten.dot, (x[:, 0], x[:, 0])


def products(draw: Draw) -> Iterator[Call]:
    b, n, k, m = draw.shape(4)
    dtype = draw.random.choice(FLOATS)

    def of(*shape: int) -> Tensor:
        return torch.ones(shape, dtype=dtype)

    yield aten.mm, (of(n, k), of(k, m))
    yield aten.addmm, (of(m), of(n, k), of(k, m))
    yield aten.bmm, (of(b, n, k), of(b, k, m))
    yield aten.baddbmm, (of(b, n, m), of(b, n, k), of(b, k, m))
    yield aten.mv, (of(n, k), of(k))
    yield aten.linear, (of(b, n, k), of(m, k), of(m))


def convolutions(draw: Draw) -> Iterator[Call]:
    for rank in (1, 2, 3):
        groups, stride, padding, dilation = (draw.random.randint(1, 2) for _ in range(4))
        space = [draw.random.randint(7, 12) for _ in range(rank)]
        kernel = [draw.random.randint(1, 3) for _ in range(rank)]
        settings = [[stride] * rank, [padding] * rank, [dilation] * rank]
        x = torch.ones(2, 4 * groups, *space)
        weight, bias = torch.ones(6 * groups, 4, *kernel), torch.ones(6 * groups)
        yield aten.convolution, (x, weight, bias, *settings, False, [0] * rank, groups)
        turned = torch.ones(4 * groups, 3, *kernel)
        extra = [draw.random.randint(0, stride - 1)] * rank
        yield aten.convolution, (x, turned, torch.ones(3 * groups), *settings, True, extra, groups)
        result = aten.convolution(x, weight, bias, *settings, False, [0] * rank, groups)
        mask = [draw.random.random() < 0.7, True, draw.random.random() < 0.7]
        shapes = [6 * groups]
        yield (
            aten.convolution_backward,
            (result, x, weight, shapes, *settings, False, [0] * rank, groups, mask),
        )


def norms(draw: Draw) -> Iterator[Call]:
    x = torch.ones(*draw.shape(2), 8, 4)
    weight = torch.ones(4)
    yield aten.native_layer_norm, (x, [4], weight, weight, 1e-5)
    yield aten.native_layer_norm, (x, [8, 4], None, None, 1e-5)
    mean = torch.ones(*x.shape[:3], 1)
    for mask in ([True, True, True], [True, False, False]):
        yield aten.native_layer_norm_backward, (x, x, [4], mean, mean, weight, weight, mask)
    image = torch.ones(2, 8, 5, 5)
    channels, groups = torch.ones(8), torch.ones(2, 4)
    yield aten.native_group_norm, (image, channels, channels, 2, 8, 25, 4, 1e-5)
    mask = [True, draw.random.random() < 0.5, True]
    yield aten.native_group_norm_backward, (image, image, groups, groups, channels, 2, 8, 25, 4, mask)
    yield aten.native_batch_norm, (image, channels, channels, None, None, True, 0.1, 1e-5)
    yield aten._softmax, (x, -1, False)
    yield aten._log_softmax, (x, 1, False)
    yield aten._softmax_backward_data, (x, x, -1, torch.float32)


def reductions(draw: Draw) -> Iterator[Call]:
    for name in REDUCTIONS:
        dtypes = FLOATS if name in ("mean", "var", "std") else DTYPES
        x = draw.tensor(draw.shape(3), dtypes)
        dims = draw.random.choice([[0], [-1], [1, 2], [0, -1]])
        if name not in ("var", "std"):
            yield getattr(aten, name), (x, dims, draw.random.random() < 0.5)
        else:
            yield getattr(aten, name), (x, dims, True, draw.random.random() < 0.5)
    for name in ("sum", "mean", "var", "std", "max", "min", "any", "all", "argmax", "amax", "prod"):
        yield getattr(aten, name), (draw.tensor(draw.shape(2), FLOATS),)
    x = draw.tensor(draw.shape(3), DTYPES)
    yield aten.sum, (x,)
    yield aten.argmax, (x, -1, True)
    yield aten.argmin, (x, 0)
    yield aten.max, (x, 1, False)
    yield aten.any, (x, 2, True)
    yield aten.all, (x.to(torch.uint8), 2, True)
    yield aten.cumsum, (x, 1)
    yield aten.sort, (x, 1, True)
    yield aten.topk, (x, 1, -1)
    yield aten.linalg_vector_norm, (torch.ones(3, 4), 2, [1], True)
    image = torch.ones(2, 3, 11, 9)
    ceil = draw.random.random() < 0.5
    yield aten.max_pool2d_with_indices, (image, [3, 2], [2, 2], [1, 1], [1, 1], ceil)
    yield aten.avg_pool2d, (image, [3, 3], [2, 2], [0, 1], ceil)
    yield aten.avg_pool2d, (image, [2, 2])
    yield aten._adaptive_avg_pool2d, (image, [4, 3])


def movement(draw: Draw) -> Iterator[Call]:
    shape = draw.shape(3)
    dtype = draw.random.choice(DTYPES)
    dim = draw.random.randint(-3, 2)
    sizes = [
        [n if axis != dim % 3 else draw.random.randint(1, 4) for axis, n in enumerate(shape)] for _ in "abc"
    ]
    yield aten.cat, ([torch.ones(size) for size in sizes], dim)
    yield aten.cat, ([torch.ones(0), torch.ones(2, 3)], 0)
    yield aten.stack, ([torch.ones(shape) for _ in "abcd"], dim)
    x = torch.ones(6, 5, 4, dtype=dtype)
    places = torch.zeros(3, dtype=torch.int64)
    yield aten.index_select, (x, draw.random.choice([0, 1, -1]), places)
    yield aten.gather, (x, 1, torch.zeros(2, 3, 4, dtype=torch.int64))
    yield aten.embedding, (torch.ones(10, 7), torch.zeros(2, 3, dtype=torch.int64))
    yield aten.embedding_dense_backward, (torch.ones(3, 7), places, 10, -1, False)
    yield aten.scatter_add, (x, 0, torch.zeros(1, 5, 4, dtype=torch.int64), x)
    image = torch.ones(2, 3, 5, 7)
    yield aten.upsample_nearest2d, (image, [10, 21])
    yield aten.upsample_bilinear2d, (image, None, False, [2.0, 1.5])
    yield aten.upsample_nearest2d_backward, (torch.ones(2, 3, 10, 14), [10, 14], [2, 3, 5, 7])
    yield aten.upsample_nearest2d, (image, [2, 3])
    yield aten._upsample_bilinear2d_aa, (image, [2, 3], False)
    yield aten.grid_sampler_2d, (image, torch.ones(2, 4, 6, 2), 0, 0, False)
    yield aten.reflection_pad2d, (image, [1, 2, 3, 0])
    yield aten.reflection_pad2d_backward, (torch.ones(2, 3, 8, 10), image, [1, 2, 3, 0])
    yield aten.constant_pad_nd, (image, [1, 2, -1, 0, 0, 1], 0.0)
    yield aten._to_copy, (x,)
    yield aten.flip, (x, [0])


def attention(draw: Draw) -> Iterator[Call]:
    b, h, n, m = draw.shape(4)
    q, k, v = (torch.ones(b, h, length, 8, requires_grad=False) for length in (n, m, m))
    yield aten._scaled_dot_product_flash_attention_for_cpu, (q, k, v)


FAMILIES = (elementwise, complex_numbers, products, convolutions, norms, reductions, movement, attention)


class Event(msgspec.Struct):
    name: str = ""
    cat: str = ""
    ts: float = 0.0
    dur: float = 0.0
    args: dict[str, Any] = {}


class Trace(msgspec.Struct):
    traceEvents: list[Event]  # noqa: N815  (the file's own spelling)


def outermost_ops(path: Path) -> list[Event]:
    events = msgspec.json.decode(trace_bytes(path), type=Trace).traceEvents
    found: list[Event] = []
    for event in sorted((e for e in events if e.cat == "cpu_op"), key=lambda e: (e.ts, -e.dur)):
        if not found or event.ts >= found[-1].ts + found[-1].dur:
            found.append(event)
    return found


def tensors_of(result: Any) -> list[Tensor]:
    results = result if isinstance(result, tuple | list) else [result]
    return [tensor for tensor in results if isinstance(tensor, Tensor)]


def torch_takes(call: Call) -> bool:
    """Not each function is there for each type."""
    op, args = call
    try:
        op(*args)
    except RuntimeError:
        return False
    return True


@pytest.fixture(scope="module")
def recorded(tmp_path_factory: pytest.TempPathFactory) -> list[tuple[Event, list[Tensor]]]:
    """Each call as the profiler recorded it, with its results."""
    draw = Draw()
    drawn = [call for family in FAMILIES for _ in range(DRAWS) for call in family(draw)]
    calls = [call for call in drawn if torch_takes(call)]
    assert {str(op) for op, _ in calls} == {str(op) for op, _ in drawn}
    results = []
    with profile(activities=[ProfilerActivity.CPU], record_shapes=True) as run:
        for op, args in calls:
            results.append(tensors_of(op(*args)))
    path = tmp_path_factory.mktemp("run") / "trace.json"
    run.export_chrome_trace(str(path))
    events = outermost_ops(path)
    assert [event.name for event in events] == [str(op).replace(".", "::") for op, _ in calls]
    return list(zip(events, results, strict=True))


def written(event: Event) -> list[tuple[tuple[int, ...], str | None]]:
    moved = moved_by(event.name, parse_arguments(event.args, "float32"))
    assert moved is not None, event
    return [(tensor.shape, tensor.dtype) for tensor in moved.writes]


def test_each_rule_gives_the_shape_and_the_type_that_torch_gave(
    recorded: list[tuple[Event, list[Tensor]]],
) -> None:
    different = []
    for event, results in recorded:
        expected = [(tuple(t.shape), str(t.dtype).removeprefix("torch.")) for t in results if t.numel()]
        if event.name in RULES and written(event) != expected:
            different.append((event.name, event.args, written(event), expected))
    assert not different


def test_all_ops_of_the_run_have_a_rule(recorded: list[tuple[Event, list[Tensor]]]) -> None:
    assert {event.name for event, _ in recorded} <= set(RULES)


def test_bytes_read_are_those_of_the_tensors_given(recorded: list[tuple[Event, list[Tensor]]]) -> None:
    """Of elementwise ops: all operands once."""
    for event, _ in recorded:
        if event.name in ("aten::add", "aten::mul", "aten::where", "aten::eq"):
            moved = moved_by(event.name, parse_arguments(event.args))
            assert moved is not None
            assert moved.reads == parse_arguments(event.args).all()
