"""torch's own table is the oracle: the same profile must print the same bytes."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from msgspec.structs import replace
from torch.autograd import profiler_util
from torch.profiler import ProfilerActivity, profile, record_function

from sdtrace.errors import UsageError
from sdtrace.model import Op
from sdtrace.report.torch_table import render_table
from tests.report import sample, sample_rows


@pytest.fixture(scope="module")
def averages() -> Any:
    """An `EventList`, which torch leaves untyped."""
    model = torch.nn.Sequential(
        torch.nn.Conv2d(3, 8, 3), torch.nn.ReLU(), torch.nn.Flatten(0), torch.nn.LayerNorm(8 * 14 * 14)
    )
    with profile(activities=[ProfilerActivity.CPU], with_flops=True, record_shapes=True) as profiler:
        for _ in range(3):
            with record_function("an annotation with a name that is far too long for the column of names"):
                model(torch.randn(1, 3, 16, 16))
                torch.randn(64, 64) @ torch.randn(64, 64)
    return profiler.key_averages()


def _ops(averages: Any) -> list[Op]:
    return [
        Op(
            name=row.key,
            device_type="cpu",
            is_user_annotation=row.is_user_annotation,
            calls=row.count,
            self_cpu_us=row.self_cpu_time_total,
            cpu_total_us=row.cpu_time_total,
            self_device_us=row.self_device_time_total,
            device_total_us=row.device_time_total,
            flops=row.flops,
        )
        for row in averages
    ]


@pytest.mark.parametrize("limit", [100, 5, -1])
@pytest.mark.parametrize(
    "sort_by", [None, "self_cpu_time_total", "cpu_time_total", "cpu_time", "count", "flops"]
)
def test_the_table_is_torchs_byte_for_byte(averages: Any, sort_by: str | None, limit: int) -> None:
    expected = averages.table(sort_by=sort_by, row_limit=limit)
    assert render_table(_ops(averages), sort_by=sort_by, row_limit=limit) == expected


@pytest.mark.parametrize("width", [20, 55, 90])
def test_names_are_cut_where_torch_cuts_them(averages: Any, width: int) -> None:
    expected = averages.table(max_name_column_width=width)
    assert render_table(_ops(averages), max_name_column_width=width) == expected


TORCH: Any = profiler_util
KB, MB, GB = 1 << 10, 1 << 20, 1 << 30
ADD = Op(
    name="aten::add",
    device_type="cpu",
    is_user_annotation=False,
    calls=3,
    self_cpu_us=20.0,
    cpu_total_us=70.0,
    self_device_us=0.0,
    device_total_us=0.0,
    flops=0,
)
LIMITS: dict[str, list[Op]] = {
    "memory": [
        replace(ADD, cpu_memory_bytes=nbytes, self_cpu_memory_bytes=-nbytes)
        for unit in (KB, MB, GB)
        for nbytes in (unit - 1, unit, unit + 1)
    ],
    "no memory on the device": [
        replace(ADD, device_memory_bytes=KB),
        replace(ADD, self_device_memory_bytes=-KB),
    ],
    "memory on the device": [replace(ADD, device_memory_bytes=3 * MB, self_device_memory_bytes=1)],
    "times": [
        replace(ADD, self_cpu_us=us, cpu_total_us=2 * us)
        for us in (0.0, 0.001, 999.999, 1_000.0, 999_999.0, 1e6)
    ],
    "no time": [replace(ADD, self_cpu_us=0.0, cpu_total_us=0.0, calls=0)],
    "device": [
        replace(ADD, self_device_us=30.0, device_total_us=50.0),
        replace(ADD, name="kernel", device_type="device", self_device_us=40.0, device_total_us=40.0),
        replace(ADD, device_type="device", self_device_us=500.0, is_user_annotation=True),
    ],
    "one operation": [replace(ADD, flops=1), replace(ADD, flops=0)],
    **{f"1e{power} operations": [replace(ADD, flops=10**power)] for power in (2, 3, 5, 6, 9, 15, 18)},
}


def _torchs(rows: list[Op]) -> Any:
    """The rows as torch's own, of a profile with memory where any has some."""
    has_memory = any(op.cpu_memory_bytes or op.device_memory_bytes for op in rows)
    return TORCH.EventList(
        map(_torchs_row, rows), use_device="cuda", profile_memory=has_memory, with_flops=True
    )


