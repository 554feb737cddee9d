"""Nsight Compute's counters are the oracle: bytes that each kernel of a run read and wrote.

Caches were flushed before each kernel, so it read what its op was given. What it wrote may have stayed in
the cache: there the counters are a lower bound.
"""

from __future__ import annotations

import re
from collections import defaultdict
from dataclasses import dataclass
from typing import Any

import msgspec
import pytest

from sdtrace.roofline.traffic import Traffic, list_dtype_of, traffic_of
from tests.recorded_ops import trace_bytes
from tests.shared import shared_trace

LAYOUT = re.compile("nchwToNhwc|nhwcToNchw|tensorTransform|init_device_workspace")
"""Kernels with which cuDNN rearranges what a convolution takes and gives, and prepares."""
NOISE = 100_000
"""Bytes under which what a kernel reads beside its tensors (its code, its parameters) is more than 2 %."""


class Kernel(msgspec.Struct):
    kernel: str
    read: float
    written: float
    trace_us: float
    external_id: int


class Event(msgspec.Struct):
    name: str = ""
    cat: str = ""
    args: dict[str, Any] = {}


class Trace(msgspec.Struct):
    traceEvents: list[Event]  # noqa: N815  (the file's own spelling)


@dataclass
class Op:
    """One op event, what it must move, and its kernels."""

    name: str
    traffic: Traffic
    kernels: list[Kernel]

    def read(self) -> float:
        return sum(kernel.read for kernel in self.kernels)


@pytest.fixture(scope="module")
def ops() -> list[Op]:
    truth = msgspec.json.decode(
        trace_bytes(shared_trace("wild/bytes_eager.truth.json.gz")), type=list[Kernel]
    )
    trace = msgspec.json.decode(trace_bytes(shared_trace("wild/bytes_eager.json.gz")), type=Trace)
    by_id = {e.args["External id"]: e for e in trace.traceEvents if e.cat == "cpu_op"}
    kernels: dict[int, list[Kernel]] = defaultdict(list)
    for kernel in truth:
        kernels[kernel.external_id].append(kernel)
    found = []
    for external_id, own in kernels.items():
        op = by_id[external_id]
        traffic = traffic_of(op.name, op.args, list_dtype_of(own[0].kernel))
        assert traffic is not None, op
        assert traffic.exact, op
        found.append(Op(op.name, traffic, own))
    return found


def by_name(ops: list[Op]) -> dict[str, list[Op]]:
    """The ops that move more than noise, by name."""
    named: dict[str, list[Op]] = defaultdict(list)
    for op in ops:
        named[op.name].append(op)
    return {name: own for name, own in named.items() if sum(op.read() for op in own) > NOISE}


def ratio(ops: list[Op]) -> float:
    """What the ops must read, of what they did."""
    return sum(op.traffic.bytes_read for op in ops) / sum(op.read() for op in ops)


def test_ops_of_one_kernel_read_what_they_are_given(ops: list[Op]) -> None:
    """Within 2 % by op, convolutions that need no other layout among them."""
    single = by_name([op for op in ops if len(op.kernels) == 1])
    assert len(single) == 16
    assert "aten::cudnn_convolution" in single
    ratios = {name: ratio(own) for name, own in single.items()}
    assert not {name: r for name, r in ratios.items() if not 0.98 < r <= 1.001}


def test_the_multiplying_kernel_of_a_convolution_reads_what_the_op_is_given(ops: list[Op]) -> None:
    """The rest of what cuDNN moves rearranges: more than half of it all, which no convolution needs."""
    convolutions = by_name(ops)["aten::cudnn_convolution"]
    multiplying = [
        Op(op.name, op.traffic, [kernel for kernel in op.kernels if not LAYOUT.search(kernel.kernel)])
        for op in convolutions
    ]
    assert {len(op.kernels) for op in multiplying} == {1}
    assert 0.98 < ratio(multiplying) <= 1.001
    assert ratio(convolutions) < 0.5


def test_group_norm_reads_its_input_again_for_each_of_two_kernels(ops: list[Op]) -> None:
    """A finding, no error: once for the moments, once for the result."""
    norms = by_name(ops)["aten::native_group_norm"]
    assert 0.49 < ratio(norms) < 0.51
    moments = [Op(op.name, op.traffic, op.kernels[:1]) for op in norms]
    assert all("RowwiseMoments" in op.kernels[0].kernel for op in moments)
    assert 0.98 < ratio(moments) <= 1.001


def test_no_op_but_a_convolution_writes_more_than_its_result(ops: list[Op]) -> None:
    """Counters are at most what we say, by op: 2 % are left for what else was in the cache."""
    for name, own in by_name(ops).items():
        written = sum(
            kernel.written for op in own for kernel in op.kernels if not LAYOUT.search(kernel.kernel)
        )
        assert written < 1.02 * sum(op.traffic.bytes_written for op in own), name


def test_what_reads_more_than_it_must_is_a_quarter_of_the_time(ops: list[Op]) -> None:
    """By kernel: layouts changed, and the second half of group norms. All others are within 2 % by name."""
    total = sum(kernel.trace_us for op in ops for kernel in op.kernels)
    layout = sum(k.trace_us for op in ops for k in op.kernels if LAYOUT.search(k.kernel))
    norms = [op for op in ops if op.name == "aten::native_group_norm"]
    second = sum(kernel.trace_us for op in norms for kernel in op.kernels[1:])
    assert (layout + second) / total == pytest.approx(0.223, abs=0.005)
