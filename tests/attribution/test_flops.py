"""torch is the oracle: its profiler's `flops` column and `torch.utils.flop_counter`."""

from __future__ import annotations

import gzip
import json
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import numpy.typing as npt
import pytest
import torch
import torch.nn.functional as F  # noqa: N812  (the name torch's own documentation uses)
from isal import igzip
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.profiler import ProfilerActivity, profile
from torch.utils.flop_counter import FlopCounterMode

from sdtrace.attribution.flops import FLOP_OPS, TORCH_FLOP_OPS, flops_of, outermost
from sdtrace.attribution.linked_trace import attribute
from sdtrace.attribution.op_table import OpTimes, op_table
from sdtrace.trace import load_trace
from tests.shared import shared_trace

WITH_KEY_AVERAGES = ["fp32_eager", "bf16_sdpa.warm", "bf16_sdpa_graphs.warm"]


class Op(msgspec.Struct):
    """An event of the trace file; only those with cat `cpu_op` are kept."""

    name: str = ""
    cat: str = ""
    tid: int | str = 0
    ts: float = 0.0
    dur: float = 0.0
    args: dict[str, Any] | None = None


class Trace(msgspec.Struct):
    traceEvents: list[Op]  # noqa: N815  (the file's own spelling)


def read_ops(data: bytes) -> list[Op]:
    events = msgspec.json.decode(data, type=Trace).traceEvents
    return sorted((e for e in events if e.cat == "cpu_op"), key=lambda e: (str(e.tid), e.ts, -e.dur))


def parents_of(ops: list[Op]) -> npt.NDArray[np.int64]:
    parents = np.full(len(ops), -1, dtype=np.int64)
    stack: list[int] = []
    for index, op in enumerate(ops):
        while stack and (ops[stack[-1]].tid != op.tid or ops[stack[-1]].ts + ops[stack[-1]].dur <= op.ts):
            stack.pop()
        parents[index] = stack[-1] if stack else -1
        stack.append(index)
    return parents


def flops_by_event(ops: list[Op]) -> npt.NDArray[np.int64]:
    return np.array([flops_of(op.name, op.args or {}) for op in ops], dtype=np.int64)


def torch_column(ops: list[Op]) -> dict[str, int]:
    """The sum per op over the events torch counts: an only child with its parent's name is folded away."""
    parents = parents_of(ops)
    children = Counter(parents.tolist())
    total: Counter[str] = Counter()
    for op, flops, parent in zip(ops, flops_by_event(ops).tolist(), parents.tolist(), strict=True):
        folded = parent >= 0 and ops[parent].name == op.name and children[parent] == 1
        if op.name in TORCH_FLOP_OPS and not folded:
            total[op.name] += flops
    return {name: flops for name, flops in total.items() if flops}


def profiled(
    work: Callable[[], object], folder: Path, *, with_flops: bool = False
) -> tuple[list[Op], dict[str, int]]:
    """The ops of a run on the CPU, as exported, and torch's own column."""
    with profile(activities=[ProfilerActivity.CPU], record_shapes=True, with_flops=with_flops) as run:
        work()
    run.export_chrome_trace(str(folder / "trace.json"))
    column = {row.key: row.flops for row in run.key_averages() if row.flops}
    return read_ops((folder / "trace.json").read_bytes()), column