def _torchs_row(op: Op) -> Any:
    row: Any = TORCH.FunctionEventAvg()
    row.key, row.count, row.flops, row.node_id, row.use_device = op.name, op.calls, op.flops, -1, "cuda"
    row.is_user_annotation = op.is_user_annotation
    row.device_type = TORCH.DeviceType.CPU if op.device_type == "cpu" else TORCH.DeviceType.CUDA
    row.self_cpu_time_total, row.cpu_time_total = op.self_cpu_us, op.cpu_total_us
    row.self_device_time_total, row.device_time_total = op.self_device_us, op.device_total_us
    row.cpu_memory_usage, row.self_cpu_memory_usage = op.cpu_memory_bytes, op.self_cpu_memory_bytes
    row.device_memory_usage = op.device_memory_bytes
    row.self_device_memory_usage = op.self_device_memory_bytes
    return row


@pytest.mark.parametrize("rows", LIMITS.values(), ids=LIMITS)
def test_rows_at_the_limits_of_a_unit_or_a_column_are_torchs_byte_for_byte(rows: list[Op]) -> None:
    assert render_table(rows, ranges_as_torch=True) == _torchs(rows).table()


@pytest.mark.parametrize(
    "sort_by", ["self_cuda_time_total", "cuda_time_total", "device_time", "self_cpu_memory_usage"]
)
def test_rows_are_sorted_by_the_column_that_torch_sorts_by(sort_by: str) -> None:
    rows = [
        replace(ADD, name="a", self_device_us=1.0, device_total_us=5.0, calls=5, self_cpu_memory_bytes=3),
        replace(ADD, name="b", self_device_us=2.0, device_total_us=4.0, calls=1, cpu_memory_bytes=1),
        replace(ADD, name="c", self_device_us=3.0, device_total_us=3.0, calls=3, self_cpu_memory_bytes=1),
        replace(ADD, name="kernel", device_type="device", self_device_us=6.0, device_total_us=6.0),
    ]
    assert render_table(rows, sort_by=sort_by, ranges_as_torch=True) == _torchs(rows).table(sort_by=sort_by)


def test_a_device_brings_its_four_columns_under_its_own_name() -> None:
    header = render_table(sample_rows.ops(), sort_by="self_cuda_time_total", device_name="XPU").splitlines()[
        1
    ]
    assert [name.strip() for name in header.split("  ") if name.strip()] == [
        "Name",
        "Self CPU %",
        "Self CPU",
        "CPU total %",
        "CPU total",
        "CPU time avg",
        "Self XPU",
        "Self XPU %",
        "XPU total",
        "XPU time avg",
        "# of Calls",
        "Total TFLOPs",
    ]


def test_a_range_has_no_share_unless_torchs_figure_is_asked_for() -> None:
    def shares(*, ranges_as_torch: bool) -> str:
        text = render_table(sample_rows.ops(), ranges_as_torch=ranges_as_torch)
        return next(line for line in text.splitlines() if "82.201s" in line)

    assert " range " in shares(ranges_as_torch=False)
    assert "%" in shares(ranges_as_torch=True).split("82.201s")[1]


def test_a_row_is_one_line_whatever_its_name() -> None:
    lines = render_table(sample_rows.ops(), row_limit=-1).splitlines()
    assert len(lines) == 3 + len(sample_rows.ops()) + 3
    assert not any("\x1b" in line for line in lines)


def test_no_rows_make_no_table() -> None:
    assert render_table([]) == ""


def test_an_unknown_key_is_a_usage_error_that_lists_the_known_ones() -> None:
    with pytest.raises(UsageError, match=r"'speed'.*self_cpu_time_total"):
        render_table(sample.cold().ops, sort_by="speed")
