"""Ranks merged into one file: their ids collide, and every merger labels processes in its own way."""

from __future__ import annotations

import gzip
import json
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from sdtrace.attribution.linked_trace import LinkedTrace, attribute
from sdtrace.attribution.op_table import OpTimes, op_table
from sdtrace.trace import load_trace
from tests.shared import shared_trace

STACK = Path(__file__).parents[2] / "traces" / "h200-bf16_sdpa_eager.stack.json.gz"
TWO_RANKS = Path(__file__).parents[1] / "field" / "two_ranks_merged.json"
RANKS = ("[TP00]", "[TP01]")
TRUTH_US = {"aten::mm": 2000.0, "aten::conv2d": 6000.0}
"""By two_ranks_merged.expect.md: 20 kernels of 100 us, 20 of 300 us."""
Event = dict[str, Any]
Convention = Callable[[int, int, bool], int | str]
"""From rank, pid and whether it is a device's to what a merger writes as pid."""


def label_of(rank: int, pid: int) -> str:
    return f"{pid} (rank {rank})"


CONVENTIONS: dict[str, Convention] = {
    "a tag in front": lambda rank, pid, _: f"[rank{rank}] {pid}",
    "a tag in front without brackets": lambda rank, pid, _: f"rank{rank} {pid}",
    "two tags": lambda rank, pid, _: f"[TP0-PP{rank}] {pid}",
    "a word in front": lambda rank, pid, _: f"{('prefill', 'decode')[rank]} {pid}",
    "a tag behind": lambda rank, pid, _: label_of(rank, pid),
    "a tag behind an underline": lambda rank, pid, _: f"{pid}_rank_{rank}",
    "what it is": lambda rank, pid, device: f"Rank {rank} {'GPU' if device else 'CPU'} {pid}",
    "a number in front": lambda rank, pid, _: f"{rank}/{pid}",
    "a number behind": lambda rank, pid, _: f"{pid}.{rank}",
    "an offset": lambda rank, pid, _: pid + rank * 100_000,
    "a small offset": lambda rank, pid, _: pid + rank * 1_000,
    "the rank alone": lambda rank, _, __: rank,
    "the rank alone, as text": lambda rank, _, __: f"rank{rank}",
    "no label": lambda rank, pid, device: pid if device or pid > 600 else pid + rank,
    "no label, ranks in the other order": lambda rank, pid, device: pid if device else pid + 7 - rank,
    "one device id for both": lambda rank, pid, device: 0 if device else pid + rank,
    "one process id for both": lambda _, pid, __: pid,
}


def merged(convention: Convention) -> list[Event]:
    events = json.loads(TWO_RANKS.read_text())["traceEvents"]
    for event in events:
        tag, pid = event["pid"].split()
        event["pid"] = convention(RANKS.index(tag), int(pid), event["cat"] == "kernel")
    return list(events)


def written(folder: Path, events: list[Event]) -> LinkedTrace:
    path = folder / "merged.json"
    path.write_text(json.dumps({"traceEvents": events}))
    return attribute(load_trace(path))


def self_device_us(linked: LinkedTrace) -> dict[str, float]:
    rows = op_table(linked, OpTimes.TRUE)
    return {
        row.name: row.self_device_ns / 1000 for row in rows if row.device_type == "cpu" and row.self_device_ns
    }


def test_each_rank_has_its_own_work_and_its_own_device() -> None:
    linked = attribute(load_trace(TWO_RANKS))
    assert self_device_us(linked) == TRUTH_US
    assert [(device.process, device.number) for device in linked.work.devices] == [(0, 0), (1, 1)]
    assert Counter(linked.work.device.tolist()) == {0: 20, 1: 20}
    assert len(set(linked.work.launch.tolist())) == 40
    assert [process.pid for process in linked.trace.processes] == ["[TP00] 500", "[TP01] 500"]


@pytest.mark.parametrize("name", CONVENTIONS)
def test_work_goes_to_the_rank_that_launched_it(name: str, tmp_path: Path) -> None:
    linked = written(tmp_path, merged(CONVENTIONS[name]))
    assert self_device_us(linked) == TRUTH_US
    if name != "one process id for both":
        assert len(linked.trace.processes) == 2
        assert len(linked.work.devices) == 2


def test_names_in_metadata_decide_where_pids_do_not(tmp_path: Path) -> None:
    """The devices stand in the other order, and both ranks run at the same time."""
    events = together(merged(lambda rank, pid, device: 8000 - rank if device else pid + rank))
    for rank in (0, 1):
        for pid in (500 + rank, 8000 - rank):
            name = {"name": f"rank {rank}: python3"}
            events.append({"ph": "M", "name": "process_name", "pid": pid, "tid": 0, "ts": 0, "args": name})
    linked = written(tmp_path, events)
    assert self_device_us(linked) == TRUTH_US
    assert [device.pid for device in linked.work.devices] == [8000, 7999]


