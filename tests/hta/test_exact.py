"""HTA on our frame counts what the file says."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

import pytest

import sdtrace
from tests.hta import raw
from tests.hta.conftest import hta_of
from tests.shared import shared_trace

pytestmark = pytest.mark.filterwarnings("ignore::FutureWarning", "ignore::RuntimeWarning")


def _path(name: str) -> Path:
    return raw.TRACES / name if name in raw.SHIPPED else shared_trace(f"third_party/{name}.json.gz")


@pytest.mark.parametrize("name", [*raw.SHIPPED, *raw.THIRD_PARTY[1:]])
def test_busy_and_idle_time_are_those_of_the_file_to_the_nanosecond(name: str) -> None:
    path = _path(name)
    span_ns, busy_ns = raw.busy(raw.work_of(path))
    found = hta_of(path).get_temporal_breakdown(visualize=False).iloc[0]
    work = found["compute_time(us)"] + found["non_compute_time(us)"]
    assert round(found["kernel_time(us)"] * 1000) == span_ns
    assert round(found["idle_time(us)"] * 1000) == span_ns - busy_ns
    assert round(work * 1000) == busy_ns


def test_a_rocm_trace_of_a_cuda_graph_is_hardly_idle() -> None:
    path = shared_trace("third_party/tracelens_vllm_decode_graph_rocm.json.gz")
    found = hta_of(path).get_temporal_breakdown(visualize=False)
    assert found["idle_time(us)"][0] == 25.473


def test_kernel_times_are_exact() -> None:
    path = raw.TRACES / raw.SHIPPED[-1]
    expected: Counter[str] = Counter()
    for item in raw.work_of(path):
        expected[item.name] += item.end_ns - item.start_ns
    _, kernels = hta_of(path).get_gpu_kernel_breakdown(visualize=False, num_kernels=10_000)
    found = dict(zip(kernels["name"], (kernels["sum (us)"] * 1000).round().astype(int), strict=True))
    assert found == expected


def test_the_frame_has_microseconds_with_all_nanoseconds() -> None:
    hta = hta_of(raw.TRACES / raw.SHIPPED[0])
    frame, exact = hta.t.traces[0], hta.nanoseconds.traces[0]
    assert ((frame["ts"] * 1000).round().astype("int64") == exact["ts"]).all()
    assert (frame["end"] * 1000).round().astype("int64").sum() == (exact["ts"] + exact["dur"]).sum()


def test_work_and_its_launch_are_linked() -> None:
    frame = hta_of(raw.TRACES / raw.SHIPPED[0]).t.traces[0]
    work = frame[frame["stream"] >= 0]
    launch = frame.loc[work["index_correlation"]]
    assert (launch["correlation"].to_numpy() == work["correlation"].to_numpy()).all()
    assert (launch["stream"] == -1).all()
    assert (launch["ts"].to_numpy() <= work["ts"].to_numpy()).all()


def test_a_part_of_a_trace() -> None:
    analysis = sdtrace.load(raw.TRACES / raw.SHIPPED[-1])
    part = analysis.at(iteration=1)
    frame = part.hta().t.traces[0]
    assert (frame["stream"] >= 0).sum() == part.launches.height < analysis.launches.height


@pytest.fixture(scope="module")
def v100() -> tuple[Any, Any]:
    """HTA's own reading of a trace that it can read, with the last step, and ours."""
    loaded = pytest.importorskip("hta.trace_analysis", reason="HolisticTraceAnalysis is not installed here")
    path = shared_trace("third_party/hta_ns_resolution_v100.json.gz")
    return loaded.TraceAnalysis({0: str(path)}, include_last_profiler_step=True), hta_of(path)


def test_the_kernels_are_those_of_htas_loader(v100: tuple[Any, Any]) -> None:
    theirs, ours = (_work(hta) for hta in v100)
    assert len(theirs) > 5_000
    assert set(theirs.index) <= set(ours.index)
    same = ours.loc[theirs.index]
    assert (same["text"] == theirs["text"]).all()
    assert (same["stream"] == theirs["stream"]).all()
    # HTA rounds starts up and ends down to whole microseconds, after floats that hold eighths of one.
    assert (same["dur"] - theirs["dur"]).between(-0.25, 2.25).all()


def test_the_steps_are_those_of_htas_loader(v100: tuple[Any, Any]) -> None:
    theirs, ours = (_work(hta)["iteration"] for hta in v100)
    assert (ours.loc[theirs.index] == theirs).mean() > 0.999
    assert v100[1].t.get_iterations() == v100[0].t.get_iterations()


def test_the_last_step_stays(v100: tuple[Any, Any]) -> None:
    path = shared_trace("third_party/hta_ns_resolution_v100.json.gz")
    theirs = type(v100[0])({0: str(path)})
    assert len(_work(theirs)) < len(_work(v100[1])) == len(raw.work_of(path))


def _work(hta: Any) -> Any:
    """Kernels, copies and fills by correlation, with their names as text."""
    frame, names = hta.t.traces[0], hta.t.symbol_table.get_sym_table()
    work = frame[frame["stream"] >= 0].set_index("correlation")
    return work.assign(text=[names[number] for number in work["name"]])
