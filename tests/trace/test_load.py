"""From what the reader found to times since the first event, with the impossible set apart."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from sdtrace.attribution.linked_trace import attribute
from sdtrace.attribution.op_table import op_table
from sdtrace.trace import Thread, Trace, load_trace
from sdtrace.trace.quarantine import MAX_NS

Event = dict[str, Any]
START_US = 1_712_195_495_519_762


def event(cat: str = "cpu_op", name: str = "a", ts: float = 0, dur: float = 5, **more: Any) -> Event:
    return {"ph": "X", "cat": cat, "name": name, "pid": 1, "tid": 2, "ts": START_US + ts, "dur": dur} | more


def _process(kind: str, **args: str) -> Event:
    return {"ph": "M", "name": kind, "pid": 0, "tid": 0, "args": args}


def load(folder: Path, *events: Event, name: str = "trace.json", **top_level: Any) -> Trace:
    path = folder / name
    path.write_text(json.dumps({**top_level, "traceEvents": list(events)}))
    return load_trace(path)


def test_times_count_from_the_first_event_of_a_known_kind(tmp_path: Path) -> None:
    trace = load(
        tmp_path,
        event("Trace", "PyTorch Profiler (0)", -1000, 9000),
        event(ts=7),
        event("kernel", "k", 3),
        event(ts=4),
    )
    assert trace.start_ns.tolist() == [-1_003_000, 4000, 0, 1000]
    assert trace.end_ns.tolist() == [7_997_000, 9000, 5000, 6000]
    assert trace.origin_ns == (START_US + 3) * 1000


def test_one_damaged_stamp_does_not_move_the_others(tmp_path: Path) -> None:
    trace = load(tmp_path, *(event(ts=n) for n in range(5)), event(ts=-START_US, name="zero"), event(ts=1e30))
    assert trace.start_ns.tolist() == [0, 1000, 2000, 3000, 4000]
    assert (trace.quarantined, trace.skipped) == (1, 1)
    assert "zero" in trace.quarantined_examples[0]


def test_what_repeats_is_stored_once_and_threads_have_their_names(tmp_path: Path) -> None:
    named = {"ph": "M", "name": "thread_name", "pid": 1, "tid": 2, "args": {"name": " main "}}
    trace = load(tmp_path, named, event(), event(name="b"), event(), event(tid="stream 7"))
    assert (trace.names, trace.categories) == (["a", "b"], ["cpu_op"])
    assert trace.name.tolist() == [0, 1, 0, 0]
    assert trace.threads == [Thread(1, 2, "main"), Thread(1, "stream 7", "")]
    assert trace.thread.tolist() == [0, 0, 0, 1]


@pytest.mark.parametrize(
    ("name", "label"),
    [
        ("bf16_sdpa.json", "bf16_sdpa"),
        ("bf16_sdpa.warm.json.gz", "bf16_sdpa.warm"),
        ("host_1.17.pt.trace.json", "host_1.17"),
        (".json", ".json"),
        ("trace", "trace"),
    ],
)
def test_the_label_is_the_name_without_its_format(name: str, label: str, tmp_path: Path) -> None:
    plain = load(tmp_path, event(), name="plain.json")
    (tmp_path / name).write_bytes(plain.path.read_bytes())
    assert load_trace(tmp_path / name).label == label


def test_facts_about_the_run_may_be_json_inside_a_text(tmp_path: Path) -> None:
    facts = {"schema": "sdtrace.run/1", "variant": "bf16"}
    assert load(tmp_path, event(), sdtrace=facts).run == facts
    assert load(tmp_path, event(), sdtrace=json.dumps(facts)).run == facts
    assert load(tmp_path, event(), sdtrace="{broken").run == {}
    assert load(tmp_path, event(), sdtrace=[1]).run == {}
    assert load(tmp_path, event()).run == {}


def test_the_device_is_the_first_one(tmp_path: Path) -> None:
    assert load(tmp_path, event(), deviceProperties=[{"name": "H200"}, {"name": "x"}]).device == {
        "name": "H200"
    }
    assert load(tmp_path, event(), deviceProperties=[]).device == {}
    assert load(tmp_path, event(), deviceProperties=[3]).device == {}
    assert load(tmp_path, event()).device == {}


@pytest.mark.parametrize(
    ("more", "speaks"),
    [
        ([], False),
        ([event("cuda_runtime", "cudaLaunchKernel")], True),
        ([event("hpu_op", "gemm")], True),
        ([_process("process_labels", labels="GPU 0")], True),
        ([_process("process_name", name="python")], False),
    ],
)
def test_what_says_that_there_is_a_gpu(more: list[Event], speaks: bool, tmp_path: Path) -> None:
    assert load(tmp_path, event(), *more).speaks_of_device is speaks


def test_allocations_are_put_in_the_order_of_time(tmp_path: Path) -> None:
    def memory(ts: float, nbytes: int) -> Event:
        args = {"Bytes": nbytes, "Total Allocated": 100, "Device Type": 1, "Device Id": 0}
        return {"ph": "i", "name": "[memory]", "pid": 1, "tid": 2, "ts": START_US + ts, "args": args}

    trace = load(tmp_path, event(), memory(9, -64), memory(3, 64))
    assert trace.memory.time_ns.tolist() == [3000, 9000]
    assert trace.memory.nbytes.tolist() == [64, -64]


@pytest.mark.parametrize(
    ("damage", "is_kept"),
    [
        ({"dur": -1}, False),
        ({"dur": -0.001}, False),
        ({"dur": 0}, True),
        ({"dur": (MAX_NS - 1000) // 1000}, True),
        ({"dur": MAX_NS // 1000 + 1}, False),
        ({"ts": START_US + MAX_NS // 1000 + 1}, False),
        ({"ts": 0}, False),
    ],
)
def test_impossible_times_are_set_apart_and_told(damage: Event, is_kept: bool, tmp_path: Path) -> None:
    trace = load(tmp_path, *(event(ts=n) for n in range(5)), event(name="odd") | damage)
    assert ("odd" in [trace.names[name] for name in trace.name]) == is_kept
    assert trace.quarantined == len(trace.quarantined_examples) == (not is_kept)
    assert len(trace) == 5 + is_kept
    assert sum(trace.counts.values()) == 6


def test_no_event_starts_before_the_first(tmp_path: Path) -> None:
    """One stamp lies 13 days before the middle of the others, but less before the first that counts."""
    days = MAX_NS // 1000
    trace = load(
        tmp_path, event(ts=days), event(ts=2 * days - 50), event(ts=2 * days + 10), event(ts=2 * days + 20)
    )
    assert trace.start_ns.min() == 0
    assert trace.quarantined == 1
    assert sum(row.calls for row in op_table(attribute(trace))) == 3


def kernels(*durations: float) -> list[Event]:
    return [event("kernel", f"k{n}", 10 * n, dur, pid=0, tid=7) for n, dur in enumerate(durations)]


def test_a_handful_of_kernels_that_dwarf_everything_is_set_apart(tmp_path: Path) -> None:
    """As 7 of 55,423 events that were 62 % of device time in a trace from the field."""
    host = [event(ts=0, dur=2000)]
    trace = load(tmp_path, *host, *kernels(*[5] * 200, *[9e9] * 7))
    assert trace.quarantined == 7
    assert trace.dur_ns[trace.rows({"kernel"})].tolist() == [5000] * 200
    assert all("k20" in line for line in trace.quarantined_examples)


@pytest.mark.parametrize(
    "durations",
    [[5] * 200 + [1900] * 7, [5] * 10 + [9e9] * 3, [9e9] * 40, [5] * 200],
    ids=["long but shorter than the run", "too few kernels to tell", "most are long", "none is long"],
)
def test_long_kernels_that_may_be_true_stay(durations: list[float], tmp_path: Path) -> None:
    trace = load(tmp_path, event(ts=0, dur=2000), *kernels(*durations))
    assert trace.quarantined == 0


def test_a_file_of_metadata_alone_is_an_empty_trace(tmp_path: Path) -> None:
    trace = load(
        tmp_path, {"ph": "M", "name": "process_name", "pid": 1, "tid": 0, "args": {"name": "python"}}
    )
    assert len(trace) == 0
    assert op_table(attribute(trace)) == []
