"""The same plan without the profiler: what recording costs the host, read off the trace's own clocks.

Each recorded event costs a fixed time on a quick host. A slow host, as calls show that always do the same,
takes longer for that and for all else. Fitted on traces of SD 1.5, SDXL-sized and FLUX pipelines on H100s
whose walls without the profiler were measured beside them; see docs/predictions.md.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Final, NamedTuple

import numpy as np

from sdtrace.attribution.linked_trace import LinkedTrace
from sdtrace.attribution.nesting import Int64s
from sdtrace.whatif.plain_work import is_training, plain_work, within
from sdtrace.whatif.plan import GraphGaps, Plan

_CLOCKS: Final = {
    "cudaLaunchKernel": 5_000,
    "cudaLaunchKernelExC": 5_500,
    "cuLaunchKernel": 5_000,
    "cuLaunchKernelEx": 5_300,
    "aten::empty": 3_000,
    "aten::as_strided": 420,
    "aten::view": 700,
}
"""Median durations in nanoseconds on the quickest hosts."""
_STAYS, _STAYS_IN_TRAINING = 0.4, 0.75
"""How much of a host's slowness, by its logarithm, is there without the profiler too.

Hosts changed their pace by 1.6 from one minute to the next. Of eight scenes of inference whose traces fell
into slow minutes, images without the profiler were as slow in one, quick in four, and between in three.
"""
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
_LEAST, _LEAST_GRAPH = 0.1, 0.4
"""No call or gap shrinks to less than this share of itself; nor does a replay of a CUDA graph."""


class Slowness(NamedTuple):
    """How many times as long host work takes as on a quick host, 1 and more: in the trace, and as it is to
    be expected without the profiler."""

    traced: float
    plain: float


def slowness(linked: LinkedTrace, start_ns: int, end_ns: int) -> Slowness:
    """How slow the host was between two instants.

    The forward and the backward pass of training run on two threads, whose ops also record what autograd
    needs: only launches are clocks then, and more of what they show stays.
    """
    training = is_training(linked, start_ns, end_ns)
    traced = _by_clocks(linked, start_ns, end_ns, _LAUNCHES if training else frozenset(_CLOCKS))
    return Slowness(traced, traced ** (_STAYS_IN_TRAINING if training else _STAYS))


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


def without_profiler(plan: Plan, host: Slowness, plain_ns: Int64s) -> Plan:
    """The plan as the host runs it unrecorded.

    Copies and fills inside CUDA graphs are then like kernels there, and graphs begin sooner after their call.
    `plain_ns` is the part of each gap that stays as it is, whatever is recorded.
    """
    calls = plan.calls
    launches = np.zeros(len(calls.gap_ns), np.bool_)
    launches[plan.pieces.call] = True
    cost = OP_NS * (calls.ops - calls.triton) + TRITON_NS * calls.triton + FRAME_NS * calls.frames
    cost = cost + np.where(calls.is_graph, GRAPH_NS, LAUNCH_NS) * launches
    whole = calls.gap_ns + calls.own_ns
    taken = (whole - plain_ns) / host.traced
    least = np.where(calls.is_graph, _LEAST_GRAPH, _LEAST)
    left = np.maximum(least * taken, taken - cost) * host.plain + plain_ns
    share = left / np.maximum(1, whole)
    tail = plan.tail_ns / host.traced
    tail_cost = OP_NS * plan.tail_ops + FRAME_NS * plan.tail_frames
    bare = plan.with_host(
        _scaled(calls.gap_ns, share),
        _scaled(calls.own_ns, share),
        round(max(_LEAST * tail, tail - tail_cost) * host.plain),
    )
    pieces = plan.pieces
    in_graph = pieces.within & calls.is_graph[pieces.call]
    lag = np.where(in_graph, pieces.lag_ns * share[pieces.call], pieces.lag_ns).astype(np.int64)
    gap = plan.graph_gaps.kernel
    return replace(bare, pieces=pieces._replace(lag_ns=lag), graph_gaps=GraphGaps(gap, gap, gap))


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
