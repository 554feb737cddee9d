"""Where torch's table and the truth part: phantom links, overhead that inherits, ranges, folding."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from sdtrace.attribution.linked_trace import attribute
from sdtrace.attribution.op_table import UNKNOWN_LAUNCH, OpRow, OpTimes, for_table, op_table
from sdtrace.trace import load_trace
from tests.attribution.naive import Times, torch_table

Event = dict[str, Any]


def event(cat: str, name: str, ts: int, dur: int, tid: int = 1, **args: int) -> Event:
    ids = {{"external": "External id"}.get(key, key): value for key, value in args.items()}
    return {"ph": "X", "cat": cat, "name": name, "pid": 1, "tid": tid, "ts": ts, "dur": dur, "args": ids}


def op(name: str, ts: int, dur: int, number: int, tid: int = 1) -> Event:
    return event("cpu_op", name, ts, dur, tid, external=number)


def launch(ts: int, correlation: int, external: int = 0, tid: int = 1) -> Event:
    ids = {"external": external} if external else {}
    return event("cuda_runtime", "cudaLaunchKernel", ts, 1, tid, correlation=correlation, **ids)


def kernel(name: str, dur: int, correlation: int, external: int = 0) -> Event:
    ids = {"external": external} if external else {}
    return event("kernel", name, 50, dur, 7, correlation=correlation, **ids)


def rows(folder: Path, events: list[Event], op_times: OpTimes) -> list[OpRow]:
    path = folder / "trace.json"
    path.write_text(json.dumps(events))
    return op_table(for_table(attribute(load_trace(path)), op_times), op_times)


def self_device_us(folder: Path, events: list[Event], op_times: OpTimes) -> dict[str, float]:
    linked = rows(folder, events, op_times)
    return {
        row.name: row.self_device_ns / 1000
        for row in linked
        if row.device_type == "cpu" and row.self_device_ns
    }


def times(row: OpRow) -> Times:
    return row.calls, row.cpu_total_ns, row.self_cpu_ns, row.device_total_ns, row.self_device_ns


def test_a_runtime_call_outside_any_op_shows_the_kernels_of_the_op_whose_id_its_correlation_is(
    tmp_path: Path,
) -> None:
    events = [op("aten::mm", 0, 10, 5), launch(1, 90, 5), kernel("gemm", 4, 90, 5), launch(20, 5)]
    assert self_device_us(tmp_path, events, OpTimes.TORCH) == {"aten::mm": 4, "cudaLaunchKernel": 4}
    assert self_device_us(tmp_path, events, OpTimes.TRUE) == {"aten::mm": 4}


def test_an_overhead_event_shows_the_kernels_of_the_op_it_interrupts(tmp_path: Path) -> None:
    events = [
        op("aten::addmm", 0, 30, 5),
        launch(1, 90, 5),
        event("overhead", "Buffer Flush", 5, 3),
        kernel("gemm", 4, 90, 5),
    ]
    torch_rows = {row.name: row for row in rows(tmp_path, events, OpTimes.TORCH)}
    assert torch_rows["Buffer Flush"].self_device_ns == 4000
    assert torch_rows["aten::addmm"].device_total_ns == 8000
    true_rows = {row.name: row for row in rows(tmp_path, events, OpTimes.TRUE)}
    assert true_rows["Buffer Flush"].self_device_ns == 0
    assert true_rows["aten::addmm"].device_total_ns == 4000


def test_an_overhead_event_shows_nothing_once_its_op_has_opened_a_range_on_the_device(tmp_path: Path) -> None:
    """The range is put on top of the op, and the overhead event takes the annotation's id."""
    interrupted = [
        event("user_annotation", "vae", 0, 60, external=4),
        op("aten::conv2d", 1, 50, 5),
        launch(2, 90, 5),
        event("overhead", "Lazy Function Loading", 20, 3),
        event("kernel", "gemm", 10, 4, 7, correlation=90, external=5),
    ]
    opened = [*interrupted, event("gpu_user_annotation", "vae", 10, 70, 7, external=4)]
    assert self_device_us(tmp_path, interrupted, OpTimes.TORCH)["Lazy Function Loading"] == 4
    assert "Lazy Function Loading" not in self_device_us(tmp_path, opened, OpTimes.TORCH)


