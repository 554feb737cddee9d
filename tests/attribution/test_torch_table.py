"""torch is the oracle: every row and column of `key_averages()`, in its order, from the file alone."""

from __future__ import annotations

import gzip
import json
from pathlib import Path
from typing import Any

import pytest

from sdtrace.attribution.linked_trace import attribute
from sdtrace.attribution.op_table import OpRow, OpTimes, for_table, op_table
from sdtrace.trace import load_trace
from tests.attribution.recipes import RECIPES, run
from tests.loaded import linked_of
from tests.shared import shared_trace

TOLERANCE_US = 0.002
TIMES = ("self_cpu_time_total", "cpu_time_total", "self_device_time_total", "device_time_total")
MEMORY = ("cpu_memory_usage", "self_cpu_memory_usage", "device_memory_usage", "self_device_memory_usage")


def table(path: Path) -> list[OpRow]:
    linked = for_table(linked_of(path), OpTimes.TORCH)
    return op_table(linked, OpTimes.TORCH)


def key(row: OpRow) -> tuple[str, bool, bool]:
    return row.name, row.device_type == "device", row.is_user_annotation


def worst(ours: list[OpRow], theirs: list[dict[str, Any]]) -> float:
    """The largest difference in any time, in microseconds."""
    return max(
        abs(mine / 1000 - float(their[column]))
        for row, their in zip(ours, theirs, strict=True)
        for mine, column in zip(row[4:8], TIMES, strict=True)
    )


@pytest.mark.parametrize("name", RECIPES)
def test_a_run_on_this_machine_gives_torchs_rows_and_columns(name: str, tmp_path: Path) -> None:
    expected = [
        {
            "key": (row.key, "CPU" not in str(row.device_type), bool(row.is_user_annotation)),
            **{column: getattr(row, column) for column in ("count", "flops", *TIMES, *MEMORY)},
        }
        for row in run(name, tmp_path / "trace.json")
    ]
    rows = table(tmp_path / "trace.json")
    assert [key(row) for row in rows] == [row["key"] for row in expected]
    assert [row.calls for row in rows] == [row["count"] for row in expected]
    assert [row.flops for row in rows] == [row["flops"] for row in expected]
    assert [row[9:13] for row in rows] == [tuple(row[column] for column in MEMORY) for row in expected]
    assert worst(rows, expected) <= TOLERANCE_US


def test_the_runs_have_what_they_are_there_for(tmp_path: Path) -> None:
    rows = {
        name: [row.key for row in run(name, tmp_path / "x.json")]
        for name in ("memory", "steps", "same_names")
    }
    assert "[memory]" in rows["memory"]
    assert "ProfilerStep*" in rows["steps"]
    assert rows["same_names"].count("a") == 1


GOLDEN = [
    *("reference/fp32_eager", "reference/bf16_sdpa.warm", "reference/bf16_sdpa_graphs.warm"),
    *("wild/sd_offload", "wild/lora_train"),
]
"""In `lora_train` the autograd thread has more ops than the one that ran the profiler."""


RANKS = Path(__file__).parent / "golden"
"""Recorded with torch 2.11 on two H100s over NCCL, each beside its rank's own table: DDP, FSDP, and a
thread that works while another one trains. In `ddp_plain` a call's correlation is another op's id."""


@pytest.mark.parametrize("name", GOLDEN)
def test_a_reference_trace_gives_the_table_torch_wrote_beside_it(name: str) -> None:
    assert_equal_to_torchs(shared_trace(f"{name}.json.gz"), shared_trace(f"{name}.keyavg.json.gz"))


@pytest.mark.parametrize("name", ["ddp_plain.rank0", "fsdp_plain.rank1", "solo_thread_hook.rank0"])
def test_a_rank_gives_the_table_torch_wrote_beside_it(name: str) -> None:
    assert_equal_to_torchs(RANKS / f"{name}.json.gz", RANKS / f"{name}.keyavg.json.gz")


def test_a_collective_that_lasts_elsewhere_takes_no_time_of_its_thread() -> None:
    linked = attribute(load_trace(RANKS / "ddp_plain.rank0.json.gz"))
    rows = {(row.name, row.device_type): row for row in op_table(linked, OpTimes.TRUE)}
    collective = rows["nccl:all_reduce", "cpu"]
    assert (collective.calls, collective.self_cpu_ns) == (12, 0)
    call = rows["record_param_comms", "cpu"]
    assert call.self_cpu_ns > collective.cpu_total_ns // 2


def assert_equal_to_torchs(trace: Path, golden: Path) -> None:
    """Every row, in torch's order, every column."""
    expected = json.loads(gzip.decompress(golden.read_bytes()))["rows"]
    rows = table(trace)
    assert [key(row) for row in rows] == [
        (row["key"], "CPU" not in row["device_type"], row["is_user_annotation"]) for row in expected
    ]
    assert [row.calls for row in rows] == [row["count"] for row in expected]
    assert [row.flops for row in rows] == [row.get("flops", 0) for row in expected]
    assert worst(rows, expected) <= TOLERANCE_US
    total_us = sum(row["self_cpu_time_total"] for row in expected)
    assert sum(row.self_cpu_ns for row in rows) / 1000 == pytest.approx(total_us, abs=TOLERANCE_US)
