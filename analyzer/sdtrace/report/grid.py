"""The two long tables, ops and kernels: cells as shown, values to sort by, names to find them by."""

from __future__ import annotations

import base64
import json
import zlib
from collections.abc import Sequence
from typing import NamedTuple

from sdtrace.model import Kernel, Op, TraceReport
from sdtrace.report import units
from sdtrace.report.names import shorten, visible
from sdtrace.report.summary import listed_kernels, listed_ops
from sdtrace.report.torch_table import is_range, is_work

RANGE = "range"
_SHORT = 68
_LONGEST_NAME = 400
"""Template arguments run to thousands of characters; the whole name is in report.json."""

_OP_COLUMNS = [
    *("Self CPU %", "Self CPU", "CPU total %", "CPU total", "CPU avg"),
    *("Self GPU", "Self GPU %", "GPU total", "GPU avg"),
    *("Calls", "FLOPs"),
]
_CPU_COLUMNS = 5
_CALLS = 9


class Row(NamedTuple):
    """A row: its name, what is shown of it, a tag, and for each column a value and its text."""

    name: str
    short: str
    tag: str
    keys: list[float | None]
    cells: list[str]


class Grid(NamedTuple):
    """A table that can be sorted and filtered where JavaScript runs, and reads well where not."""

    anchor: str
    title: str
    columns: list[str]
    sorted_by: int
    rows: list[Row]
    total: int
    """Rows the report has; those beyond `rows` are in report.json alone."""

    @property
    def order(self) -> str:
        """The column that decides which rows are here."""
        return self.columns[self.sorted_by]


def kernel_grid(trace: TraceReport, anchor: str, most: int) -> Grid:
    """Device work by name, most time first, at most `most` rows."""
    columns = ["GPU time", "Share", "Calls", "Mean", "Min", "Max"]
    rows = [_kernel_row(kernel) for kernel in listed_kernels(trace)[:most]]
    return Grid(anchor, "Kernels", columns, 0, rows, len(trace.kernels))


def op_grid(trace: TraceReport, anchor: str, most: int) -> Grid:
    """torch's op table: five CPU columns, four device columns and FLOPs where there are any, calls."""
    ops = listed_ops(trace)
    cpu_us = sum(op.self_cpu_us for op in trace.ops)
    device_us = sum(op.self_device_us for op in trace.ops if is_work(op))
    on_device = any(op.self_device_us for op in ops)
    shown = [*range(_CPU_COLUMNS), *(range(_CPU_COLUMNS, _CALLS) if on_device else ()), _CALLS]
    shown += [_CALLS + 1] if any(op.flops for op in ops) else []
    rows = [_only(shown, _op_row(op, cpu_us, device_us)) for op in ops[:most]]
    columns = [_OP_COLUMNS[index] for index in shown]
    order = columns.index("Self GPU" if on_device else "Self CPU")
    return Grid(anchor, "Ops", columns, order, rows, len(ops))


def fitted(grids: Sequence[Grid], room: int) -> list[Grid]:
    """The grids, every one cut to the same number of rows, so that they pack into `room` characters."""
    most = max((len(grid.rows) for grid in grids), default=0)
    kept = list(grids)
    while most > 1 and len(packed(kept)) > room:
        most //= 2
        kept = [grid._replace(rows=grid.rows[:most]) for grid in kept]
    return kept


def packed(grids: Sequence[Grid]) -> str:
    """All rows of all grids for the page's script: JSON, deflated, in base64.

    Names come once however many rows and traces share them, and base64 has no character that could
    end the element it stands in.
    """
    names: dict[str, int] = {}

    def number(name: str) -> int:
        return names.setdefault(name, len(names))

    def row(row: Row) -> list[object]:
        return [number(row.name), number(row.short), row.tag, row.keys, row.cells]

    tables = {grid.anchor: [row(each) for each in grid.rows] for grid in grids}
    text = json.dumps({"names": list(names), "tables": tables}, ensure_ascii=False, separators=(",", ":"))
    return base64.b64encode(zlib.compress(text.encode(), 6)).decode("ascii")


def _kernel_row(kernel: Kernel) -> Row:
    times: list[float] = [kernel.mean_us, kernel.min_us, kernel.max_us]
    share = [_time(kernel.total_us), units.share(kernel.pct), units.count(kernel.calls)]
    return Row(
        name=_name(kernel.name),
        short=shorten(visible(kernel.short_name), _SHORT),
        tag=kernel.category,
        keys=[kernel.total_us, kernel.pct, kernel.calls, *times],
        cells=share + [_time(us) for us in times],
    )


def _op_row(op: Op, cpu_us: float, device_us: float) -> Row:
    cpu_avg = op.cpu_total_us / op.calls if op.calls else 0.0
    device_avg = op.device_total_us / op.calls if op.calls else 0.0
    share = None if is_range(op) or op.is_wait else op.self_device_us
    cpu: list[float | None] = [op.self_cpu_us, op.self_cpu_us, op.cpu_total_us, op.cpu_total_us, cpu_avg]
    device = [share, share, op.device_total_us, device_avg]
    return Row(
        name=_name(op.name),
        short=shorten(visible(op.name), _SHORT),
        tag=RANGE if is_range(op) else "" if op.device_type == "cpu" else "device",
        keys=[*cpu, *device, op.calls, op.flops],
        cells=[
            units.percent(op.self_cpu_us, cpu_us),
            _time(op.self_cpu_us),
            units.percent(op.cpu_total_us, cpu_us),
            _time(op.cpu_total_us),
            _time(cpu_avg),
            _time(op.self_device_us),
            RANGE if share is None else units.percent(share, device_us),
            _time(op.device_total_us),
            _time(device_avg),
            units.count(op.calls),
            units.flops(op.flops),
        ],
    )


def _only(columns: Sequence[int], row: Row) -> Row:
    return row._replace(
        keys=[row.keys[index] for index in columns], cells=[row.cells[index] for index in columns]
    )


def _name(name: str) -> str:
    return shorten(visible(name), _LONGEST_NAME)


def _time(us: float) -> str:
    return units.duration(us) if us else "0"
