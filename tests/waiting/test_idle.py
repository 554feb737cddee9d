from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from sdtrace.attribution.launches import launch_times
from sdtrace.attribution.linked_trace import LinkedTrace
from sdtrace.intervals import Intervals, covered, total
from sdtrace.waiting.devices import ALL_DEVICES, find_devices
from sdtrace.waiting.gaps import find_gaps
from sdtrace.waiting.idle import Idle, find_idle
from sdtrace.waiting.queue import find_queue, queue_stats
from tests.loaded import linked_of
from tests.shared import shared_trace
from tests.structures import phases_of, structure_of
from tests.written import Event, call, host, kernel, written

TRACES = [
    "reference/fp32_eager",
    "reference/bf16_sdpa.warm",
    "reference/bf16_sdpa_graphs.warm",
    "reference/bf16_sdpa_eager.stack",
    "third_party/hta_cudagraph_training_a100",
    "third_party/hta_ns_resolution_v100",
    "third_party/hta_mi250_rocm62_training",
    "third_party/hta_cpu_only",
    "third_party/tracelens_xdit_sd35_mi300x",
    "third_party/tracelens_vllm_decode_graph_rocm",
]
PER_FILE = settings(
    deadline=None, max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture]
)


def idle_of(linked: LinkedTrace) -> Idle:
    found = structure_of(linked)
    timeline = phases_of(linked, found).timeline
    return find_idle(linked, found.launches, timeline, found.iterations)


def causes_of(linked: LinkedTrace) -> dict[str, int]:
    return {cause.cause: cause.ns for cause in idle_of(linked).causes()}


def swept_idle(linked: LinkedTrace) -> int:
    """Idle time of each device, by walking through its work in the order of time."""
    trace, devices, idle = linked.trace, find_devices(linked), 0
    for number, label in enumerate(devices.labels):
        rows = [row for row in linked.work.row.tolist() if str(trace.threads[trace.thread[row]].pid) == label]
        reached = devices.start_ns[number]
        for start, end in sorted((trace.start_ns[row], trace.end_ns[row]) for row in rows):
            idle += max(0, start - reached)
            reached = max(reached, end)
        idle += devices.end_ns[number] - reached
    return int(idle)


@st.composite
def traces(draw: st.DrawFn) -> list[Event]:
    """Host spans of every kind that matters, and work launched from anywhere, sometimes from nowhere."""
    times, lengths = st.integers(0, 3000), st.integers(0, 400)
    names = ["aten::mm", "aten::item", "enumerate(DataLoader)#it", "CachingAutotuner.benchmark_all_configs"]
    names += ["entire_frame_compile (dynamo_timed)", "model_inference", "CUDAGraphNode.record"]
    categories = st.sampled_from(["cpu_op", "user_annotation"])
    spans = st.builds(host, st.sampled_from(names), times, lengths, categories, st.integers(1, 2))
    events: list[Event] = draw(st.lists(spans, min_size=1, max_size=12))
    waits = st.sampled_from(["cudaStreamSynchronize", "cudaDeviceSynchronize", "cudaMemcpy"])
    for number, (name, start, length) in enumerate(
        draw(st.lists(st.tuples(waits, times, lengths), max_size=4))
    ):
        events.append(call(name, start, length, 1000 + number))
    work = st.tuples(times, st.integers(0, 60), st.integers(0, 300), st.integers(0, 200), st.booleans())
    for number, (start, length, delay, duration, known) in enumerate(draw(st.lists(work, max_size=14))):
        if known:
            events.append(call("cudaLaunchKernel", start, length, number + 1))
        name = "Memcpy DtoH (Device -> Pageable)" if number % 5 == 4 else "some_kernel"
        events.append(kernel(name, start + delay, duration, number + 1, 7 + number % 2))
    return events


@st.composite
def traces_of_two_devices(draw: st.DrawFn) -> list[Event]:
    """The same, with every third piece of work on another device."""
    events = draw(traces())
    works = [event for event in events if event["pid"] == 0]
    for event in works[::3]:
        event["pid"] = 1
    return events


