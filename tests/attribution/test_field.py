"""Traces as people meet them: whose work a kernel is, with the answers written beside each of them."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from sdtrace.analysis import Options
from sdtrace.analysis.trace_report import analyze
from sdtrace.attribution.linked_trace import attribute
from sdtrace.attribution.op_table import OpRow, OpTimes, for_table, op_table
from sdtrace.tables import HTML, fill
from sdtrace.tables.op_tables import OPS
from sdtrace.trace import load_trace
from tests.fuzz.invariants import TIME_LIMIT_S, time_limit

FIELD = Path(__file__).parents[1] / "field"
Event = dict[str, Any]


def rows_of(path: Path, op_times: OpTimes = OpTimes.TRUE) -> list[OpRow]:
    return op_table(for_table(attribute(load_trace(path)), op_times), op_times)


def self_device_us(rows: list[OpRow], device_type: str = "cpu") -> dict[str, float]:
    return {
        row.name: row.self_device_ns / 1000
        for row in rows
        if row.device_type == device_type and row.self_device_ns
    }


def test_waits_are_no_work_and_have_no_row() -> None:
    """By cuda_sync_as_gpu_time.expect.md: device time 5.00 ms, all of it aten::mm."""
    rows = rows_of(FIELD / "cuda_sync_as_gpu_time.json")
    assert self_device_us(rows) == {"aten::mm": 5000.0}
    assert sum(self_device_us(rows, "device").values()) == 5000.0
    assert not any(row.is_wait for row in rows)


def test_torchs_own_table_lists_waits_without_a_share() -> None:
    report = analyze(FIELD / "cuda_sync_as_gpu_time.json", Options.of(op_times="torch"))
    waits = [op for op in report.ops if op.is_wait]
    assert [(op.name, op.self_device_us) for op in waits] == [("Stream Sync", 4875.0)]
    assert sum(op.self_device_us for op in report.ops if op.is_work) == 5000.0
    shown = {row[0].text: [cell.text for cell in row] for row in fill(OPS, report, HTML).cells}
    assert "wait" in shown["Stream Sync"]
    assert "100.0 %" in shown["aten::mm"]


@pytest.mark.parametrize("op_times", OpTimes)
def test_an_external_id_that_copies_the_correlation_decides_neither_thread_nor_op(op_times: OpTimes) -> None:
    """By its .expect.md: aten::mm 5.00 ms, aten::addmm 3.00 ms, cudaLaunchKernel 0."""
    rows = rows_of(FIELD / "external_id_copies_correlation_two_threads.json", op_times)
    assert self_device_us(rows) == {"aten::mm": 5000.0, "aten::addmm": 3000.0}


@pytest.mark.parametrize("name", ["negative_range", "negative_self_cpu"])
def test_nothing_is_negative(name: str) -> None:
    rows = rows_of(FIELD / f"{name}.json")
    assert all(min(row[3:9]) >= 0 for row in rows)


def test_self_time_of_ops_whose_children_overlap_is_not_negative(tmp_path: Path) -> None:
    spans = [("outer", 0, 10), ("a", 1, 6), ("b", 3, 7)]
    events = [
        {"ph": "X", "cat": "cpu_op", "name": name, "pid": 1, "tid": 1, "ts": ts, "dur": dur}
        for name, ts, dur in spans
    ]
    path = tmp_path / "t.json"
    path.write_text(json.dumps(events))
    assert {row.name: row.self_cpu_ns for row in rows_of(path)} == {"outer": 0, "a": 6000, "b": 7000}
    assert {row.name: row.self_cpu_ns for row in rows_of(path, OpTimes.TORCH)}["outer"] == -3000


def test_a_model_on_two_devices_is_work_of_two() -> None:
    work = attribute(load_trace(FIELD / "model_split_over_two_gpus.json.gz")).work
    assert [(device.number, device.process) for device in work.devices] == [(0, 0), (1, 0)]
    assert (work.device == 0).sum() == (work.device == 1).sum() == 200


def test_steps_written_as_ops_enclose_ops() -> None:
    """As torch 1.8 and 1.9 wrote them: six steps, twelve kernels in each."""
    linked = attribute(load_trace(FIELD / "old_profilerstep_operator.json"))
    steps = [row for row in op_table(linked) if row.name == "ProfilerStep*"]
    assert [(row.calls, row.device_total_ns) for row in steps] == [(6, 14_400_000)]


def test_a_call_outside_any_op_stays_on_its_thread(tmp_path: Path) -> None:
    """A library's own thread launches while an op runs on the main thread: not the op's work."""
    events = [
        event("cpu_op", "aten::mm", 0, 100, 1, {"External id": 1}),
        event("cpu_op", "aten::mm", 200, 100, 1, {"External id": 2}),
        event("cuda_runtime", "cudaLaunchKernel", 20, 5, 2, {"correlation": 90}),
        event("kernel", "k", 40, 10, 7, {"correlation": 90}, pid=0),
    ]
    path = tmp_path / "t.json"
    path.write_text(json.dumps(events))
    assert self_device_us(rows_of(path)) == {"cudaLaunchKernel": 10.0}


def test_of_calls_with_one_correlation_the_last_before_the_work_launched_it(tmp_path: Path) -> None:
    events: list[Event] = []
    for number, name in enumerate(("a", "b", "c")):
        start = 1000 * number
        events += [
            event("cpu_op", name, start, 100, 1, {}),
            event("cuda_runtime", "cudaLaunchKernel", start + 20, 5, 1, {"correlation": 7}),
            event("kernel", "k", start + 40, 1 + number, 7, {"correlation": 7}, pid=0),
        ]
    path = tmp_path / "t.json"
    path.write_text(json.dumps(events))
    assert self_device_us(rows_of(path)) == {"a": 1.0, "b": 2.0, "c": 3.0}


def event(cat: str, name: str, ts: float, dur: float, tid: int, args: dict[str, int], pid: int = 1) -> Event:
    return {"ph": "X", "cat": cat, "name": name, "pid": pid, "tid": tid, "ts": ts, "dur": dur, "args": args}


def equal(n: int) -> list[Event]:
    return [event("cpu_op", "a", 10, 5, 1, {"External id": i + 1}) for i in range(n)]


def nested(n: int) -> list[Event]:
    return [event("cpu_op", f"o{i % 7}", i, 2 * (n - i) + 1, 1, {"External id": i + 1}) for i in range(n)]


def nested_then_flat(n: int) -> list[Event]:
    return nested(n) + [event("cpu_op", "b", 3 * n + 10 * i, 5, 1, {}) for i in range(n)]


def launches_under_python(n: int) -> list[Event]:
    events = [event("python_function", f"f{i % 9}", i, 9 * n - 2 * i, 1, {}) for i in range(n)]
    for i in range(n // 3):
        events.append(event("cuda_runtime", "cudaLaunchKernel", n + 3 * i, 2, 1, {"correlation": i + 1}))
        events.append(event("kernel", "k", 9 * n + 3 * i, 2, 7, {"correlation": i + 1}, pid=0))
    return events


@pytest.mark.parametrize("kind", [equal, nested, nested_then_flat, launches_under_python])
def test_deep_nesting_takes_no_pass_for_each_level(
    kind: Callable[[int], list[Event]], tmp_path: Path
) -> None:
    """Less than a second here; a minute and more where each level costs a pass over the events."""
    path = tmp_path / "t.json"
    path.write_text(json.dumps(kind(100_000)))
    trace = load_trace(path)
    with time_limit(TIME_LIMIT_S):
        linked = attribute(trace)
        for op_times in OpTimes:
            op_table(for_table(linked, op_times), op_times)
