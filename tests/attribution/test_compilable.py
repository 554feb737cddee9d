"""What a compiler could fuse: work of torch's own ops, not that of a library's, which are calls for it."""

from __future__ import annotations

from pathlib import Path

import pytest

from sdtrace.attribution.compilable import is_compilable
from tests.written import Event, call, host, kernel, written

ADD = "void at::native::vectorized_elementwise_kernel<4, at::native::CUDAFunctor_add<float> >(int)"
NORM = "_ZN5aiter24add_rmsnorm_quant_kernelIDF16bDF16bLi64ELi8ELb0ELb0ELb1ELi1EEEvPT0_PT_PfS4_"


def launched(*around: str, name: str = ADD) -> list[Event]:
    """A kernel that is launched within these ops, from the outside in."""
    events = [host(op, 10 * depth, 200 - 20 * depth) for depth, op in enumerate(around)]
    return [*events, call("cudaLaunchKernel", 90, 5, 1), kernel(name, 150, 10, 1)]


@pytest.mark.parametrize(
    ("events", "expected"),
    [
        (launched("aten::add"), True),
        (launched("add"), True),
        (launched("autograd::engine::evaluate_function: AddBackward0", "aten::add"), True),
        (launched("vllm::all_reduce", "aten::copy_"), False),
        (launched("aiter::rmsnorm", name=NORM), False),
        (launched("_C::fused_add_rms_norm", name=NORM), False),
    ],
)
def test_what_the_launching_op_tells(events: list[Event], expected: bool, tmp_path: Path) -> None:
    assert is_compilable(written(tmp_path / "t.json", events)).tolist() == [expected]


@pytest.mark.parametrize(("name", "expected"), [(ADD, True), (NORM, False)])
def test_of_a_graph_only_torchs_own_kernels_are(name: str, expected: bool, tmp_path: Path) -> None:
    step = host("execute_32_context_0", 0, 300, "user_annotation")
    events = [step, call("cudaGraphLaunch", 90, 5, 1), kernel(name, 150, 10, 1)]
    assert is_compilable(written(tmp_path / "t.json", events)).tolist() == [expected]