@PER_FILE
@given(events=traces() | traces_of_two_devices())
def test_causes_partition_idle_time_exactly(tmp_path: Path, events: list[Event]) -> None:
    linked = written(tmp_path / "t.json", events)
    idle = idle_of(linked)
    assert sum(cause.ns for cause in idle.causes()) == idle.total_ns == swept_idle(linked)
    assert np.all(idle.lengths > 0)
    devices = find_devices(linked)
    gaps = [find_gaps(linked, launch_times(linked), devices, number) for number in range(len(devices))]
    lengths = [length for own in gaps for length in (own.end_ns - own.start_ns).tolist()]
    assert np.bincount(idle.gap, weights=idle.lengths, minlength=len(lengths)).tolist() == lengths
    for number in range(len(devices)):
        mine = idle.device == number
        assert np.all(idle.start_ns[mine][1:] >= idle.end_ns[mine][:-1])


@PER_FILE
@given(data=st.data())
def test_the_order_of_events_in_the_file_does_not_matter(tmp_path: Path, data: st.DataObject) -> None:
    events = data.draw(traces() | traces_of_two_devices())
    shuffled = data.draw(st.permutations(events))
    linked, again = written(tmp_path / "t.json", events), written(tmp_path / "u.json", shuffled)
    assert idle_of(linked).causes() == idle_of(again).causes()
    stats = [queue_stats(t, find_queue(t, launch_times(t), find_devices(t))) for t in (linked, again)]
    assert stats[0] == stats[1]


@PER_FILE
@given(events=traces())
def test_queue_depth_is_what_was_launched_and_not_finished(tmp_path: Path, events: list[Event]) -> None:
    linked = written(tmp_path / "t.json", events)
    times = launch_times(linked)
    queue = find_queue(linked, times, find_devices(linked))
    end = linked.trace.end_ns[linked.work.row]
    for called, depth in zip(queue.called_ns.tolist(), queue.depth.tolist(), strict=True):
        open_work = int(((times.called_ns < called) & (end > called)).sum())
        # Work of no known launch and no length is launched and finished at once.
        assert depth == open_work


@pytest.mark.parametrize("name", TRACES)
def test_causes_partition_the_idle_time_of_real_traces(name: str) -> None:
    linked = linked_of(shared_trace(f"{name}.json.gz"))
    idle = idle_of(linked)
    assert sum(cause.ns for cause in idle.causes()) == idle.total_ns == swept_idle(linked)
    for cause, ops in (("sync", idle.blamed_for("sync")), ("launch_bound", idle.blamed_for("launch_bound"))):
        assert sum(ns for _, ns in ops) == {c.cause: c.ns for c in idle.causes()}.get(cause, 0)
    edges = np.linspace(-5, linked.trace.end_ns.max() + 5, 40).astype(np.int64)
    every_second = [Intervals(edges[at:-1:2], edges[at + 1 :: 2]) for at in (0, 1)]
    assert sum(idle.within(spans).total_ns for spans in every_second) == idle.total_ns
    lengths = [covered(spans, idle.start_ns, idle.end_ns) for spans in every_second]
    assert [idle.within(spans).total_ns for spans in every_second] == [own.sum() for own in lengths]


def test_what_the_reference_traces_wait_for() -> None:
    eager = idle_of(linked_of(shared_trace("reference/fp32_eager.json.gz")))
    assert eager.causes()[0].cause == "launch_bound"
    assert eager.blamed_for("sync")[0][0] == "aten::item"
    linked = linked_of(shared_trace("reference/bf16_sdpa.warm.json.gz"))
    stats = queue_stats(linked, find_queue(linked, launch_times(linked), find_devices(linked)))
    assert stats.found_empty > 0.9 * stats.launches, (
        "one image after the other on a fast GPU: the queue runs dry"
    )
    graphs = linked_of(shared_trace("reference/bf16_sdpa_graphs.warm.json.gz"))
    assert "capture" in causes_of(graphs)
    training = linked_of(shared_trace("third_party/hta_cudagraph_training_a100.json.gz"))
    assert idle_of(training).causes()[0].cause == "device_gap"


