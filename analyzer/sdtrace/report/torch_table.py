"""The op table in torch's own layout, from rows alone.

Byte for byte what `EventList.table()` of `torch.autograd.profiler_util` (torch 2.13) prints for the
same rows: Name, five CPU columns, four device columns when any row has device time, memory columns
when any is known, the number of calls, and FLOPs when any are known. Column widths, trimming and units
are torch's.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import NamedTuple

from sdtrace.errors import UsageError
from sdtrace.model import Op
from sdtrace.report.names import visible

_COLUMN_WIDTH = 12
_GAP = "  "
_FLOP_SCALES = ("FLOPs", "KFLOPs", "MFLOPs", "GFLOPs", "TFLOPs", "PFLOPs")
_DEVICE_ALIASES = ("cuda", "xpu", "privateuse1")

SORT_KEYS: dict[str, Callable[[Op], float]] = {
    "self_cpu_time_total": lambda op: op.self_cpu_us,
    "cpu_time_total": lambda op: op.cpu_total_us,
    "cpu_time": lambda op: _average(op.cpu_total_us, op.calls),
    "self_device_time_total": lambda op: op.self_device_us,
    "device_time_total": lambda op: op.device_total_us,
    "device_time": lambda op: _average(op.device_total_us, op.calls),
    "cpu_memory_usage": lambda op: op.cpu_memory_bytes,
    "self_cpu_memory_usage": lambda op: op.self_cpu_memory_bytes,
    "device_memory_usage": lambda op: op.device_memory_bytes,
    "self_device_memory_usage": lambda op: op.self_device_memory_bytes,
    "count": lambda op: op.calls,
    "flops": lambda op: op.flops,
}
"""What `sort_by` may name; `cuda`, `xpu` and `privateuse1` stand for `device`, as in torch."""


class _Totals(NamedTuple):
    """The denominators of the percentages, in microseconds."""

    cpu_us: float
    device_us: float


def render_table(
    rows: Sequence[Op],
    *,
    sort_by: str | None = None,
    row_limit: int = 100,
    max_name_column_width: int = 55,
    device_name: str = "CUDA",
    ranges_as_torch: bool = False,
) -> str:
    """Lay `rows` out as torch does; "" when there are none.

    Rows are sorted by `sort_by`, largest first, or stay as they are; `row_limit` -1 prints all. Device
    rows of user annotations are ranges and not work: their share reads `range`, unless
    `ranges_as_torch` asks for torch's figure, which can be thousands of percent.
    Raises UsageError when `sort_by` names no column.
    """
    if not rows:
        return ""
    ordered = list(rows) if sort_by is None else sorted(rows, key=_sort_key(sort_by), reverse=True)
    work = [op for op in ordered if op.is_work or (ranges_as_torch and op.is_wait)]
    totals = _Totals(sum(op.self_cpu_us for op in ordered), sum(op.self_device_us for op in work))
    columns = _columns(ordered, totals, device_name, ranges_as_torch)
    name_width = min(max(len(visible(op.name)) for op in ordered) + 4, max_name_column_width)
    widths = [name_width] + [_COLUMN_WIDTH] * (len(columns) - 1)
    shown = ordered if row_limit < 0 else ordered[:row_limit]
    rule = _line(["-" * width for width in widths], widths)
    lines = [rule, _line([header for header, _ in columns], widths), rule]
    for op in shown:
        name = _trimmed(visible(op.name), max_name_column_width)
        lines.append(_line([name, *(cell(op) for _, cell in columns[1:])], widths))
    lines += [rule, f"Self CPU time total: {_time(totals.cpu_us)}"]
    if _has_device_time(ordered):
        lines.append(f"Self {device_name} time total: {_time(totals.device_us)}")
    return "\n".join(lines) + "\n"


def _sort_key(sort_by: str) -> Callable[[Op], float]:
    name = sort_by
    for alias in _DEVICE_ALIASES:
        name = name.replace(alias, "device")
    if name not in SORT_KEYS:
        raise UsageError(f"cannot sort by {sort_by!r}; valid keys are {', '.join(SORT_KEYS)}")
    return SORT_KEYS[name]


_Column = tuple[str, Callable[[Op], str]]


def _columns(rows: Sequence[Op], totals: _Totals, device: str, ranges_as_torch: bool) -> list[_Column]:
    columns: list[_Column] = [
        ("Name", lambda op: op.name),
        ("Self CPU %", lambda op: _share(op.self_cpu_us, totals.cpu_us)),
        ("Self CPU", lambda op: _time(op.self_cpu_us)),
        ("CPU total %", lambda op: _share(op.cpu_total_us, totals.cpu_us)),
        ("CPU total", lambda op: _time(op.cpu_total_us)),
        ("CPU time avg", lambda op: _time(_average(op.cpu_total_us, op.calls))),
    ]
    if _has_device_time(rows):
        columns += _device_columns(totals, device, ranges_as_torch)
    columns += _memory_columns(rows, device)
    columns.append(("# of Calls", lambda op: str(op.calls)))
    counted = [op.flops for op in rows if op.flops > 0]
    if counted:
        columns.append(_flops_column(min(counted)))
    return columns


def _device_columns(totals: _Totals, device: str, ranges_as_torch: bool) -> list[_Column]:
    def device_share(op: Op) -> str:
        if op.is_range and not ranges_as_torch:
            return "range"
        if op.is_wait and not ranges_as_torch:
            return "wait"
        return _share(op.self_device_us, totals.device_us)

    return [
        (f"Self {device}", lambda op: _time(op.self_device_us)),
        (f"Self {device} %", device_share),
        (f"{device} total", lambda op: _time(op.device_total_us)),
        (f"{device} time avg", lambda op: _time(_average(op.device_total_us, op.calls))),
    ]


def _memory_columns(rows: Sequence[Op], device: str) -> list[_Column]:
    """What `profile_memory` recorded; none when it recorded nothing."""
    columns: list[_Column] = []
    if any(op.cpu_memory_bytes or op.device_memory_bytes for op in rows):
        columns += [
            ("CPU Mem", lambda op: _memory(op.cpu_memory_bytes)),
            ("Self CPU Mem", lambda op: _memory(op.self_cpu_memory_bytes)),
        ]
    if any(op.self_device_memory_bytes > 0 for op in rows):
        columns += [
            (f"{device} Mem", lambda op: _memory(op.device_memory_bytes)),
            (f"Self {device} Mem", lambda op: _memory(op.self_device_memory_bytes)),
        ]
    return columns


def _flops_column(smallest: int) -> _Column:
    """The unit fits the smallest count, as torch chooses it."""
    power = int(max(0.0, min(math.log10(smallest) / 3, len(_FLOP_SCALES) - 1)))
    scale = pow(10, power * -3.0)
    return f"Total {_FLOP_SCALES[power]}", lambda op: f"{op.flops * scale:8.3f}" if op.flops > 0 else "--"


def _has_device_time(rows: Sequence[Op]) -> bool:
    return any(op.self_device_us > 0 for op in rows)


def _line(cells: Sequence[str], widths: Sequence[int]) -> str:
    return "".join(f"{cell:>{width}}{_GAP}" for cell, width in zip(cells, widths, strict=True))


def _trimmed(name: str, width: int) -> str:
    return name[: width - 3] + "..." if len(name) >= width - 3 else name


def _average(total_us: float, calls: int) -> float:
    return total_us / calls if calls else 0.0


def _share(us: float, total_us: float) -> str:
    return f"{us * 100.0 / total_us:.2f}%" if total_us else "NaN"


def _time(us: float) -> str:
    if us >= 1e6:
        return f"{us / 1e6:.3f}s"
    if us >= 1e3:
        return f"{us / 1e3:.3f}ms"
    return f"{us:.3f}us"


def _memory(nbytes: int) -> str:
    for unit, size in (("GB", 1 << 30), ("MB", 1 << 20), ("KB", 1 << 10)):
        if abs(nbytes) >= size:
            return f"{nbytes / size:.2f} {unit}"
    return f"{nbytes} B"