def test_an_overhead_event_shows_nothing_inside_a_python_function_listed_or_not(tmp_path: Path) -> None:
    events = [
        op("CompiledFunction", 0, 50, 5),
        launch(2, 90, 5),
        event("overhead", "Lazy Function Loading", 20, 3),
        kernel("gemm", 4, 90, 5),
    ]
    inside = [*events, event("python_function", "inner.py(1): call", 10, 30)]
    for listed in (False, True):
        layout = {"host_name": "torch 2.13 writes this"} if listed else {}

        def shown(these: list[Event], folder: Path = tmp_path, layout: dict[str, str] = layout) -> set[str]:
            path = folder / "trace.json"
            path.write_text(json.dumps({**layout, "traceEvents": these}))
            linked = for_table(attribute(load_trace(path)), OpTimes.TORCH)
            table = op_table(linked, OpTimes.TORCH)
            return {row.name for row in table if row.self_device_ns and row.device_type == "cpu"}

        assert shown(events) == {"CompiledFunction", "Lazy Function Loading"}
        assert shown(inside) == {"CompiledFunction"}


def test_overhead_on_another_thread_is_taken_to_the_one_with_most_ops(tmp_path: Path) -> None:
    events = [
        op("a", 0, 30, 5),
        op("b", 40, 5, 6),
        op("c", 0, 30, 7, tid=2),
        event("overhead", "o", 5, 3, tid=2),
    ]
    linked = {row.name: row.self_cpu_ns for row in rows(tmp_path, events, OpTimes.TORCH)}
    assert (linked["a"], linked["c"]) == (27_000, 30_000)


def test_a_folded_chain_shows_the_kernels_of_its_innermost_event_in_torch_and_all_in_truth(
    tmp_path: Path,
) -> None:
    events = [
        op("aten::copy_", 0, 30, 5),
        op("aten::copy_", 2, 20, 6),
        launch(3, 90, 6),
        launch(25, 91, 5),
        kernel("inner", 4, 90, 6),
        kernel("outer", 7, 91, 5),
    ]
    assert self_device_us(tmp_path, events[:3] + events[4:5], OpTimes.TORCH)["aten::copy_"] == 4
    assert self_device_us(tmp_path, events, OpTimes.TRUE)["aten::copy_"] == 11


def test_a_device_range_is_two_nanoseconds_shorter_than_the_file_says_and_is_no_work(tmp_path: Path) -> None:
    events = [
        op("a", 0, 10, 5),
        launch(1, 90, 5),
        kernel("k", 4, 90, 5),
        event("gpu_user_annotation", "a", 40, 100, 7, external=5),
    ]
    linked = rows(tmp_path, events, OpTimes.TRUE)
    assert [row.self_device_ns for row in linked if row.is_user_annotation] == [100_000 - 2]
    assert sum(row.self_device_ns for row in linked if row.device_type == "cpu") == 4000


def test_where_ids_only_repeat_the_correlation_containment_finds_the_op(tmp_path: Path) -> None:
    """As before 2024-02."""
    events = [
        event("cpu_op", "outer", 0, 30),
        event("cpu_op", "inner", 2, 10),
        launch(3, 90, 90),
        launch(20, 91, 91),
        launch(40, 92, 92),
        kernel("a", 1, 90, 90),
        kernel("b", 2, 91, 91),
        kernel("c", 4, 92, 92),
    ]
    assert self_device_us(tmp_path, events, OpTimes.TRUE) == {"inner": 1, "outer": 2, "cudaLaunchKernel": 4}