def test_a_blocking_call_is_to_blame_while_it_lasts_and_as_long_again(tmp_path: Path) -> None:
    events = [
        *_launched(0, 100, 100),
        host("aten::item", 100, 300),
        host("aten::_local_scalar_dense", 110, 280),
        call("cudaStreamSynchronize", 150, 130, 50),
        *_launched(900, 1000, 100),
        host("aten::mm", 890, 40),
    ]
    linked = written(tmp_path / "t.json", events)
    # Idle from 200 to 1000; blocked until 280, late by 130 more.
    assert causes_of(linked) == {"sync": 80 + 130, "launch_bound": 800 - 210}
    assert idle_of(linked).blamed_for("sync") == [("aten::item", 210)]
    assert idle_of(linked).blamed_for("launch_bound") == [("aten::mm", 590)]


def test_a_copy_to_pageable_memory_blocks_though_it_is_called_async(tmp_path: Path) -> None:
    copy = "Memcpy DtoH (Device -> Pageable)"
    events = [
        *_launched(0, 100, 100),
        host("aten::to", 240, 400),
        call("cudaMemcpyAsync", 300, 300, 5),
        kernel(copy, 500, 50, 5),
        *_launched(700, 800, 100),
    ]
    linked = written(tmp_path / "t.json", events)
    # Idle from 200 to 500 and from 550 to 800; blocked from 300 to 600, then late until the launch at 720.
    assert causes_of(linked) == {"launch_bound": 100 + 80, "sync": 200 + 50 + 120}


def test_work_that_waits_on_the_device_is_no_fault_of_the_host(tmp_path: Path) -> None:
    events = [*_launched(0, 100, 100), *_launched(50, 230, 100), host("aten::item", 150, 100)]
    assert causes_of(written(tmp_path / "t.json", events)) == {"device_gap": 30}


def test_work_that_the_device_takes_long_to_begin_is_no_fault_of_the_host_either(tmp_path: Path) -> None:
    events = [*_launched(0, 100, 100), *_launched(3_000_000, 9_000_000, 100)]
    assert causes_of(written(tmp_path / "t.json", events)) == {
        "launch_bound": 3_000_020 - 200,
        "device_gap": 9_000_000 - 3_000_020,
    }


def test_the_way_of_a_launch_to_the_device_is_launch_bound(tmp_path: Path) -> None:
    events = [*_launched(0, 100, 100), *_launched(220, 290, 10)]
    assert causes_of(written(tmp_path / "t.json", events)) == {"launch_bound": 90}


def test_data_loading_and_time_between_iterations_are_told_apart(tmp_path: Path) -> None:
    loader = "enumerate(DataLoader)#_SingleProcessDataLoaderIter.__next__"
    events = [
        host("image", 0, 1000, "user_annotation"),
        host("image", 1500, 1000, "user_annotation"),
        *_launched(0, 100, 100),
        host(loader, 400, 300),
        *_launched(900, 950, 50),
        host(loader, 1100, 300),
        *_launched(1600, 1700, 100),
    ]
    # Idle from 200 to 950, then from 1000 to 1700.
    expected = {"launch_bound": 450 + 200, "data_wait": 600, "between_iterations": 200}
    assert causes_of(written(tmp_path / "t.json", events)) == expected


def test_short_silence_is_neither_a_stall_nor_launching(tmp_path: Path) -> None:
    """20 ms, after 4 ms that may be ordinary Python between ops."""
    ms = 1_000_000
    events = [
        *_launched(0, 100, 100),
        *_launched(4 * ms, 4 * ms + 100, 100),
        *_launched(24 * ms, 24 * ms + 100, 100),
    ]
    causes = causes_of(written(tmp_path / "t.json", events))
    assert causes["host_silence"] == 20 * ms - 200
    assert set(causes) == {"host_silence", "launch_bound"}


