"""The same plan without the profiler: what recording costs the host, read off the trace's own clocks.

Two things slow the host down: each recorded event costs a fixed time, and all host work is slower by one
factor, which a trace shows in calls that always do the same. Fitted on traces of SD 1.5, SDXL-sized and FLUX
pipelines on H100s whose walls without the profiler were measured beside them; see docs/predictions.md.
"""

from __future__ import annotations

from typing import Final, NamedTuple

import numpy as np

from sdtrace.attribution.linked_trace import LinkedTrace
from sdtrace.attribution.nesting import Int64s
from sdtrace.whatif.plain_work import is_training, plain_work, within
from sdtrace.whatif.plan import Plan

_CLOCKS: Final = {
    "cudaLaunchKernel": 5_000,
    "cudaLaunchKernelExC": 5_500,
    "cuLaunchKernel": 5_000,
    "cuLaunchKernelEx": 5_300,
    "aten::empty": 3_000,
    "aten::as_strided": 420,
    "aten::view": 700,
}
"""Median durations in nanoseconds where the profiler slows the host least."""
_LIKELY, _LEAST_LIKELY = 0.85, 0.6
"""How much of the slowdown is the profiler's, by its logarithm; the rest is a slow host."""
_LAUNCHES: Final = frozenset(name for name in _CLOCKS if name.startswith("cu"))
_USUAL: Final = 1.05
"""Hosts differ by so much without being slowed down."""
_ENOUGH: Final = 50
"""So few calls are no clock."""
_SLOWEST: Final = 2.0
"""The slowest of the traces that this was tried on."""
OP_NS: Final = 2_000
"""Recording an op with its shapes."""
FRAME_NS: Final = 1_200
"""Recording a Python function (`with_stack`)."""
LAUNCH_NS: Final = 2_000
"""Recording a launch call and its work."""
TRITON_NS: Final = 23_000
"""A launch of a Triton kernel, whose arguments Inductor turns into text for the profiler."""
GRAPH_NS: Final = 446_000
"""A replay of a CUDA graph, whose kernels are recorded one by one."""
_LEAST: Final = 0.1
"""No call or gap shrinks to less than this share of itself."""


class Slowdown(NamedTuple):
    """By what factor recording slowed host work down: on a fast, a usual and a slow host, 1 and more."""

    fast: float
    usual: float
    slow: float


def slowdown(linked: LinkedTrace, start_ns: int, end_ns: int) -> Slowdown:
    """How much slower host work was than without the profiler, between two instants.

    The forward and the backward pass of training run on two threads, whose ops also record what autograd
    needs: only launches are clocks then, and how much of the slowdown is the profiler's is not known. In two
    trainings that were measured it was half of it, by its logarithm. A slow host looks slowed down too: in
    inference the profiler's part was all of it on some hosts, and 60 % on others.
    """
    if is_training(linked, start_ns, end_ns):
        most = _by_clocks(linked, start_ns, end_ns, _LAUNCHES)
        return Slowdown(most, most**0.5, 1.0)
    factor = _by_clocks(linked, start_ns, end_ns, frozenset(_CLOCKS))
    return Slowdown(factor, factor**_LIKELY, factor**_LEAST_LIKELY)


def _by_clocks(linked: LinkedTrace, start_ns: int, end_ns: int, clocks: frozenset[str]) -> float:
    """The count-weighted mean of the logarithms of medians to `_CLOCKS`, of calls without others inside.

    What runs in a data loader is left out: its tensors are the CPU's, and cheaper to make.
    """
    host, names = linked.host, linked.trace.names
    first, last = np.searchsorted(host.start_ns, (start_ns, end_ns))
    parent = host.tree_parent[first:last] - first
    is_leaf = ~within(plain_work(linked, start_ns, end_ns), host.start_ns[first:last])
    is_leaf[parent[parent >= 0]] = False
    name, dur = host.name[first:last][is_leaf], host.dur_ns[first:last][is_leaf]
    number = {text: place for place, text in enumerate(names) if text in clocks}
    logs, counts = [], []
    for text, code in number.items():
        mine = dur[name == code]
        if mine.size:
            logs.append(float(np.log(max(1.0, float(np.median(mine))) / _CLOCKS[text])))
            counts.append(mine.size)
    if sum(counts) < _ENOUGH:
        return 1.0
    return min(_SLOWEST, max(1.0, float(np.exp(np.average(logs, weights=counts))) / _USUAL))


def without_profiler(plan: Plan, slower: float, plain_ns: Int64s, pace: float = 1.0) -> Plan:
    """The plan as the host runs it unrecorded; `pace` is a host that takes so many times as long.

    `plain_ns` is the part of each gap that no recording slows down.
    """
    calls = plan.calls
    launches = np.zeros(len(calls.gap_ns), np.bool_)
    launches[plan.pieces.call] = True
    cost = OP_NS * (calls.ops - calls.triton) + TRITON_NS * calls.triton + FRAME_NS * calls.frames
    cost = cost + np.where(calls.is_graph, GRAPH_NS, LAUNCH_NS) * launches
    taken = (calls.gap_ns + calls.own_ns - plain_ns) / slower
    left = (np.maximum(_LEAST * taken, taken - cost) + plain_ns) * pace
    share = left / np.maximum(1, calls.gap_ns + calls.own_ns)
    tail = plan.tail_ns / slower
    tail_cost = OP_NS * plan.tail_ops + FRAME_NS * plan.tail_frames
    return plan.with_host(
        _scaled(calls.gap_ns, share),
        _scaled(calls.own_ns, share),
        round(max(_LEAST * tail, tail - tail_cost) * pace),
    )


def at_pace(plan: Plan, pace: float, copies: float = 1.0) -> Plan:
    """The plan on a host that takes `pace` times as long, and `copies` times for copies that block it.

    Copies from pageable memory, which the host puts into a pinned buffer first, vary half as much.
    """
    calls, pieces = plan.calls, plan.pieces
    inward = pieces.within & ~pieces.blocks & ~calls.is_graph[pieces.call]
    own_share = np.full(len(calls.own_ns), pace)
    own_share[pieces.call[inward]] = copies**0.5
    share = np.where(pieces.blocks, copies, np.where(inward, copies**0.5, 1.0))
    return plan.with_host(
        _scaled(calls.gap_ns, np.full(len(calls.gap_ns), pace)),
        _scaled(calls.own_ns, own_share),
        round(plan.tail_ns * pace),
    ).with_pieces(_scaled(pieces.dur_ns, share))


def _scaled(times: Int64s, share: np.typing.NDArray[np.float64]) -> Int64s:
    return np.rint(times * share).astype(np.int64)
