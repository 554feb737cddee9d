"""Causes of idle time, one small trace each; times in microseconds unless said otherwise."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.waiting.test_idle import causes_of, idle_of
from tests.written import Event, call, host, kernel, written

US, MS = 1_000, 1_000_000
TO_DEVICE = "Memcpy HtoD (Pageable -> Device)"
TO_HOST = "Memcpy DtoH (Device -> Pageable)"


def launched(at: int, number: int, dur: int = 100 * US, name: str = "k", *, pid: int = 0) -> list[Event]:
    """An op of 20 us, its launch and its work, which begins 10 us later."""
    work = {**kernel(name, at + 10 * US, dur, number), "pid": pid}
    return [host("aten::mm", at, 20 * US), call("cudaLaunchKernel", at + 5 * US, 4 * US, number), work]


def python(name: str, start: int, dur: int, thread: int = 1) -> Event:
    return host(name, start, dur, "python_function", thread)


def of(path: Path, *events: list[Event]) -> dict[str, int]:
    return causes_of(written(path / "t.json", [event for part in events for event in part]))


@pytest.mark.parametrize(
    "name",
    [
        *("cudaMalloc", "cudaFree", "cudaHostAlloc", "cudaMallocHost", "cudaFreeHost", "cudaMallocAsync"),
        *("cuMemCreate", "cuMemMap", "cuMemSetAccess", "hipMalloc", "hipFree", "hipHostMalloc"),
    ],
)
def test_calls_for_memory(tmp_path: Path, name: str) -> None:
    events = [*launched(0, 1), host("aten::empty", 200 * US, 2 * MS), call(name, 210 * US, MS, 9)]
    idle = idle_of(written(tmp_path / "t.json", [*events, *launched(3 * MS, 2)]))
    assert idle.blamed_for("memory") == [(name, MS)]


@pytest.mark.parametrize(
    "name", ["cuMemcpyHtoDAsync", "cudaMemsetAsync", "hipMemcpyAsync", "cudaLaunchKernel"]
)
def test_other_calls_are_no_memory_calls(tmp_path: Path, name: str) -> None:
    assert "memory" not in of(tmp_path, launched(0, 1), [call(name, 210 * US, 50 * US, 9)], launched(MS, 2))


def test_memory_calls_of_threads_that_launch_nothing_hold_up_nobody(tmp_path: Path) -> None:
    pinning = [call("cudaHostAlloc", 200 * US, MS, 9, thread=2)]
    assert "memory" not in of(tmp_path, launched(0, 1), pinning, launched(3 * MS, 2))


def test_one_long_call(tmp_path: Path) -> None:
    long = [call("cuModuleLoadData", 200 * US, 5 * MS, 9), call("cudaFuncGetAttributes", 6 * MS, 90 * US, 8)]
    idle = idle_of(written(tmp_path / "t.json", [*launched(0, 1), *long, *launched(7 * MS, 2)]))
    assert idle.blamed_for("runtime_call") == [("cuModuleLoadData", 5 * MS)]


def test_a_copy_that_holds_its_call_is_a_copy_and_no_sync(tmp_path: Path) -> None:
    moved = [
        host("aten::to", 200 * US, 1_100 * US),
        host("aten::copy_", 210 * US, 1_050 * US),
        call("cudaMemcpyAsync", 220 * US, 1_000 * US, 9),
        kernel(TO_DEVICE, 240 * US, 900 * US, 9),
    ]
    idle = idle_of(written(tmp_path / "t.json", [*launched(0, 1), *moved, *launched(4 * MS, 2)]))
    # The op before its copy begins (200 to 240 us), its end (1,140 to 1,300), then late by as much as the
    # call took: to 2,220 us.
    assert idle.blamed_for("copy") == [("aten::to", (40 + 160 + 920) * US)]
    assert "sync" not in {cause.cause for cause in idle.causes()}


def test_a_copy_that_waits_for_earlier_work_is_a_sync(tmp_path: Path) -> None:
    read = [
        host("aten::to", 50 * US, 1_000 * US),
        call("cudaMemcpyAsync", 60 * US, 980 * US, 9),
        kernel(TO_HOST, 1_012 * US, 20 * US, 9),
    ]
    causes = of(tmp_path, launched(0, 1, 1_000 * US), read, launched(3 * MS, 2))
    assert "copy" not in causes
    assert causes["sync"] > 0


def test_a_module_that_is_moved_tensor_by_tensor(tmp_path: Path) -> None:
    def moved(number: int, op: str, name: str) -> list[Event]:
        at = 200 * US + 50 * US * number
        copy = kernel(name, at + 20 * US, 2 * US, 100 + number)
        return [host(op, at, 40 * US), call("cudaMemcpyAsync", at + 10 * US, 9 * US, 100 + number), copy]

    def causes(count: int, op: str, name: str) -> dict[str, int]:
        events = [event for number in range(count) for event in moved(number, op, name)]
        return of(tmp_path, launched(0, 1), events, launched(2 * MS, 2))

    # From the first op to the end of the last, less the copies themselves and 1 us on the way to each.
    assert causes(12, "aten::to", TO_DEVICE)["copy"] == (11 * 50 + 40 - 12 * (2 + 1)) * US
    assert "copy" not in causes(4, "aten::to", TO_DEVICE)
    assert "copy" not in causes(12, "aten::_local_scalar_dense", TO_HOST)


@pytest.mark.parametrize("call_name", ["cudaMemcpyAsync", "cudaMemcpy"])
def test_a_pageable_copy_that_the_cpu_makes_itself_is_a_copy(tmp_path: Path, call_name: str) -> None:
    """The CPU fills a pinned buffer first: the device copies for less than half of the call."""
    moved = [
        host("aten::to", 200 * US, 3_000 * US),
        call(call_name, 210 * US, 2_900 * US, 9),
        kernel(TO_DEVICE, 1_900 * US, 1_200 * US, 9),
    ]
    causes = of(tmp_path, launched(0, 1), moved, launched(8 * MS, 2))
    assert causes["copy"] > 4 * MS
    assert "sync" not in causes


def test_ops_that_read_back_a_result_move_no_module(tmp_path: Path) -> None:
    def read(number: int) -> list[Event]:
        at = 200 * US + 200 * US * number
        copied = kernel(TO_HOST, at + 20 * US, 2 * US, 100 + number)
        waited = call("cudaStreamSynchronize", at + 20 * US, 100 * US, 200 + number)
        op = host("aten::nonzero", at, 130 * US)
        return [op, call("cudaMemcpyAsync", at + 10 * US, 9 * US, 100 + number), copied, waited]

    causes = of(
        tmp_path, launched(0, 1), [event for n in range(12) for event in read(n)], launched(4 * MS, 2)
    )
    assert "copy" not in causes
    assert causes["sync"] > 12 * 90 * US


@pytest.mark.parametrize("name", ["DataLoader", "DataPipe"])
def test_what_torch_calls_a_loader(tmp_path: Path, name: str) -> None:
    fetch = host(f"enumerate({name})#ShufflerIterDataPipe", 200 * US, 3 * MS, "user_annotation")
    assert of(tmp_path, launched(0, 1), [fetch], launched(4 * MS, 2))["data_wait"] == 3 * MS


def test_an_op_that_works_on_the_cpu(tmp_path: Path) -> None:
    made = [host("aten::randn", 200 * US, 5 * MS), host("aten::normal_", 300 * US, 4 * MS)]
    short = host("aten::view", 6 * MS, 900 * US)
    idle = idle_of(written(tmp_path / "t.json", [*launched(0, 1), *made, short, *launched(8 * MS, 2)]))
    assert idle.blamed_for("cpu_work") == [("aten::randn", 5 * MS)]


def test_an_op_that_launches_or_waits_for_another_thread_does_not_work_on_the_cpu(tmp_path: Path) -> None:
    long = [host("aten::mm", 200 * US, 5 * MS), call("cudaLaunchKernel", 5 * MS, 4 * US, 9)]
    assert "cpu_work" not in of(tmp_path, launched(0, 1), long, launched(8 * MS, 2))
    other = [{**event, "tid": 2} if event["pid"] else event for event in launched(3 * MS, 3)]
    waits = [host("my::backward", 200 * US, 5 * MS)]
    assert "cpu_work" not in of(tmp_path, launched(0, 1), waits, other, launched(8 * MS, 2))
    unseen = [host("aten::mm", 200 * US, 5 * MS), kernel("k", 4 * MS, 10 * US, 9)]
    for event in unseen:
        event["args"] = {**event.get("args", {}), "External id": 77}
    assert "cpu_work" not in of(tmp_path, launched(0, 1), unseen, launched(8 * MS, 2))


@pytest.mark.parametrize(
    "frame",
    [
        python("threading.py(1087): join", MS, 5 * MS),
        python("queue.py(154): get", MS, 5 * MS),
        python("<built-in method acquire of _thread.lock object at 0x7fc79f95f8c0>", MS, 5 * MS),
        host("wait for lock", MS, 5 * MS, "user_annotation"),
    ],
)
def test_waiting_for_another_thread(tmp_path: Path, frame: Event) -> None:
    inside = python("threading.py(295): wait", 2 * MS, 3 * MS)
    loop = python("loop.py(4): step", 200 * US, 7 * MS)
    idle = idle_of(written(tmp_path / "t.json", [*launched(0, 1), loop, frame, inside, *launched(9 * MS, 2)]))
    assert idle.blamed_for("lock") == [(frame["name"], 5 * MS)]
    assert idle.blamed_for("python") == [("loop.py(4): step", 2 * MS)]


def test_an_annotation_names_python_that_runs_no_op(tmp_path: Path) -> None:
    said = [
        host("tokenize", MS, 5 * MS, "user_annotation"),
        host("ProfilerStep#3", MS, 6 * MS, "user_annotation"),
    ]
    idle = idle_of(written(tmp_path / "t.json", [*launched(0, 1), *said, *launched(9 * MS, 2)]))
    assert idle.blamed_for("python") == [("tokenize", 5 * MS)]


def test_python_that_runs_no_op(tmp_path: Path) -> None:
    frames = [
        python("train.py(1): main", 0, 20 * MS),
        python("tokenizer.py(7): encode", 2 * MS, 5 * MS),
        python("regex.py(3): split", 3 * MS, 2 * MS),
        python("model.py(9): forward", 8 * MS, 4 * MS),
        host("aten::mm", 9 * MS, 20 * US),
        python("short.py(1): quick", 13 * MS, 900 * US),
    ]
    idle = idle_of(written(tmp_path / "t.json", [*launched(0, 1), *frames, *launched(19 * MS, 2)]))
    # The functions themselves, but for the 1 ms and less between the ops and functions that they call.
    blamed = [("train.py(1): main", 8990 * US), ("tokenizer.py(7): encode", 5 * MS)]
    assert idle.blamed_for("python") == [*blamed, ("model.py(9): forward", 3980 * US)]


def test_a_frame_that_waits_for_another_thread_is_not_to_blame(tmp_path: Path) -> None:
    backward = python("<built-in method run_backward>", 200 * US, 5 * MS)
    other = [
        host("aten::mm", 3 * MS, 20 * US, thread=2),
        call("cudaLaunchKernel", 3 * MS + 5 * US, 4 * US, 3, thread=2),
        kernel("k", 3 * MS + 10 * US, 10 * US, 3),
    ]
    assert "python" not in of(tmp_path, launched(0, 1), [backward], other, launched(9 * MS, 2))


@pytest.mark.parametrize("name", ["Python GC", "garbage collection"])
def test_what_a_collection_is_called(tmp_path: Path, name: str) -> None:
    idle = idle_of(
        written(tmp_path / "t.json", [*launched(0, 1), python(name, MS, 2 * MS), *launched(9 * MS, 2)])
    )
    assert idle.blamed_for("gc") == [(name, 2 * MS)]


def test_garbage_collection(tmp_path: Path) -> None:
    frames = [
        python("loop.py(4): step", 200 * US, 5 * MS),
        python("<built-in function collect>", MS, 2 * MS),
    ]
    idle = idle_of(written(tmp_path / "t.json", [*launched(0, 1), *frames, *launched(9 * MS, 2)]))
    assert idle.blamed_for("gc") == [("<built-in function collect>", 2 * MS)]
    assert idle.blamed_for("python") == [("loop.py(4): step", 3 * MS)]


def test_a_long_frame_explains_what_would_be_a_stall(tmp_path: Path) -> None:
    def causes(*frames: Event) -> dict[str, int]:
        return of(tmp_path, launched(0, 1), list(frames), launched(400 * MS, 2))

    assert causes()["host_stall"] > 399 * MS
    explained = causes(python("time.py(1): sleep", MS, 396 * MS))
    assert explained["python"] == 396 * MS
    assert "host_stall" not in explained


def turns(overlap: int = 0) -> list[Any]:
    """Five rounds in which one device works 400 us, then the other; all is launched as a round begins."""
    return [
        event
        for n in range(5)
        for event in (
            *launched(n * 1_000 * US, 2 * n + 1, 400 * US),
            *launched(n * 1_000 * US + 20 * US, 2 * n + 2, 400 * US, pid=1)[:2],
            {**kernel("k", n * 1_000 * US + 410 * US - overlap, 400 * US, 2 * n + 2), "pid": 1},
        )
    ]


def test_a_device_waits_for_the_other_in_turn(tmp_path: Path) -> None:
    linked = written(tmp_path / "t.json", turns())
    idle = idle_of(linked)
    causes = {cause.cause: cause.ns for cause in idle.causes()}
    assert causes["other_device"] == 2 * 5 * 400 * US
    assert idle.total_ns == 2 * (4_810 - 5 * 400 - 10) * US
    beside = idle_of(written(tmp_path / "u.json", turns(overlap=300 * US)))
    assert "other_device" not in {cause.cause for cause in beside.causes()}


def test_a_device_with_hardly_any_work_waits_for_nobody(tmp_path: Path) -> None:
    lonely = launched(300 * US, 99, 5 * US, pid=1)
    with_it, without = (
        idle_of(written(tmp_path / name, [*turns_of_one(), *more])).total_ns
        for name, more in (("t.json", lonely), ("u.json", []))
    )
    assert with_it == without


def turns_of_one() -> list[Event]:
    return [event for n in range(5) for event in launched(n * 1_000 * US, n + 1, 400 * US)]


def test_devices_of_two_processes_do_not_wait_for_each_other(tmp_path: Path) -> None:
    events = turns()
    for number, event in enumerate(events):
        if (number // 3) % 2:
            event["pid"] = 200 if event["cat"] != "kernel" else 1
    assert "other_device" not in causes_of(written(tmp_path / "t.json", events))


LOADING = [
    "data_loading",
    "get_batch 7",
    "[pl][profile][_TrainingEpochLoop].train_dataloader_next",
    "data time",
]


@pytest.mark.parametrize("name", LOADING)
def test_an_annotation_that_says_so_is_the_loader(tmp_path: Path, name: str) -> None:
    loading = [host(name, 200 * US, 300 * MS, "user_annotation"), host("aten::stack", 300 * US, US)]
    causes = of(tmp_path, launched(0, 1), loading, launched(301 * MS, 2))
    assert causes["data_wait"] == 300 * MS
    assert "host_stall" not in causes


@pytest.mark.parametrize("name", [*LOADING, "load_model", "data_parallel", "batch_norm"])
def test_an_annotation_with_kernels_or_of_another_name_is_no_loader(tmp_path: Path, name: str) -> None:
    inside = launched(150 * MS, 3) if name in LOADING else []
    around = [host(name, 200 * US, 300 * MS, "user_annotation")]
    assert "data_wait" not in of(tmp_path, launched(0, 1), around, inside, launched(301 * MS, 2))
