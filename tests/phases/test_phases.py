from __future__ import annotations

from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from sdtrace.attribution.linked_trace import LinkedTrace
from sdtrace.phases.phases import Phases
from sdtrace.phases.timeline import OVERHEAD, PHASES
from tests.loaded import linked_of
from tests.shared import shared_trace
from tests.structures import phases_of
from tests.written import Event, call, host, kernel, written

MS = 1_000_000
PER_FILE = settings(
    deadline=None, max_examples=80, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
KINDS = {
    "CUDAGraphNode.record (dynamo_timed)": "capture",
    "CachingAutotuner.benchmark_all_configs": "autotune",
    "entire_frame_compile": "compile",
    "_compile.compile_inner (dynamo_timed)": "compile",
    "aten::mm": "",
    "TorchDynamo Cache Lookup": "",
}


def work(linked: LinkedTrace, phases: Phases) -> Counter[tuple[str, int, str]]:
    """How often a name was launched at a start in a phase."""
    trace, row = linked.trace, linked.work.row
    codes = phases.work_code.tolist()
    return Counter(
        (trace.names[trace.name[r]], int(trace.start_ns[r]), PHASES[code])
        for r, code in zip(row.tolist(), codes, strict=True)
    )


def by_phase(linked: LinkedTrace, phases: Phases) -> dict[str, list[str]]:
    """Names of device work by phase."""
    result: dict[str, list[str]] = {}
    for name, _, phase in sorted(work(linked, phases)):
        result.setdefault(phase, []).append(name)
    return result


def launch(name: str, at: int, number: int, thread: int = 1, delay: int = 20) -> list[Event]:
    return [call("cudaLaunchKernel", at, 10, number, thread), kernel(name, at + delay, 5, number)]


def image(start: int, dur: int, *inside: list[Event], name: str = "image") -> list[Event]:
    """An annotated iteration with an op in it."""
    op = host("aten::mm", start + 1, min(1000, dur - 2))
    return [host(name, start, dur, "user_annotation"), op, *[event for part in inside for event in part]]


@st.composite
def traces(draw: st.DrawFn) -> list[Event]:
    """Nested and overlapping spans of every kind on two threads, and work launched from anywhere."""
    times, lengths, threads = st.integers(0, 2000), st.integers(0, 500), st.integers(1, 2)
    spans = st.builds(host, st.sampled_from(sorted(KINDS)), times, lengths, st.just("cpu_op"), threads)
    events: list[Event] = draw(st.lists(spans, min_size=1, max_size=14))
    marks = st.tuples(st.integers(0, 4), st.integers(100, 400))
    for place, length in draw(st.lists(marks, max_size=4, unique_by=lambda mark: mark[0])):
        events.append(host("image", 500 * place, length, "user_annotation"))
    pieces = st.tuples(times, st.integers(0, 300), st.integers(0, 90), threads, st.booleans())
    for number, (at, delay, duration, thread, known) in enumerate(draw(st.lists(pieces, max_size=14))):
        if known:
            events.append(call("cudaLaunchKernel", at, 10, number + 1, thread))
        events.append(kernel(f"k{number % 4}", at + delay, duration, number + 1, 7 + number % 2))
    return events


@PER_FILE
@given(events=traces())
def test_phases_partition_the_wall_and_count_device_work_once(tmp_path: Path, events: list[Event]) -> None:
    linked = written(tmp_path / "t.json", events)
    phases = phases_of(linked)
    edges = phases.timeline.edges
    assert edges[0] == linked.trace.start_ns.min()
    assert edges[-1] == max(linked.trace.end_ns.max(), edges[0] + 1)
    assert np.all(np.diff(edges) > 0)
    assert sum(phases.timeline.totals().values()) == edges[-1] - edges[0]
    assert np.sum([phases.work_mask(phase) for phase in PHASES], axis=0).tolist() == [1] * len(
        linked.work.row
    )
    assert np.sum(
        [phases.host_mask(linked.host.start_ns, linked.host.thread, phase) for phase in PHASES], axis=0
    ).tolist() == [1] * len(linked.host)
    assert not np.any(phases.is_warmup & phases.is_steady)


@PER_FILE
@given(events=traces())
def test_work_has_the_phase_of_its_launch_on_its_own_thread(tmp_path: Path, events: list[Event]) -> None:
    linked = written(tmp_path / "t.json", events)
    found = work(linked, phases_of(linked))
    spans = [
        (KINDS[e["name"]], e["tid"], 1000 * e["ts"], 1000 * (e["ts"] + e["dur"]))
        for e in events
        if e["name"] in KINDS
    ]
    with_ops = {e["tid"] for e in events if e["cat"] in {"cpu_op", "user_annotation"}}
    launches = {e["args"]["correlation"]: e for e in events if e["cat"] == "cuda_runtime"}
    zero = min(e["ts"] for e in events)
    for event in (e for e in events if e["cat"] == "kernel"):
        source = launches.get(event["args"]["correlation"])
        if source is None:  # the latest that it can have been launched, in test_iterations
            continue
        at = 1000 * source["ts"]
        own = {source["tid"]} if source["tid"] in with_ops else {1, 2}
        held = {kind for kind, tid, start, end in spans if tid in own and start <= at < end}
        expected = next((kind for kind in ("capture", "autotune", "compile") if kind in held), None)
        allowed = {expected} if expected else {"warmup", "stall", "steady"}
        when = round(1000 * (event["ts"] - zero))
        got = {phase for name, start, phase in found if (name, start) == (event["name"], when)}
        assert got & allowed, (event, got, allowed)


@PER_FILE
@given(data=st.data())
def test_the_order_of_events_in_the_file_does_not_matter(tmp_path: Path, data: st.DataObject) -> None:
    events = data.draw(traces())
    shuffled = data.draw(st.permutations(events))
    linked, again = written(tmp_path / "t.json", events), written(tmp_path / "u.json", shuffled)
    one, other = phases_of(linked), phases_of(again)
    assert one.timeline.edges.tolist() == other.timeline.edges.tolist()
    assert one.timeline.code.tolist() == other.timeline.code.tolist()
    assert one.is_warmup.tolist() == other.is_warmup.tolist()
    assert work(linked, one) == work(again, other)


def test_old_torch_marks_compile_by_the_qualified_name_alone(tmp_path: Path) -> None:
    compiling = host("_compile.<locals>.compile_inner (dynamo_timed)", 100, 5000, "user_annotation")
    tuning = host("CachingAutotuner.benchmark_all_configs (dynamo_timed)", 6000, 900, "user_annotation")
    events = [
        *image(0, 10_000, [compiling, tuning], launch("try", 6100, 1), launch("result", 9000, 2)),
        *image(11_000, 2000, launch("result", 12_500, 3)),
    ]
    linked = written(tmp_path / "t.json", events)
    phases = phases_of(linked)
    walls = phases.timeline.totals()
    assert {phase: walls[phase] for phase in OVERHEAD} == {
        "capture": 0,
        "autotune": 900,
        "compile": 5000,
        "warmup": 10_000 - 5900,
    }
    assert by_phase(linked, phases) == {"autotune": ["try"], "warmup": ["result"], "steady": ["result"]}


def test_autotune_inside_compile_and_capture_inside_both_have_the_first_word(tmp_path: Path) -> None:
    events = [
        host("aten::mm", 0, 10),
        host("entire_frame_compile", 100, 1000),
        host("CachingAutotuner.benchmark_all_configs", 300, 400),
        call("cudaStreamBeginCapture", 400, 10, 1),
        call("cudaStreamEndCapture", 490, 10, 2),
        host("aten::mm", 2000, 10),
    ]
    totals = phases_of(written(tmp_path / "t.json", events)).timeline.totals()
    assert (totals["capture"], totals["autotune"], totals["compile"]) == (100, 300, 600)


def test_a_thread_that_does_not_compile_launches_work(tmp_path: Path) -> None:
    events = [
        host("entire_frame_compile", 0, 1000, thread=1),
        host("aten::mm", 100, 500, thread=2),
        *launch("mine", 200, 1, thread=1),
        *launch("yours", 300, 2, thread=2),
    ]
    linked = written(tmp_path / "t.json", events)
    assert by_phase(linked, phases_of(linked)) == {"compile": ["mine"], "steady": ["yours"]}


def test_runtime_calls_with_threads_of_their_own_belong_to_any(tmp_path: Path) -> None:
    events = [
        host("entire_frame_compile", 0, 1000, thread=1),
        *launch("k", 200, 1, thread=99),
        *launch("k", 2000, 2, thread=99),
    ]
    linked = written(tmp_path / "t.json", events)
    assert by_phase(linked, phases_of(linked)) == {"compile": ["k"], "steady": ["k"]}


def test_warmup_is_what_lies_before_the_last_early_iteration_with_overhead(tmp_path: Path) -> None:
    compiling = [host("entire_frame_compile", 2100, 300)]
    images = [image(1000 * n, 900, compiling if n == 2 else []) for n in range(6)]
    linked = written(tmp_path / "t.json", [event for events in images for event in events])
    phases = phases_of(linked)
    # Two clean ones in a row end the start, a single one does not.
    assert phases.is_warmup.tolist() == [n in {2} for n in range(6)]
    early = [image(1000 * n, 900, compiling if n == 2 else []) for n in range(1, 6)]
    linked = written(tmp_path / "u.json", [event for events in early for event in events])
    assert phases_of(linked).is_warmup.tolist() == [True, True, False, False, False]


def test_a_late_recompile_leaves_the_iterations_before_it_steady(tmp_path: Path) -> None:
    late = [host("entire_frame_compile", 4100, 300)]
    images = [
        image(1000 * n, 900, late if n == 4 else [], launch("k", 1000 * n + 800, n + 1)) for n in range(6)
    ]
    linked = written(tmp_path / "t.json", [event for events in images for event in events])
    phases = phases_of(linked)
    assert phases.is_warmup.tolist() == [False] * 4 + [True, False]
    assert phases.timeline.totals()["warmup"] == 900 - 300
    assert by_phase(linked, phases) == {"steady": ["k"] * 5, "warmup": ["k"]}


def test_the_steps_of_a_single_image_tell_steady_state(tmp_path: Path) -> None:
    steps = [host("denoise_step", 10_000 * n, 9_000, "user_annotation") for n in range(4)]
    unets = [host("unet", 10_000 * n + 10, 8_000, "user_annotation") for n in range(4)]
    ops = [host("aten::conv2d", 10_000 * n + 20, 7_000) for n in range(4)]
    events = [host("image", 0, 40_000, "user_annotation"), *steps, *unets, *ops]
    events += [host("entire_frame_compile", 100, 6_000)]
    phases = phases_of(written(tmp_path / "t.json", events))
    assert phases.is_warmup.tolist() == phases.is_steady.tolist() == [False]
    totals = phases.timeline.totals()
    assert totals["compile"] == 6_000
    # To the end of the first step, or of the call in it when that is what marks steps.
    assert totals["warmup"] in {9_000 - 6_000, 8_010 - 6_000}
    assert totals["steady"] == 40_000 - totals["compile"] - totals["warmup"]


def test_where_every_iteration_compiles_the_rest_of_each_is_steady(tmp_path: Path) -> None:
    images = [image(1000 * n, 900, [host("entire_frame_compile", 1000 * n + 100, 300)]) for n in range(3)]
    phases = phases_of(written(tmp_path / "t.json", [event for events in images for event in events]))
    assert phases.timeline.totals()["compile"] == 900
    assert phases.timeline.totals()["warmup"] == 0
    assert not phases.is_steady.any()


def test_a_small_first_call_leaves_the_iteration_steady_as_a_whole(tmp_path: Path) -> None:
    usual = [
        host("aten::conv2d", n * 200 * MS + 30 * MS + k * MS, MS // 10) for n in range(3) for k in range(5)
    ]
    images = [image(n * 200 * MS, 190 * MS) for n in range(3)]
    slow = host("aten::conv2d", 5 * MS, 8 * MS)
    events = [slow, *usual, *[event for part in images for event in part]]
    phases = phases_of(written(tmp_path / "t.json", events))
    assert phases.timeline.totals()["warmup"] == 0
    assert phases.is_steady.all()
    assert phases.first_calls.excess_ns.tolist() == [8 * MS - MS // 10]
    slower = host("aten::conv2d", 5 * MS, 24 * MS)
    phases = phases_of(written(tmp_path / "u.json", [slower, *events[1:]]))
    assert phases.is_steady.tolist() == [False, True, True]


def test_silence_of_more_than_100_ms_is_called_a_stall(tmp_path: Path) -> None:
    events = [
        host("image", 0, 500 * MS, "user_annotation"),
        host("aten::mm", 0, 10 * MS),
        host("aten::mm", 200 * MS, 10 * MS),
        host("aten::mm", 300 * MS, 200 * MS),
    ]
    totals = phases_of(written(tmp_path / "t.json", events)).timeline.totals()
    assert totals["stall"] == 190 * MS
    busy = [*events, *launch("k", 12 * MS, 1), kernel("long", 13 * MS, 180 * MS, 9)]
    assert phases_of(written(tmp_path / "u.json", busy)).timeline.totals()["stall"] == 0


@pytest.mark.parametrize("name", ["hta_cpu_only", "tracelens_torch_compile_triton_mi300x"])
def test_a_trace_without_iterations_or_device_is_steady(name: str) -> None:
    linked = linked_of(shared_trace(f"third_party/{name}.json.gz"))
    totals = phases_of(linked).timeline.totals()
    assert {phase for phase, ns in totals.items() if ns} == {"steady"}


def test_a_trace_of_device_work_alone_is_steady(tmp_path: Path) -> None:
    linked = written(tmp_path / "t.json", [kernel("a", 0, 10, 1), kernel("b", 30, 10, 2)])
    phases = phases_of(linked)
    assert by_phase(linked, phases) == {"steady": ["a", "b"]}
    assert phases.timeline.totals()["steady"] == 40