def test_silence_of_the_cpu_is_no_launching(tmp_path: Path) -> None:
    second = 1_000_000_000
    events = [*_launched(0, 100, 100), *_launched(second, second + 100, 100)]
    causes = causes_of(written(tmp_path / "t.json", events))
    # The first launch returns before its kernel ends, the second starts at one second.
    assert causes == {"host_stall": second - 200, "launch_bound": 100}
    busy = [*events, *(host("aten::mm", n * second // 200, second // 400) for n in range(200))]
    assert set(causes_of(written(tmp_path / "u.json", busy))) == {"cpu_work", "launch_bound"}


def test_the_order_of_work_of_one_instant_does_not_matter(tmp_path: Path) -> None:
    """Two empty kernels of a stream, of which one has no launch."""
    events = [host("aten::mm", 0, 0), kernel("k", 0, 0, 2, 8), call("cudaLaunchKernel", 0, 0, 3)]
    pair = [kernel("k", 1, 0, 1), kernel("k", 1, 0, 3)]
    queues = []
    for order in (pair, pair[::-1]):
        linked = written(tmp_path / "t.json", [*events, *order])
        queues.append(queue_stats(linked, find_queue(linked, launch_times(linked), find_devices(linked))))
    assert queues[0] == queues[1]


def test_work_of_unknown_launch_has_no_cause_to_tell(tmp_path: Path) -> None:
    events = [kernel("k", 0, 10, 0), kernel("k", 50, 10, 0)]
    assert causes_of(written(tmp_path / "t.json", events)) == {"other": 40}


def test_compile_and_autotune_come_before_all_else(tmp_path: Path) -> None:
    events = [
        *_launched(0, 100, 100),
        host("entire_frame_compile (dynamo_timed)", 300, 400),
        host("CachingAutotuner.benchmark_all_configs (dynamo_timed)", 400, 100),
        call("cudaDeviceSynchronize", 450, 100, 9),
        *_launched(900, 950, 50),
    ]
    # The call is late by 100 from 550 on, which is compilation too.
    assert causes_of(written(tmp_path / "t.json", events)) == {
        "launch_bound": 350,
        "compile": 300,
        "autotune": 100,
    }


def test_percentiles_are_values_that_occurred(tmp_path: Path) -> None:
    events = [event for n in range(10) for event in _launched(n * 1000, n * 1000 + 10 * (n + 1), 6_000)]
    linked = written(tmp_path / "t.json", events)
    stats = queue_stats(linked, find_queue(linked, launch_times(linked), find_devices(linked)))
    assert (stats.delay_median_ns, stats.delay_p99_ns) == (50, 100)
    assert (stats.depth_median, stats.depth_max) == (4, 6)
    assert (stats.launches, stats.found_empty, stats.kernels, stats.short_kernels) == (10, 1, 10, 0)


def _launched(call_ns: int, start: int, duration: int) -> list[Any]:
    """A launch of 20 ns and its kernel; the correlation is the call's own time."""
    return [call("cudaLaunchKernel", call_ns, 20, call_ns + 1), kernel("k", start, duration, call_ns + 1)]


def test_devices_without_number_count_as_one(tmp_path: Path) -> None:
    """300 devices of one process, which would all be held against each other; each is busy 20 of 100 us."""
    events: list[Event] = []
    for number in range(300):
        start = 100_000 * number
        events.append(call("cudaLaunchKernel", start, 5_000, number + 1))
        events.append({**kernel("k", start + 7_000, 20_000, number + 1), "pid": number})
    devices = find_devices(written(tmp_path / "t.json", events))
    assert devices.labels == [ALL_DEVICES]
    assert total(devices.busy[0]) == 300 * 20_000
    assert len(find_devices(written(tmp_path / "u.json", events[:100]))) == 50
