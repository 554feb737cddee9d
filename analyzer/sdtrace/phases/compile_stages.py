"""What compilation spent its time on: stages on exclusive time, so that they sum to the compile phase."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from sdtrace.attribution.nesting import depths, parents
from sdtrace.intervals import Int64s, Intervals, intersect, subtract, total, union
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
    labels = [_stage(name) for name in trace.names]
    label = np.array([labels[number] for number in trace.name[rows].tolist()], dtype=np.str_)
    start, end = trace.start_ns[rows], trace.end_ns[rows]
    parent = parents(trace.thread[rows], start, end - start)
    exclusive = _exclusive(label, start, end, depths(parent), phase)
    outermost = ~((parent >= 0) & (label[parent] == label))
    found = [
        Stage(
            stage=stage,
            exclusive_ns=exclusive[stage],
            inclusive_ns=total(intersect(union(start[label == stage], end[label == stage]), phase)),
            count=int((outermost & (label == stage)).sum()),
        )
        for stage in exclusive
    ]
    return sorted((stage for stage in found if stage.inclusive_ns), key=lambda stage: -stage.exclusive_ns)


def _exclusive(
    label: NDArray[np.str_], start: Int64s, end: Int64s, depth: Int64s, phase: Intervals
) -> dict[str, int]:
    """Nanoseconds per stage when every instant of `phase` belongs to the deepest span open then."""
    sums = dict.fromkeys(label.tolist(), 0)
    rest = phase
    for level in np.unique(depth)[::-1]:
        for stage in np.unique(label[depth == level]).tolist():
            spans = (depth == level) & (label == stage)
            claim = union(start[spans], end[spans])
            sums[stage] += total(intersect(rest, claim))
            rest = subtract(rest, claim)
    return sums


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
