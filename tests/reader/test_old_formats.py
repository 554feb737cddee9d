"""What torch, Kineto and other tools have written over the years."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from sdtrace.reader.categories import canonical
from tests.reader.decoder import Row, read_text, rows_of


def event(**changes: Any) -> dict[str, Any]:
    return {"ph": "X", "cat": "cpu_op", "name": "a", "pid": 1, "tid": 2, "ts": 10, "dur": 5} | changes


def rows(folder: Path, *events: dict[str, Any]) -> list[Row]:
    raw = read_text(json.dumps(list(events)), folder)
    assert raw.skipped == 0
    return rows_of(raw)


def test_capitalised_categories_and_lower_case_ids_from_before_2022(tmp_path: Path) -> None:
    args = {"external id": 7, "correlation": 9}
    found = rows(
        tmp_path,
        event(cat="Operator", name="aten::mm", args={"External id": 7}),
        event(cat="Runtime", name="cudaLaunchKernel", args=args),
        event(cat="Kernel", pid=0, tid="stream 7", args=args),
        event(cat="Memcpy", pid=0, tid="stream 7", args={**args, "bytes": 4096}),
        event(cat="Memset", pid=0, tid="stream 7", args={**args, "bytes": 16}),
    )
    assert [row.category for row in found] == ["cpu_op", "cuda_runtime", "kernel", "gpu_memcpy", "gpu_memset"]
    assert [row.external_id for row in found] == [7] * 5
    assert [row.correlation for row in found] == [0, 9, 9, 9, 9]
    assert [row.nbytes for row in found] == [-1, -1, -1, 4096, 16]
    assert found[2].tid == "stream 7"


@pytest.mark.parametrize("backend", ["hip", "xpu", "mtia", "privateuse1", "glow"])
def test_runtimes_of_other_backends(backend: str) -> None:
    assert canonical(f"{backend}_runtime") == "cuda_runtime"


@pytest.mark.parametrize(
    ("ts", "expected_ns"),
    [
        ("1700000000000000", 1_700_000_000_000_000_000),
        ("1712195495519762.655", 1_712_195_495_519_762_655),
        ("1712195495519762.6", 1_712_195_495_519_762_600),
        ("1.712195495519762655e15", 1_712_195_495_519_762_655),
        ("4628737356860.247", 4_628_737_356_860_247),
        ("0.001", 1),
        ("-0.5", -500),
        ("0.0015", 2),
        ("0.0025", 2),
        ('"1712195495519762.655"', 1_712_195_495_519_762_655),
        ('"17"', 17_000),
    ],
)
def test_microseconds_keep_every_digit(ts: str, expected_ns: int, tmp_path: Path) -> None:
    text = json.dumps([event()]).replace('"ts": 10', f'"ts": {ts}')
    assert [row.start_ns for row in rows_of(read_text(text, tmp_path))] == [expected_ns]
    kineto = KINETO.replace("10.000", ts)
    assert [row.start_ns for row in rows_of(read_text(kineto, tmp_path))] == [expected_ns]


KINETO = """{
  "traceEvents": [
  {
    "ph": "X", "cat": "kernel", "name": "k", "pid": 0, "tid": 7,
    "ts": 10.000, "dur": 5,
    "args": {
      "External id": 33,      "queued": 0, "device": 0, "correlation": 50, "bytes": 64, "stream": 7
    }
  }
  ]}"""


@pytest.mark.parametrize(
    "category", ["kernel", "gpu_memcpy", "cuda_runtime", "cpu_op", "python_function", "Trace"]
)
@pytest.mark.parametrize(
    "args",
    [
        '"External id": 33,      "queued": 0, "correlation": 50, "bytes": 64',
        '"queued": 0, "correlation": 50, "External id": 33, "bytes": 64',
        '"External id": "33", "correlation": "50", "bytes": "64"',
        '"External id": 33.0, "correlation": 50.0, "bytes": 64.0',
        '"External id": 33.5, "correlation": 50.5, "bytes": 1e3',
        '"External id": -1, "correlation": -2, "bytes": -3',
        '"External id": 12345678901234567, "correlation": 12345678901234567, "bytes": 12345678901234567',
        '"external id": 33, "correlation": 50',
        '"External id": null, "correlation": null, "bytes": null',
        '"correlation": 50',
        '"stream": 7',
        "",
    ],
)
def test_ids_mean_the_same_in_kinetos_layout_and_in_any_other(
    category: str, args: str, tmp_path: Path
) -> None:
    text = KINETO.replace("kernel", category)
    line = next(line for line in text.splitlines() if "External id" in line)
    text = text.replace(line, f"      {args}")
    compact = json.dumps(json.loads(text))
    assert rows_of(read_text(text, tmp_path)) == rows_of(read_text(compact, tmp_path))


def test_thread_ids_may_be_text_negative_or_use_all_64_bits(tmp_path: Path) -> None:
    ids: list[Any] = ["stream 7", "", -1, 2**63, 2**64 - 1, 0, "Trace PyTorch Profiler"]
    found = rows(tmp_path, *(event(tid=tid, pid=tid) for tid in ids))
    assert [(row.pid, row.tid) for row in found] == [(tid, tid) for tid in ids]


def test_counters_flows_instants_and_what_has_no_category_are_counted(tmp_path: Path) -> None:
    raw = read_text(
        json.dumps(
            [
                event(),
                {"ph": "C", "name": "GPU 0", "ts": 1, "pid": 0, "args": {"bytes": 3}},
                {"ph": "i", "name": "Record Window End", "ts": 1, "s": "g"},
                {"ph": "s", "cat": "ac2g", "id": 1, "ts": 1},
                {"ph": "X", "name": "no category", "ts": 1, "dur": 1, "pid": 1, "tid": 1},
                {"name": "no phase"},
            ]
        ),
        tmp_path,
    )
    assert raw.counts == {
        "cpu_op": 1, "(ph C)": 1, "(ph i)": 1, "ac2g": 1, "(no category)": 1, "(no ph)": 1,
    }  # fmt: skip
    assert raw.skipped == 0
