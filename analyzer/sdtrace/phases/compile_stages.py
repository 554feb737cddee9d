"""What compilation spent its time on: stages on exclusive time, so that they sum to the compile phase."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

import numpy as np

from sdtrace.attribution.host import sum_by
from sdtrace.attribution.nesting import depths, parents
from sdtrace.intervals import Int64s, Intervals, contains, covered, highest_over, union
from sdtrace.phases.overhead_spans import TIMED
from sdtrace.trace import Trace

_STAGES: Final = tuple(
    (stage, re.compile(pattern))
    for stage, pattern in (
        ("bytecode tracing", r"bytecode_tracing"),
        ("guards", r"build_guards"),
        ("pre-grad passes", r"pre_grad_passes"),
        ("joint-graph passes", r"joint_graph_passes|aot_trace_joint_graph"),
        ("post-grad passes", r"post_grad_passes"),
        ("AOT dispatch", r"create_aot_dispatcher_function|aot_collect_metadata|AOTAutograd"),
        ("fake tensor propagation", r"fake_tensor_prop"),
        ("inductor lowering", r"GraphLowering\.run|graph_lowering"),
        ("scheduling and fusion", r"Scheduler\.(?!codegen)"),
        ("code generation", r"Scheduler\.codegen|WrapperCodegen|CppWrapper|GraphLowering\.|code_gen"),
        (
            "kernel compilation and waiting for it",
            r"async_compile|AsyncCompile|triton_compile|CachingAutotuner|StaticAutotuner|compile_file",
        ),
        ("loading code", r"PyCodeCache|CppCodeCache"),
        ("caches", r"FxGraphCache|AOTAutogradCache|TritonBundler|codecache|CacheBase"),
        ("inductor, other", r"compile_fx|fx_codegen|inductor_compile|backend_compile|call_user_compiler"),
        (
            "dynamo, other",
            r"compile_inner|entire_\w+_compile|compile_attempt|_compile\.|^gc\b|runtime_asserts",
        ),
    )
)


@dataclass(frozen=True)
class Stage:
    """One stage; exclusive times of all stages are disjoint and sum to the compile phase."""

    stage: str
    exclusive_ns: int
    inclusive_ns: int
    count: int


def compile_stages(trace: Trace, rows: Int64s, phase: Intervals) -> list[Stage]:
    """Stages of the compile spans `rows` within the compile phase, longest first.

    `phase` holds the instants of compile alone: what autotune and capture took inside is left out.
    """
    rows = without_twins(trace, rows)
    stages, label = _stages(trace, rows)
    start, end = trace.start_ns[rows], trace.end_ns[rows]
    parent = parents(trace.thread[rows], start, end - start)
    exclusive = _exclusive(label, start, end, depths(parent), phase)
    outermost = ~((parent >= 0) & (label[parent] == label))
    count = sum_by(label, outermost.astype(np.int64), len(stages))
    order = np.argsort(label, kind="stable")
    groups = np.split(order, np.searchsorted(label[order], np.arange(1, len(stages))))
    unions = [union(start[group], end[group]) for group in groups] if stages else []
    inclusive = _inclusive(unions, phase)
    found = [
        Stage(stage, int(exclusive[code]), int(inclusive[code]), int(count[code]))
        for code, stage in enumerate(stages)
    ]
    return sorted((stage for stage in found if stage.inclusive_ns), key=lambda stage: -stage.exclusive_ns)


def _stages(trace: Trace, rows: Int64s) -> tuple[list[str], Int64s]:
    """The stages that occur, by alphabet, and the one of each row (an index)."""
    numbers, which = np.unique(trace.name[rows], return_inverse=True)
    named = [_stage(trace.names[number]) for number in numbers.tolist()]
    stages = sorted(set(named))
    place = {stage: code for code, stage in enumerate(stages)}
    return stages, np.array([place[stage] for stage in named], np.int64)[which]


def _inclusive(unions: list[Intervals], phase: Intervals) -> Int64s:
    """How much of each of `unions` lies in the phase, in nanoseconds."""
    if not unions:
        return np.zeros(0, np.int64)
    owner = np.repeat(np.arange(len(unions)), [len(spans.start) for spans in unions])
    starts, ends = (np.concatenate(edges) for edges in zip(*unions, strict=True))
    return sum_by(owner, covered(phase, starts, ends), len(unions))


def _exclusive(label: Int64s, start: Int64s, end: Int64s, depth: Int64s, phase: Intervals) -> Int64s:
    """Nanoseconds per stage when every instant of `phase` belongs to the deepest span open then.

    Of spans equally deep, on several threads, to the stage that comes first.
    """
    size = int(label.max(initial=-1)) + 1
    edges = np.unique(np.concatenate((start, end, *phase)))
    first, stop = np.searchsorted(edges, start), np.searchsorted(edges, end)
    wins = highest_over(first, stop, depth * size + size - 1 - label, len(edges))
    lengths = np.append(np.diff(edges), 0)
    counts = np.flatnonzero((wins >= 0) & contains(phase, edges))
    return sum_by(size - 1 - wins[counts] % max(1, size), lengths[counts], size)


def without_twins(trace: Trace, rows: Int64s) -> Int64s:
    """`rows` of the trace with one for each stage: `dynamo_timed` emits `NAME` and `NAME (dynamo_timed)`."""
    present = set(trace.names)
    twin = np.array([f"{name}{TIMED}" in present for name in trace.names], np.bool_)
    return rows[~twin[trace.name[rows]]]


def _stage(name: str) -> str:
    for stage, pattern in _STAGES:
        if pattern.search(name):
            return stage
    return name.removesuffix(TIMED)
