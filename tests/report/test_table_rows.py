"""Which rows and figures a table has, where the records are at a limit; and the page of all columns."""

from __future__ import annotations

import runpy
from types import ModuleType

import pytest
from msgspec.structs import replace

from sdtrace import units
from sdtrace.model import Device, Op, Phase, TraceReport
from sdtrace.report import schema
from sdtrace.tables import HTML, TABLES, Filled, fill, reference, rows
from tests.report import sample, sample_rows

OF = {table.id: table for table in TABLES}


def phased(wall_us: float, *phases: tuple[str, float, float]) -> TraceReport:
    """A trace of phases: name, wall and device time."""
    given = [Phase(phase=name, wall_us=wall, gpu_us=gpu, gpu_events=1) for name, wall, gpu in phases]
    return replace(sample.bare(), wall_us=wall_us, phases=given)


def shown(filled: Filled, header: str) -> list[str]:
    """The cells under a header."""
    place = [column.header for column in filled.columns].index(header)
    return [row[place].text for row in filled.cells]


def test_a_phase_that_took_any_time_is_a_row() -> None:
    trace = phased(100.0, ("compile", 0.0, 5.0), ("capture", 0.0, 0.0), ("steady", 100.0, 0.0))
    assert [row.phase for row in rows.phases(trace)] == ["compile", "steady"]


@pytest.mark.parametrize(("steady_us", "is_told"), [(999_500.0, True), (999_501.0, False), (0.0, False)])
def test_what_no_phase_covers_is_a_row_from_half_a_thousandth_of_the_wall_on(
    steady_us: float, is_told: bool
) -> None:
    names = [row.phase for row in rows.phases(phased(1_000_000.0, ("steady", steady_us, 0.0)))]
    assert (rows.UNCOVERED in names) == is_told


def test_phases_of_more_than_the_wall_leave_nothing_uncovered() -> None:
    trace = phased(90.0, ("compile", 50.0, 0.0), ("steady", 50.0, 0.0))
    assert rows.wall_us(trace) == 100.0
    assert len(rows.phases(trace)) == 2


def _three() -> list[Op]:
    """An op of the host, a range and a wait: only the first has a share of device work, or a place in it."""
    op = replace(sample_rows.ops()[4], name="op", self_device_us=30.0)
    device = replace(op, device_type="device", self_device_us=20.0)
    work = replace(device, name="kernel", self_device_us=40.0)
    marked = replace(device, name="range", is_user_annotation=True)
    return [op, work, marked, replace(device, name="wait", is_wait=True)]


def test_neither_a_range_nor_a_wait_has_a_share_of_device_work() -> None:
    filled = fill(OF["ops"], replace(sample.cold(), ops=_three(), kernels=[]), HTML)
    assert shown(filled, "Name") == ["kernel", "op", "range", "wait"]
    assert shown(filled, "Kind") == ["device", "", "range", "wait"]
    # The kernel's 40 us are all the device's work; the op's 30 us are those of its launches.
    assert shown(filled, "Self GPU %") == ["100.0 %", "75.0 %", units.MISSING, units.MISSING]


def test_a_range_or_a_wait_comes_last_whichever_way_a_page_sorts() -> None:
    (column,) = (column for column in OF["ops"].columns if column.field == "self_device_us")
    assert column.unranked is not None
    assert [column.unranked(op) for op in _three()] == [False, False, True, True]


def test_an_op_that_was_never_called_has_no_mean() -> None:
    op = replace(sample_rows.ops()[4], calls=0, cpu_total_us=5.0, device_total_us=5.0)
    filled = fill(OF["ops"], replace(sample.cold(), ops=[op, sample_rows.ops()[4]], kernels=[]), HTML)
    assert shown(filled, "CPU avg")[0] == "0 s"
    assert shown(filled, "GPU avg")[0] == "0 s"


def device(index: int, busy_us: float, idle_us: float) -> Device:
    return replace(_DEVICE, index=index, busy_us=busy_us, idle_us=idle_us)


_DEVICE = Device(
    index=0, name="GPU", busy_us=0.0, idle_us=0.0, kernels=1, steady_busy_us=0.0, steady_wall_us=0.0
)


def test_devices_are_told_apart_where_there_are_several() -> None:
    both = [device(0, 3.0, 1.0), device(1, 0.0, 0.0)]
    filled = fill(OF["devices"], replace(sample.cold(), devices=both), HTML)
    assert shown(filled, "Busy share") == ["75.0 %", "0.0 %"]
    assert fill(OF["devices"], replace(sample.cold(), devices=both[:1]), HTML).records == []


def test_rows_that_are_left_out_count() -> None:
    filled = fill(OF["kernels"], sample.cold(), HTML, 3)
    whole = len(sample_rows.kernels())
    assert (len(filled.records), filled.left_out, filled.total) == (3, whole - 3, whole)


def test_a_short_table_is_never_cut() -> None:
    filled = fill(OF["phases"], sample.cold(), HTML, 1)
    assert (len(filled.records), filled.left_out, filled.total) == (4, 0, 4)


def test_the_place_of_a_column_is_counted_from_0() -> None:
    filled = fill(OF["kernels"], sample.cold(), HTML)
    assert [filled.place(field) for field in ("short_name", "category", "total_us")] == [0, 1, 2]
    assert filled.place("fused_ops") == 0


@pytest.mark.parametrize("page", [reference, schema], ids=["reference", "schema"])
def test_a_page_is_printed_when_its_module_is_run_and_not_when_it_is_imported(
    page: ModuleType, capsys: pytest.CaptureFixture[str]
) -> None:
    runpy.run_path(str(page.__file__), run_name="imported")
    assert capsys.readouterr().out == ""
    runpy.run_path(str(page.__file__), run_name="__main__")
    assert capsys.readouterr().out == page.text()
