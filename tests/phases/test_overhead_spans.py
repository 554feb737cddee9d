from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from sdtrace.intervals import Intervals
from sdtrace.phases.overhead_spans import find_overhead
from tests.written import Event, call, host, kernel, written

NOT_OVERHEAD = [
    ("benchmark_model", "user_annotation"),
    ("compile_inner", "user_annotation"),
    ("my_model.benchmark_step", "user_annotation"),
    ("TorchDynamo Cache Lookup", "cpu_op"),
    ("Torch-Compiled Region: 0/0", "cpu_op"),
    ("## Call CompiledFxGraph f3pxvy ##", "user_annotation"),
    ("CompiledFunction", "cpu_op"),
    ("AOTDispatcher Runtime Wrapper Prologue", "cpu_op"),
    ("Pregraph bytecode", "cpu_op"),
    ("triton_poi_fused_add_0", "cpu_op"),
    ("aten::benchmark_something", "cpu_op"),
    ("CachingAutotuner.benchmark_all_configs_data: kernel_name=triton_poi_0", "user_annotation"),
    ("entire_frame_compile_data: fn_name=_compile.compile_inner, compile_id=0/0", "user_annotation"),
    ("model_inference", "user_annotation"),
]
KINDS = [
    # torch 2.1 to 2.3: record_function with the qualified name, hence an annotation.
    ("_compile.<locals>.compile_inner (dynamo_timed)", "user_annotation", "compile"),
    ("create_aot_dispatcher_function (dynamo_timed)", "user_annotation", "compile"),
    ("compile_fx.<locals>.fw_compiler_base (dynamo_timed)", "user_annotation", "compile"),
    ("CachingAutotuner.benchmark_all_configs (dynamo_timed)", "user_annotation", "autotune"),
    # Later ones emit two, as ops.
    ("entire_frame_compile", "cpu_op", "compile"),
    ("_compile.compile_inner (dynamo_timed)", "cpu_op", "compile"),
    ("entire_backward_compile", "cpu_op", "compile"),
    ("GraphLowering.run", "cpu_op", "compile"),
    ("async_compile.wait", "cpu_op", "compile"),
    ("a stage nobody has seen (dynamo_timed)", "cpu_op", "compile"),
    ("CachingAutotuner.benchmark_all_configs", "cpu_op", "autotune"),
    ("CachingAutotuner.coordinate_descent_tuning (dynamo_timed)", "cpu_op", "autotune"),
    ("InductorBenchmarker.benchmark_gpu (dynamo_timed)", "cpu_op", "autotune"),
    ("benchmark_fused_nodes", "cpu_op", "autotune"),
    ("mm_template_autotuning", "cpu_op", "autotune"),
    ("addmm_template_precompiling", "cpu_op", "autotune"),
    ("pad_mm_benchmark (dynamo_timed)", "cpu_op", "autotune"),
    ("combo_sequential_autotune (dynamo_timed)", "cpu_op", "autotune"),
    ("CUDAGraphNode.record (dynamo_timed)", "cpu_op", "capture"),
    ("CUDAGraphNode.record", "user_annotation", "capture"),
    ("torch/_inductor/cudagraph_trees.py(1160): _record", "python_function", "capture"),
]


def spans(intervals: Intervals) -> list[tuple[int, int]]:
    return list(zip(intervals.start.tolist(), intervals.end.tolist(), strict=True))


def found(path: Path, events: list[Event]) -> dict[str, list[tuple[int, int]]]:
    trace = written(path, events).trace
    kinds = ("capture", "autotune", "compile")
    return {kind: spans(held) for kind, held in zip(kinds, find_overhead(trace).of_all(trace), strict=True)}


@pytest.mark.parametrize(("name", "category", "kind"), KINDS)
def test_names_of_many_versions_tell_the_kind(tmp_path: Path, name: str, category: str, kind: str) -> None:
    kinds = found(tmp_path / "t.json", [host("aten::mm", 0, 5), host(name, 10, 20, category)])
    assert kinds[kind] == [(10, 30)]
    others = {"capture", "autotune", "compile"} - {kind}
    if kind == "capture" and name.endswith("(dynamo_timed)"):
        others -= {"compile"}  # the timeline gives capture the first word
    assert not any(kinds[other] for other in others)


@pytest.mark.parametrize(("name", "category"), NOT_OVERHEAD)
def test_work_and_users_annotations_are_no_overhead(tmp_path: Path, name: str, category: str) -> None:
    kinds = found(tmp_path / "t.json", [host("aten::mm", 0, 5), host(name, 10, 20, category)])
    assert not any(kinds.values())


@pytest.mark.parametrize("prefix", ["cuda", "hip"])
def test_capture_lasts_from_its_begin_to_the_next_end_on_its_thread(tmp_path: Path, prefix: str) -> None:
    events = [
        host("aten::mm", 0, 5),
        call(f"{prefix}StreamBeginCapture", 10, 5, 1),
        call(f"{prefix}StreamEndCapture", 20, 5, 2, thread=2),
        call(f"{prefix}StreamEndCapture", 40, 5, 3),
        call(f"{prefix}GraphInstantiate", 50, 10, 4),
        call(f"{prefix}StreamBeginCapture", 70, 5, 5),
        call(f"{prefix}GraphLaunch", 90, 5, 6),
        kernel("k", 100, 10, 6),
    ]
    # The last capture has no end in the trace: only the call itself is sure.
    assert found(tmp_path / "t.json", events)["capture"] == [(10, 45), (50, 60), (70, 75)]


def test_each_thread_has_its_own_overhead(tmp_path: Path) -> None:
    events = [
        host("entire_frame_compile", 0, 50, thread=1),
        host("CachingAutotuner.benchmark_all_configs", 10, 10, thread=1),
        host("entire_frame_compile", 80, 20, thread=2),
        host("CUDAGraphNode.record", 60, 5, thread=2),
    ]
    trace = written(tmp_path / "t.json", events).trace
    overhead = find_overhead(trace)
    by_tid = {thread.tid: number for number, thread in enumerate(trace.threads)}
    instants = np.arange(0, 105, 5)
    held = {
        tid: [instants[kind.hold(instants, np.full(21, by_tid[tid]))].tolist() for kind in kinds]
        for tid in (1, 2)
        for kinds in (overhead.by_thread(trace),)
    }
    assert held[1] == [[], [10, 15], list(range(0, 50, 5))]
    assert held[2] == [[60], [], [80, 85, 90, 95]]