def test_all_kernels_of_a_replayed_graph_count_for_its_launch(tmp_path: Path) -> None:
    events = [
        op("replay", 0, 30, 5),
        event("cuda_runtime", "cudaGraphLaunch", 1, 5, correlation=90, external=5),
    ]
    events += [kernel(f"k{number}", 2, 90) for number in range(425)]
    assert self_device_us(tmp_path, events, OpTimes.TRUE) == {"replay": 850}


def test_work_whose_launch_is_not_there_has_a_row_of_its_own(tmp_path: Path) -> None:
    events = [op("a", 0, 10, 5), launch(1, 90, 5), kernel("k", 4, 90, 5), kernel("lost", 3, 999)]
    assert self_device_us(tmp_path, events, OpTimes.TRUE) == {"a": 4, UNKNOWN_LAUNCH: 3}


def test_a_trace_of_device_work_alone_still_adds_up(tmp_path: Path) -> None:
    assert self_device_us(tmp_path, [kernel("k", 4, 90, 5)], OpTimes.TRUE) == {UNKNOWN_LAUNCH: 4}


def host_event(cat: str, name: str, ts: int, dur: int, tid: int, external: int, correlation: int) -> Event:
    """With the ids that Kineto writes: none for overhead, no correlation for ops; none repeats another."""
    ids = {"external": external, "correlation": correlation + 20 if external else correlation}
    if cat in ("cpu_op", "user_annotation"):
        ids.pop("correlation")
    return event(cat, name, ts, dur, tid, **({} if cat == "overhead" else ids))


host_events = st.builds(
    host_event,
    st.sampled_from(["cpu_op", "cpu_op", "user_annotation", "cuda_runtime", "cuda_driver", "overhead"]),
    st.sampled_from("abc"),
    st.integers(0, 30),
    st.integers(0, 12),
    st.integers(1, 2),
    st.integers(0, 4),
    st.integers(0, 6),
)
device_events = st.builds(
    lambda cat, name, dur, external, correlation: event(
        cat, name, 50, dur, 7, external=external, correlation=correlation
    ),
    st.sampled_from(["kernel", "gpu_memcpy", "cuda_sync"]),
    st.sampled_from("abk"),
    st.integers(1, 9),
    st.sampled_from([0, 1, 2, 3, 4, 10, 11]),
    st.integers(20, 26),
)
# Their ids are those of annotations on the same thread; here nothing else on the host is linked to them.
device_ranges = st.builds(
    lambda name, ts, dur, external: event("gpu_user_annotation", name, ts, dur, 7, external=external),
    st.sampled_from("ab"),
    st.integers(0, 30),
    st.integers(1, 12),
    st.integers(10, 11),
)


def _is_copied(one: Event) -> bool:
    """Whether the External id of a call is its correlation, as before 2024-02: such ids name no op."""
    ids = one["args"]
    return bool(ids.get("External id")) and ids.get("External id") == ids.get("correlation")


def unambiguous(events: list[Event]) -> list[Event]:
    """As in every real trace, ids of ops are their own; and no two host events start together, for then
    torch's order is that of its memory. Thread 1 has most ops.
    """
    kept: list[Event] = []
    taken: set[tuple[str, int]] = set()
    for one in events:
        keys = {("start", one["ts"])} if one["tid"] != 7 else set()
        if one["cat"] in ("cpu_op", "user_annotation") and one["args"]["External id"]:
            keys.add(("id", one["args"]["External id"]))
        if not keys & taken and not _is_copied(one):
            taken |= keys
            kept.append(one)
    return kept + [op("main", 100 + number, 1, 100 + number) for number in range(20)]


@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.lists(st.one_of(host_events, host_events, device_events, device_ranges), max_size=16).map(unambiguous)
)
def test_any_small_trace_gives_the_table_of_the_plain_walk(tmp_path: Path, events: list[Event]) -> None:
    linked = rows(tmp_path, events, OpTimes.TORCH)
    found = {(row.name, row.device_type == "device", row.is_user_annotation): times(row) for row in linked}
    assert found == torch_table(events)
