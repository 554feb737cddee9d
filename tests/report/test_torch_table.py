"""torch's own table is the oracle: the same profile must print the same bytes."""

from __future__ import annotations

from typing import Any

import pytest
import torch
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
