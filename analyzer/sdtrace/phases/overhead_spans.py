"""Which host events are compile, autotune and capture, by the names torch gives them.

torch 2.1 to 2.13 wraps the stages of compilation in `dynamo_timed`, which the profiler records as
`NAME (dynamo_timed)` and, since 2.5, as `NAME` around it. Names differ between versions; the patterns
hold all that were found in the sources from 2.1 on. A user's own annotation is never taken for one of
them unless it bears that suffix.
"""

from __future__ import annotations

import re
from typing import Final, NamedTuple

import numpy as np

from sdtrace.intervals import Int64s, Intervals, join, union
from sdtrace.phases.timeline import ThreadSpans
from sdtrace.reader.categories import LAUNCHES
from sdtrace.trace import Trace
from sdtrace.trace.model import Bools

TIMED: Final = " (dynamo_timed)"
_AUTOTUNE: Final = re.compile(
    r"benchmark_all_configs|coordinate_descent_tuning|_template_autotuning|_template_precompiling"
    r"|combo_sequential_autotune|InductorBenchmarker|TritonBenchmarker|(?:^|\.)benchmark_\w+"
    r"|(?:^|\.)(?:pad_mm_benchmark|autotune_to_one_config|autotune_select_algorithm)"
)
_COMPILE: Final = re.compile(
    r"entire_frame_compile|entire_backward_compile|_compile\.|compile_inner|compile_attempt_\d|backend_compile"
    r"|inductor_compile|compile_fx|fx_codegen_and_compile|call_user_compiler|create_aot_dispatcher_function"
    r"|aot_collect_metadata|aot_trace_joint_graph|GraphLowering\.|Scheduler\.|PythonWrapperCodegen\.|CppWrapper"
    r"|_recursive_\w+_passes|async_compile\.|AsyncCompile\.|PyCodeCache\.|CppCodeCache\.|TritonBundler\."
    r"|CachingAutotuner\.(?:precompile|synchronize|_make_launchers|_precompile\w*)|bytecode_tracing|build_guards"
    r"|inductor_codecache_torch_key|FxGraphCache|AOTAutogradCache|compile_runtimes|triton_compile|StaticAutotuner"
    r"|code_gen$|dynamo_compile|graph_lowering|cudagraphify"
)
_DATA_MARK: Final = re.compile(r"_data: \w+=")
_CAPTURE: Final = re.compile(
    r"CUDAGraphNode\.(?:record|_record)|cudagraph_trees\.py\(\d+\): (?:_?record\w*)$"
)
_BEGIN_CAPTURE: Final = re.compile(r"^(?:cuda|cu|hip)StreamBeginCapture")
_END_CAPTURE: Final = re.compile(r"^(?:cuda|cu|hip)StreamEndCapture")
_INSTANTIATE: Final = re.compile(r"^(?:cuda|cu|hip)Graph(?:Instantiate|ExecUpdate|Upload)")


class OverheadSpans(NamedTuple):
    """Rows of the trace that are autotune and compile, and spans of capture with their thread."""

    autotune: Int64s
    compile: Int64s
    capture_start: Int64s
    capture_end: Int64s
    capture_thread: Int64s

    def by_thread(self, trace: Trace) -> tuple[ThreadSpans, ThreadSpans, ThreadSpans]:
        """Capture, autotune and compile on their threads, each as it stands, overlapping the others."""
        return (
            ThreadSpans(self.capture_start, self.capture_end, self.capture_thread),
            _spans(trace, self.autotune),
            _spans(trace, self.compile),
        )

    def anywhere(self, trace: Trace) -> Intervals:
        """When any of the three runs, on any thread."""
        return join(*self.of_all(trace))

    def of_all(self, trace: Trace) -> tuple[Intervals, Intervals, Intervals]:
        """Capture, autotune and compile on any thread."""
        return (
            union(self.capture_start, self.capture_end),
            _covered(trace, self.autotune),
            _covered(trace, self.compile),
        )


def find_overhead(trace: Trace) -> OverheadSpans:
    """Find the spans of compile, autotune and capture by name."""
    kinds = [_kind(name) for name in trace.names]
    spans = trace.in_categories({"cpu_op", "user_annotation"})
    trusted = np.array([name.endswith(TIMED) for name in trace.names], np.bool_)[trace.name]
    spans = spans & (trusted | trace.in_categories({"cpu_op"}))
    by_kind = {kind: np.array([k == kind for k in kinds], np.bool_) for kind in ("autotune", "compile")}
    start, end, thread = _captures(trace)
    return OverheadSpans(
        np.flatnonzero(spans & by_kind["autotune"][trace.name]),
        np.flatnonzero(spans & by_kind["compile"][trace.name]),
        start,
        end,
        thread,
    )


def _kind(name: str) -> str:
    if "::" in name or _DATA_MARK.search(name):
        return ""
    if _AUTOTUNE.search(name):
        return "autotune"
    return "compile" if name.endswith(TIMED) or _COMPILE.search(name) else ""


def _captures(trace: Trace) -> tuple[Int64s, Int64s, Int64s]:
    """Starts, ends and threads: from a begin to the next end, recording functions, instantiation."""
    runtime = trace.in_categories(LAUNCHES)
    begins = _calls(trace, _BEGIN_CAPTURE, runtime)
    ends = _calls(trace, _END_CAPTURE, runtime)
    whole = np.concatenate(
        (
            _calls(trace, _INSTANTIATE, runtime),
            _calls(trace, _CAPTURE, trace.in_categories({"cpu_op", "user_annotation", "python_function"})),
        )
    )
    stops = _next_ends(trace, begins, ends)
    return (
        np.concatenate((trace.start_ns[begins], trace.start_ns[whole])),
        np.concatenate((stops, trace.end_ns[whole])),
        np.concatenate((trace.thread[begins], trace.thread[whole])).astype(np.int64),
    )


def _next_ends(trace: Trace, begins: Int64s, ends: Int64s) -> Int64s:
    """Where the captures that start with the calls `begins` end: with the next of `ends` on the thread.

    With the call itself where there is none.
    """
    stops = trace.end_ns[begins]
    both = np.concatenate((begins, ends))
    is_end = np.arange(len(both)) >= len(begins)
    order = np.lexsort((is_end, trace.start_ns[both], trace.thread[both]))
    places = np.where(is_end[order], np.arange(len(both)), len(both))
    following = np.minimum.accumulate(places[::-1])[::-1]
    found = np.empty(len(both), np.int64)
    found[order] = np.append(both[order], -1)[following]
    after = found[: len(begins)]
    same = (after >= 0) & (trace.thread[after] == trace.thread[begins])
    stops[same] = trace.end_ns[after[same]]
    return stops


def _calls(trace: Trace, pattern: re.Pattern[str], among: Bools) -> Int64s:
    named = trace.names_matching(pattern)
    return np.flatnonzero(named[trace.name] & among)


def _spans(trace: Trace, rows: Int64s) -> ThreadSpans:
    return ThreadSpans(trace.start_ns[rows], trace.end_ns[rows], trace.thread[rows].astype(np.int64))


def _covered(trace: Trace, rows: Int64s) -> Intervals:
    return union(trace.start_ns[rows], trace.end_ns[rows])
