"""The traces in `traces/`, held to what torch itself said about the same profiles."""

from __future__ import annotations

import gzip
import json
from pathlib import Path
from typing import Any

import pytest

from sdtrace import load
from sdtrace.analysis import Options
from sdtrace.model import Op, TraceReport
from tests.loaded import report_of

TRACES = Path(__file__).parents[1] / "traces"
NAMES = (
    "fp32_eager",
    "bf16_sdpa_cudagraphs",
    "bf16_sdpa_regional.cold",
    "bf16_sdpa_eager.stack",
    "bf16_sdpa_eager.cudnn_benchmark",
)
COLUMNS = {
    "count": "calls",
    "cpu_time_total": "cpu_total_us",
    "self_cpu_time_total": "self_cpu_us",
    "device_time_total": "device_total_us",
    "self_device_time_total": "self_device_us",
    "flops": "flops",
}
NEAR_US = 0.002
"""torch sums microseconds as floats; its own rounding is below this."""


def trace_path(name: str) -> Path:
    return next(path for path in TRACES.glob(f"h200-{name}.json*") if "keyavg" not in path.name)


def golden_rows(name: str) -> list[dict[str, Any]]:
    with gzip.open(TRACES / f"h200-{name}.keyavg.json.gz") as stream:
        rows: list[dict[str, Any]] = json.load(stream)["rows"]
    return rows


def key_of(row: Op) -> tuple[str, bool, bool]:
    return row.name, row.device_type == "device", row.is_user_annotation


@pytest.fixture(scope="module", params=NAMES)
def name(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture(scope="module")
def analyzed(name: str) -> TraceReport:
    return report_of(trace_path(name))


def test_every_row_and_column_equals_torchs_own(name: str) -> None:
    rows = load(trace_path(name), Options.of(op_times="torch")).report.ops
    golden = golden_rows(name)
    # With profile_memory the golden has a row for unclaimed memory only if there was any.
    assert [key_of(row) for row in rows] == [
        (row["key"], "CPU" not in row["device_type"], row["is_user_annotation"]) for row in golden
    ]
    for mine, theirs in zip(rows, golden, strict=True):
        for column, field in COLUMNS.items():
            assert getattr(mine, field) == pytest.approx(theirs[column], abs=NEAR_US), (mine.name, column)


def test_ops_and_kernels_account_for_the_same_device_time(analyzed: TraceReport) -> None:
    ops = sum(row.self_device_us for row in analyzed.ops if row.device_type == "cpu")
    work = analyzed.gpu.kernel_us + analyzed.gpu.memcpy_us + analyzed.gpu.memset_us
    assert ops == pytest.approx(work, abs=0.01)
    assert sum(row.total_us for row in analyzed.kernels) == pytest.approx(work, abs=0.01)


def test_phases_partition_the_wall_and_causes_the_idle_time(analyzed: TraceReport) -> None:
    assert sum(row.wall_us for row in analyzed.phases) == pytest.approx(analyzed.wall_us, abs=0.001)
    assert sum(row.us for row in analyzed.idle) == pytest.approx(analyzed.gpu.idle_us, abs=0.001)


def test_hardly_any_device_time_is_of_unknown_category(analyzed: TraceReport) -> None:
    assert sum(row.pct for row in analyzed.categories if row.category == "other") <= 1.0


def test_walls_agree_with_the_clock_of_the_collector(analyzed: TraceReport) -> None:
    walls = [row.wall_us for row in analyzed.iterations]
    told = [seconds * 1e6 for seconds in analyzed.run["profiled_wall_s"]]
    assert walls == pytest.approx(told, rel=0.05, abs=5_000)


def test_compile_time_agrees_with_dynamos_own_accounting() -> None:
    cold = report_of(trace_path("bf16_sdpa_regional.cold"))
    told = cold.run["dynamo_compile_times"]
    assert cold.overhead.compile_us == pytest.approx(told["_compile.compile_inner"] * 1e6, rel=0.005)
    autotune = told["CachingAutotuner.benchmark_all_configs"] * 1e6
    assert cold.overhead.autotune_us == pytest.approx(autotune, rel=0.01)
    assert [row.phase for row in cold.iterations] == ["compile", "steady", "steady"]