@pytest.fixture(scope="module", params=WITH_KEY_AVERAGES)
def variant(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture(scope="module")
def recorded(variant: str) -> list[Op]:
    """The ops of a reference trace."""
    return read_ops(igzip.decompress(shared_trace(f"reference/{variant}.json.gz").read_bytes()))


def test_the_sum_per_op_equals_the_column_torch_wrote_beside_the_trace(
    variant: str, recorded: list[Op]
) -> None:
    rows = json.loads(gzip.decompress(shared_trace(f"reference/{variant}.keyavg.json.gz").read_bytes()))[
        "rows"
    ]
    expected = {row["key"]: row["flops"] for row in rows if row["flops"]}
    assert torch_column(recorded) == expected


def counted_by_torch() -> None:
    x = torch.randn(3, 8, 17, 13)
    F.conv2d(x, torch.randn(12, 4, 3, 5), stride=(2, 1), padding=(1, 2), dilation=(1, 2), groups=2)
    a, b = torch.randn(4, 6, 5), torch.randn(4, 5, 7)
    torch.bmm(a, b)
    torch.baddbmm(torch.randn(4, 6, 7), a, b)
    torch.mm(a[0], b[0])
    torch.addmm(torch.randn(7), a[0], b[0])
    (x + 1) * x
    torch.tensor(2.0) * x + torch.randn(())
    torch.mm(torch.empty(3, 0), torch.empty(0, 4))


def test_what_torch_counts_on_this_machine_is_counted_the_same(tmp_path: Path) -> None:
    ops, column = profiled(counted_by_torch, tmp_path, with_flops=True)
    assert set(column) == TORCH_FLOP_OPS
    assert torch_column(ops) == column


def attention_with(backend: SDPBackend) -> Callable[[], object]:
    def work() -> object:
        q, k, v = torch.randn(2, 4, 9, 16), torch.randn(2, 4, 11, 16), torch.randn(2, 4, 11, 16)
        with sdpa_kernel(backend):
            return F.scaled_dot_product_attention(q, k, v)

    return work


WORK: dict[str, Callable[[], object]] = {
    "conv1d": lambda: F.conv1d(torch.randn(2, 4, 20), torch.randn(6, 2, 3), stride=2, padding=1, groups=2),
    "conv2d_same": lambda: F.conv2d(torch.randn(2, 4, 9, 9), torch.randn(6, 4, 3, 3), padding="same"),
    "conv2d_bias": lambda: F.conv2d(
        torch.randn(2, 4, 9, 9), torch.randn(6, 4, 3, 3), torch.randn(6), dilation=2
    ),
    "conv2d_unbatched": lambda: F.conv2d(torch.randn(4, 9, 9), torch.randn(6, 4, 3, 3)),
    "conv3d": lambda: F.conv3d(torch.randn(1, 2, 5, 6, 7), torch.randn(4, 2, 3, 3, 3), padding=(1, 0, 1)),
    "conv_transpose1d": lambda: F.conv_transpose1d(
        torch.randn(2, 4, 9), torch.randn(4, 3, 4), stride=2, padding=1
    ),
    "conv_transpose2d": lambda: F.conv_transpose2d(
        torch.randn(2, 4, 5, 6), torch.randn(4, 3, 4, 4), stride=2, padding=1, groups=2, output_padding=1
    ),
    "conv_transpose3d": lambda: F.conv_transpose3d(torch.randn(1, 4, 3, 4, 5), torch.randn(4, 3, 2, 2, 2)),
    "linear": lambda: F.linear(torch.randn(2, 7, 10), torch.randn(5, 10), torch.randn(5)),
    "matmul": lambda: torch.randn(3, 4, 6, 5) @ torch.randn(3, 4, 5, 2),
    "attention": attention_with(SDPBackend.MATH),
}


@pytest.mark.parametrize("name", WORK)
def test_the_work_counted_once_equals_torchs_flop_counter(name: str, tmp_path: Path) -> None:
    with FlopCounterMode(display=False) as counter:
        WORK[name]()
    ops, _ = profiled(WORK[name], tmp_path)
    flops = np.where(
        [op.name in ("aten::mul", "aten::mul_", "aten::add_") for op in ops], 0, flops_by_event(ops)
    )
    assert counter.get_total_flops() > 0
    assert outermost(flops, parents_of(ops)).sum() == counter.get_total_flops()


def test_fused_attention_costs_what_the_unfused_one_does(tmp_path: Path) -> None:
    """On the CPU, torch's counter knows the unfused one only."""
    with FlopCounterMode(display=False) as counter:
        attention_with(SDPBackend.MATH)()
    ops, _ = profiled(attention_with(SDPBackend.FLASH_ATTENTION), tmp_path)
    assert any("flash_attention" in op.name for op in ops)
    flops = flops_by_event(ops)
    assert set(flops[flops > 0].tolist()) == {counter.get_total_flops()}


def test_an_op_and_the_one_it_wraps_agree_on_every_reference_trace(recorded: list[Op]) -> None:
    ops = recorded
    flops, parents = flops_by_event(ops), parents_of(ops)
    elementwise = ("aten::add", "aten::add_", "aten::mul", "aten::mul_", "aten::sub", "aten::div")
    wrapped = [
        (op.name, ops[parent].name, flops[index], flops[parent])
        for index, (op, parent) in enumerate(zip(ops, parents.tolist(), strict=True))
        if parent >= 0 and op.name in FLOP_OPS - set(elementwise) and ops[parent].name in FLOP_OPS
    ]
    assert wrapped
    assert not [pair for pair in wrapped if pair[2] != pair[3]]


def test_outermost_keeps_each_chain_once() -> None:
    flops = np.array([0, 8, 8, 0, 8, 3], dtype=np.int64)
    parents = np.array([-1, 0, 1, 2, 3, 0], dtype=np.int64)
    assert outermost(flops, parents).tolist() == [0, 8, 0, 0, 0, 3]
    assert flops.tolist() == [0, 8, 8, 0, 8, 3]


@pytest.mark.parametrize(
    ("op", "args"),
    [
        ("aten::mm", {}),
        ("aten::relu", {"Input Dims": [[2, 3]]}),
        ("aten::mm", {"Input Dims": [[2, 3]]}),
        ("aten::mm", {"Input Dims": [[[2, 3]], [3, 4]]}),
        ("aten::mm", {"Input Dims": "..."}),
        ("aten::conv2d", {"Input Dims": [[1, 2, 8, 8], [4, 2, 3, 3]]}),
        (
            "aten::convolution",
            {"Input Dims": [[1, 2, 8, 8], [4, 2, 3, 3]], "Concrete Inputs": ["", "", "", "[0, 0]"]},
        ),
        ("aten::scaled_dot_product_attention", {"Input Dims": [[2, 8, 4], [2, 8, 4]]}),
        ("aten::add", {"Input Dims": [[], []], "Input type": ["Scalar", "Scalar"]}),
    ],
)
def test_what_was_recorded_without_shapes_counts_nothing(op: str, args: dict[str, object]) -> None:
    assert flops_of(op, args) == 0


def test_keys_and_values_shared_by_heads_are_repeated() -> None:
    shapes = [[1, 8, 16, 64], [1, 2, 32, 64], [1, 2, 32, 64]]
    assert (
        flops_of("aten::_scaled_dot_product_flash_attention", {"Input Dims": shapes}) == 2 * 8 * 16 * 32 * 128
    )


def captured_and_replayed() -> list[dict[str, Any]]:
    """A product that ran, one that a capture recorded, and two replays of the graph."""
    dims = {"Input Dims": [[4, 5], [5, 6]]}

    def event(cat: str, name: str, ts: int, dur: int, **args: object) -> dict[str, Any]:
        return {"ph": "X", "cat": cat, "name": name, "pid": 1, "tid": 1, "ts": ts, "dur": dur, "args": args}

    return [
        event("cpu_op", "aten::mm", 0, 10, **{"External id": 1}, **dims),
        event("cuda_runtime", "cudaStreamBeginCapture", 20, 1, correlation=1),
        event("cpu_op", "aten::mm", 30, 10, **{"External id": 2}, **dims),
        event("cuda_runtime", "cudaStreamEndCapture", 50, 1, correlation=2),
        event("cuda_runtime", "cudaGraphLaunch", 60, 1, correlation=3),
        event("cuda_runtime", "cudaGraphLaunch", 70, 1, correlation=4),
        *({**event("kernel", "k", 10 * n + 5, 5, correlation=n - 3), "pid": 0, "tid": 7} for n in (6, 7)),
    ]


def test_what_a_capture_only_records_is_not_counted(tmp_path: Path) -> None:
    """2 * 4 * 5 * 6 for the product that ran; torch's own table counts the recorded one as well."""
    path = tmp_path / "t.json"
    path.write_text(json.dumps({"with_flops": 1, "traceEvents": captured_and_replayed()}))
    linked = attribute(load_trace(path))
    true = {row.name: row.flops for row in op_table(linked)}
    assert (true["aten::mm"], true["cudaGraphLaunch"]) == (240, 0)
    as_torch = {row.name: row.flops for row in op_table(linked, OpTimes.TORCH)}
    assert as_torch["aten::mm"] == 480


def test_a_capture_of_which_the_file_has_no_end_takes_nothing_away(tmp_path: Path) -> None:
    path = tmp_path / "t.json"
    events = [event for event in captured_and_replayed() if event["name"] != "cudaStreamEndCapture"]
    path.write_text(json.dumps(events))
    assert sum(row.flops for row in op_table(attribute(load_trace(path)))) == 480