def together(events: list[Event]) -> list[Event]:
    """Both ranks at the same instants, so that times tell nothing."""
    for event in events:
        event["ts"] -= 400.0 if event["ts"] % 1000 >= 400 else 0.0
    return events


@pytest.mark.parametrize("name", list(CONVENTIONS)[:13])
def test_labels_decide_where_times_do_not(name: str, tmp_path: Path) -> None:
    assert self_device_us(written(tmp_path, together(merged(CONVENTIONS[name])))) == TRUTH_US


def test_work_is_never_given_to_another_rank_for_its_id_alone(tmp_path: Path) -> None:
    """The launches of the second rank are lost: its kernels have no launch, not the first one's."""
    events = [
        event
        for event in merged(CONVENTIONS["a tag in front"])
        if event["cat"] == "kernel" or "rank1" not in event["pid"] or event["name"] == "aten::mm"
    ]
    events.append({**events[0], "pid": "[rank1] 500", "name": "aten::conv2d", "args": {"External id": 999}})
    linked = written(tmp_path, events)
    assert self_device_us(linked) == {"aten::mm": 2000.0, "(launch not in trace)": 6000.0}


def test_one_process_whose_launches_have_another_pid_stays_one(tmp_path: Path) -> None:
    """As where ops are stamped inside a container, and runtime calls outside."""
    events = [event for event in merged(lambda _, pid, __: pid) if "mm" in event["name"] or "args" in event]
    for event in events:
        if event["cat"] == "cuda_runtime":
            event["pid"] = 90_000
    linked = written(tmp_path, events)
    assert len(linked.trace.processes) == 1
    assert sum(self_device_us(linked).values()) == 8000.0


Times = Counter[tuple[str, str]]


@pytest.fixture(scope="module")
def two_real_ranks(tmp_path_factory: pytest.TempPathFactory) -> tuple[list[list[Event]], Times]:
    """Two ranks that run the same code at the same time, each with a device; what their ops cost together."""
    ranks = [
        json.loads(gzip.decompress(shared_trace(f"wild/cfg_parallel.rank{rank}.json.gz").read_bytes()))
        for rank in (0, 1)
    ]
    events = [
        [event for event in rank["traceEvents"] if event["ph"] == "X" and isinstance(event["pid"], int)]
        for rank in ranks
    ]
    folder = tmp_path_factory.mktemp("ranks")
    return events, times(written(folder, events[0])) + times(written(folder, events[1]))


@pytest.mark.parametrize("name", ["a tag behind", "no label"])
def test_two_real_ranks_in_one_file_add_up_to_the_two_apart(
    name: str, two_real_ranks: tuple[list[list[Event]], Times], tmp_path: Path
) -> None:
    ranks, expected = two_real_ranks
    on_device = {"kernel", "gpu_memcpy", "gpu_memset", "gpu_user_annotation"}
    events = [
        {**event, "pid": CONVENTIONS[name](rank, event["pid"], event["cat"] in on_device)}
        for rank in (0, 1)
        for event in ranks[rank]
    ]
    linked = written(tmp_path, events)
    assert len(linked.work.devices) == 2
    assert times(linked) == expected


def times(linked: LinkedTrace) -> Times:
    """Self device time and calls of every op, in nanoseconds."""
    rows = [row for row in op_table(linked, OpTimes.TRUE) if row.device_type == "cpu"]
    found = Counter({("device", row.name): row.self_device_ns for row in rows})
    found.update({("calls", row.name): row.calls for row in rows})
    return +found


def test_python_threads_that_torch_does_not_know_are_no_process(tmp_path: Path) -> None:
    """They have pid 0, which is also the first device: with stacks and a progress bar, in every trace."""
    with gzip.open(STACK) as file:
        trace = json.load(file)
    events = trace["traceEvents"]
    python = next(event for event in events if event.get("cat") == "python_function")
    monitor = {**python, "name": "tqdm/_monitor.py(60): run", "pid": 0, "tid": 0}
    path = tmp_path / "with_a_progress_bar.json"
    path.write_text(json.dumps(trace | {"traceEvents": [*events, monitor]}))
    found, expected = (attribute(load_trace(file)) for file in (path, STACK))
    assert 0 in {device.pid for device in expected.work.devices}
    assert len(found.trace.processes) == 1
    assert found.work.launch.tolist() == expected.work.launch.tolist()
    assert (expected.work.launch >= 0).all()
