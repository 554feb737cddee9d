"""Every public method of HTA's TraceAnalysis gives a result, or one line that says what the trace lacks."""

from __future__ import annotations

import gzip
import inspect
import json
import re
from collections import Counter
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest

import sdtrace
from sdtrace.errors import UsageError
from tests.hta import raw
from tests.hta.conftest import Loaded
from tests.written import host, written

pytestmark = pytest.mark.filterwarnings("ignore::FutureWarning", "ignore::RuntimeWarning")
SLOW = {"hta_cudagraph_training_a100", "hta_ns_resolution_v100"}
TAKES_LONG = {
    "critical_path_analysis",
    "overlay_critical_path_analysis",
    "get_frequent_cuda_kernel_sequences",
}
COPY = re.compile(r"Mem(?:cpy|set) (?:\w+ )?\([^)]*\) -> ")
ONE_RANK = "get_potential_stragglers: the trace is of one rank; stragglers need those of several"


def public_methods() -> list[str]:
    from hta.trace_analysis import TraceAnalysis  # noqa: PLC0415  # needs HTA

    found = inspect.getmembers(TraceAnalysis, inspect.isfunction)
    return [name for name, _ in found if not name.startswith("_")]


def calls(hta: Any, folder: Path) -> Mapping[str, Callable[[], Any]]:
    """How to call the methods that need arguments."""

    def path() -> Any:
        found = hta.critical_path_analysis(0, "", 0)
        if found is None:
            raise UsageError("there is no path")
        return found[0]

    queue = hta.get_queue_length_time_series
    return {
        "critical_path_analysis": path,
        "get_gpu_kernels_with_user_annotations": lambda: hta.get_gpu_kernels_with_user_annotations(0),
        "overlay_critical_path_analysis": lambda: hta.overlay_critical_path_analysis(0, path(), str(folder)),
        "get_frequent_cuda_kernel_sequences": lambda: hta.get_frequent_cuda_kernel_sequences(
            "aten::conv2d", str(folder)
        ),
        "get_queue_length_summary_from_time_series": lambda: hta.get_queue_length_summary_from_time_series(
            queue()
        ),
        "get_time_spent_blocked_on_full_queue": lambda: hta.get_time_spent_blocked_on_full_queue(queue()),
    }


def answer(hta: Any, name: str, folder: Path) -> Any:
    """The result of a method, or the line that it raises."""
    method = getattr(hta, name)
    quiet = {"visualize": False} if "visualize" in inspect.signature(method).parameters else {}
    try:
        return calls(hta, folder).get(name, lambda: method(**quiet))()
    except UsageError as error:
        return str(error)


def test_each_is_asked_by_an_analysis_of_ours() -> None:
    from sdtrace.hta.results import ANALYSES  # noqa: PLC0415  # needs HTA

    asked = [method for analysis in ANALYSES.values() for method in analysis.methods]
    assert sorted(asked) == sorted(public_methods())


@pytest.mark.parametrize("name", [raw.GRAPHS, *raw.MOST])
def test_each_answers(loaded: Loaded, tmp_path: Path, name: str) -> None:
    hta = loaded(name)[1].writing_to(tmp_path)
    skipped = TAKES_LONG if name in SLOW else set()
    found = {method: answer(hta, method, tmp_path) for method in public_methods() if method not in skipped}
    lines = {method: result for method, result in found.items() if isinstance(result, str)}
    if name == "hta_cpu_only":
        assert lines["get_temporal_breakdown"] == "get_temporal_breakdown: the trace has no GPU work"
        assert all(line.count("\n") == 0 for line in lines.values())
    else:
        lines.pop("overlay_critical_path_analysis", None)
        assert lines == {"get_potential_stragglers": ONE_RANK}


def test_without_gpu_work_each_says_so_in_one_line(tmp_path: Path) -> None:
    written(tmp_path / "cpu.json", [host("aten::mm", 0, 5_000), host("aten::relu", 6_000, 2_000)])
    hta = sdtrace.load(tmp_path / "cpu.json").hta().writing_to(tmp_path)
    found = {method: answer(hta, method, tmp_path) for method in public_methods()}
    assert found["get_temporal_breakdown"] == "get_temporal_breakdown: the trace has no GPU work"
    assert found["get_potential_stragglers"] == ONE_RANK
    assert not [line for line in found.values() if isinstance(line, str) and "\n" in line]


def test_a_call_with_wrong_arguments_stays_a_type_error(loaded: Loaded) -> None:
    with pytest.raises(TypeError):
        loaded(raw.GRAPHS)[1].get_temporal_breakdown(visualise=False)


def test_kernels_and_delays_of_ops_are_those_of_hta(loaded: Loaded) -> None:
    from hta.analyzers.cuda_kernel_analysis import CudaKernelAnalysis  # noqa: PLC0415  # needs HTA

    hta = loaded(raw.EAGER)[1]
    theirs = CudaKernelAnalysis.get_aten_op_kernels_and_delay(hta.t)[0]
    ours = hta.get_aten_op_kernels_and_delay()[0]
    assert _without_copies(ours) == _without_copies(theirs)
    key = ["aten_op_name", "kernel_sequence"]
    both = theirs.merge(ours, on=key, suffixes=("_theirs", "_ours"))
    assert len(both) == 55
    for name in ("avg_aten_op_launch_delay", "avg_runtime_delay"):
        assert (both[f"{name}_theirs"] - both[f"{name}_ours"]).abs().max() < 0.0015


def _without_copies(frame: Any) -> Counter[tuple[str, str]]:
    """How often each op launched each sequence of kernels: HTA leaves out copies and fills."""
    found: Counter[tuple[str, str]] = Counter()
    columns = (frame[name] for name in ("aten_op_name", "kernel_sequence", "occurrence_count"))
    for op, sequence, times in zip(*columns, strict=True):
        kernels = COPY.sub("", f"{sequence} -> ")
        found[op, kernels] += times if kernels else 0
    return +found


def test_a_trace_with_counters_has_every_event_and_counter(loaded: Loaded, tmp_path: Path) -> None:
    hta = loaded(raw.GRAPHS)[1].writing_to(tmp_path)
    hta.generate_trace_with_counters()
    (path,) = tmp_path.iterdir()
    assert path.name == "h200-bf16_sdpa_cudagraphs_with_counters.json.gz"
    events = json.loads(gzip.decompress(path.read_bytes()))["traceEvents"]
    counters = {next(iter(event["args"])) for event in events if event["ph"] == "C"}
    assert counters == {"Queue Length", "Memcpy BW"}
    work = [event for event in events if event.get("cat") == "kernel"]
    assert len(work) == sum(item.name[:3] != "Mem" for item in raw.work_of(raw.path_of(raw.GRAPHS)))
