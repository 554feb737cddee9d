"""The op table: one row per (name, host or device, annotation), as torch's `key_averages()` has it."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from enum import StrEnum
from itertools import chain
from typing import Any, Final, Literal, NamedTuple

import numpy as np

from sdtrace.attribution.captures import is_captured
from sdtrace.attribution.flops import TORCH_FLOP_OPS, outermost
from sdtrace.attribution.host import (
    FILTERED,
    named,
    row_name,
    sum_by,
    wildcard_names,
)
from sdtrace.attribution.linked_trace import LinkedTrace, attribute
from sdtrace.attribution.memory import memory_use, unclaimed_memory
from sdtrace.attribution.nesting import Int32s, Int64s, subtree_sums
from sdtrace.attribution.ranges import RANGES, range_bounds
from sdtrace.attribution.torch_quirks import own_kernel_ns
from sdtrace.reader.categories import DEVICE, WORK
from sdtrace.trace import Trace
from sdtrace.trace.model import Bools

UNKNOWN_LAUNCH: Final = "(launch not in trace)"
"""The row of device work whose launch the trace does not hold."""
MEMORY_ROW: Final = "[memory]"
_LISTS_PYTHON_SINCE: Final = (2, 13)


class OpTimes(StrEnum):
    """How device time is counted for ops."""

    TRUE = "true"
    """Each piece of device work once, for the op that launched it."""
    TORCH = "torch"
    """As torch's own table, quirks and all."""


DeviceType = Literal["cpu", "device"]


class OpRow(NamedTuple):
    """One row of the table; times in integer nanoseconds, memory in bytes."""

    name: str
    device_type: DeviceType
    is_user_annotation: bool
    calls: int
    self_cpu_ns: int
    cpu_total_ns: int
    self_device_ns: int
    device_total_ns: int
    flops: int
    cpu_memory_bytes: int = 0
    self_cpu_memory_bytes: int = 0
    device_memory_bytes: int = 0
    self_device_memory_bytes: int = 0
    is_wait: bool = False
    """A row of `cuda_sync`: the device waits, and no percentage is given."""


def for_table(linked: LinkedTrace, op_times: OpTimes) -> LinkedTrace:
    """`linked` with the host events that are rows of the op table, on the threads where it has them.

    Python functions are no rows, except in the tables of torch 2.13 and later, and so in `torch` mode for
    traces of these.
    """
    trace = linked.trace
    if op_times is OpTimes.TORCH:
        return attribute(trace, with_python=_lists_python(trace), as_torch=True)
    return attribute(trace, with_python=False) if trace.rows({"python_function"}).size else linked


def _lists_python(trace: Trace) -> bool:
    """Whether the torch that wrote the trace lists Python functions: by its version, else by its layout."""
    versions = trace.run.get("versions")
    version = versions.get("torch") if isinstance(versions, dict) else None
    numbers = re.match(r"(\d+)\.(\d+)", version) if isinstance(version, str) else None
    if numbers:
        return (int(numbers[1]), int(numbers[2])) >= _LISTS_PYTHON_SINCE
    return "host_name" in trace.top_level


def op_table(
    linked: LinkedTrace,
    op_times: OpTimes = OpTimes.TRUE,
    *,
    host_mask: Bools | None = None,
    work_mask: Bools | None = None,
) -> list[OpRow]:
    """All rows, in the order in which torch lists them: by first appearance.

    `linked` is what `for_table` gives for the same `op_times`. In `true` mode waiting for the device
    (`cuda_sync`) is no work and has no row, and FLOPs of ops that a CUDA-graph capture only recorded are
    not counted: they run with each replay, and no file says which graph a replay is of. So the row of the
    graph launch has device time but no FLOPs.

    `host_mask` (one per host event) and `work_mask` (one per piece of device work) limit the table to
    a part of the trace; device ranges are then left out, for they span parts.
    """
    host, trace = linked.host, linked.trace
    own = _own_device_ns(linked, op_times, work_mask)
    total = subtree_sums(host.parent, own)
    began = np.ones(len(host), np.bool_) if host_mask is None else host_mask
    # An op that began before the part has no call in it, yet its row is what the work it launched counts for.
    shown = ~host.is_duplicate & (began | (own > 0 if op_times is OpTimes.TRUE else False))
    flops = _counted_flops(linked, op_times)
    memory = memory_use(trace, host) if len(trace.memory.time_ns) else None
    columns = chain(
        (_counted(column, host_mask) for column in (began.astype(np.int64), host.self_ns, host.dur_ns)),
        (own, total),
        (_counted(column, host_mask) for column in (flops, *(memory or ()))),
    )
    annotation = trace.in_categories({"user_annotation"})[host.row]
    bounds = _Bounds(host.row, host.start_ns, host.dur_ns)
    groups = _grouped(len(trace.names), bounds, _code(host.name, annotation, shown), columns)
    rows = [(place, _host_row(trace, key, sums)) for place, key, sums in groups]
    if memory is not None and host_mask is None:
        rows += _memory_row(linked)
    return with_device_rows(linked, rows, op_times, work_mask)


def whole_table(linked: LinkedTrace, rows: list[Placed]) -> list[OpRow]:
    """The table of a whole trace, each kernel counted once, from its rows of the host."""
    rows = rows + _memory_row(linked) if len(linked.trace.memory.time_ns) else rows
    return with_device_rows(linked, rows, OpTimes.TRUE)


def with_device_rows(
    linked: LinkedTrace, rows: list[Placed], op_times: OpTimes, work_mask: Bools | None = None
) -> list[OpRow]:
    """The rows of the host with those of device work, in the order of the table."""
    if op_times is OpTimes.TRUE:
        rows = rows + _unknown_launch_row(linked, work_mask)
    every = rows + _device_rows(linked, work_mask, op_times)
    return [row for _, row in sorted(every, key=lambda placed: placed[0])]


_Place = tuple[int, int, int]
"""Where a row first appears: start, negative end, place in the file."""
Placed = tuple[_Place, OpRow]
"""A row, and where it first appears."""


def _own_device_ns(linked: LinkedTrace, op_times: OpTimes, mask: Bools | None) -> Int64s:
    """Device time of each host event's own launches, in nanoseconds."""
    host, work, trace = linked.host, linked.work, linked.trace
    as_torch = own_kernel_ns(trace, host) if op_times is OpTimes.TORCH else None
    if as_torch is not None:
        return as_torch
    pick = slice(None) if mask is None else mask
    op, dur_ns = work.op[pick], trace.dur_ns[work.row[pick]]
    return sum_by(host.heads(op), dur_ns, len(host))


def _counted_flops(linked: LinkedTrace, op_times: OpTimes) -> Int64s:
    """The work itself, counted once; torch adds up every event of the few ops it counts, if asked to."""
    if op_times is OpTimes.TRUE:
        ran = ~is_captured(linked.trace, linked.host.row)
        return outermost(linked.flops * ran, linked.host.tree_parent)
    asked = bool(linked.trace.top_level.get("with_flops"))
    counted = np.array([asked and name in TORCH_FLOP_OPS for name in linked.trace.names], np.bool_)
    return np.where(counted[linked.host.name], linked.flops, 0)


def _counted(column: Int64s, began: Bools | None) -> Int64s:
    """The column with 0 for what did not begin in the part; whole without a part."""
    return column if began is None else np.where(began, column, 0)


def _code(name: Int32s, annotation: Bools, shown: Bools) -> Int64s:
    """One number for what makes a row of its own, -1 for what is not shown."""
    return np.where(shown, name.astype(np.int64) * 2 + annotation, -1)


class _Bounds(NamedTuple):
    """Where events are and when, arrays of one length, by time; ties as in the file."""

    row: Int64s
    start_ns: Int64s
    dur_ns: Int64s


def _grouped(
    names: int, events: _Bounds, code: Int64s, columns: Iterable[Int64s]
) -> Iterator[tuple[_Place, tuple[int, bool], list[int]]]:
    """Sums of `columns` per code, with the place of each group's first event. `names`: how many there are.

    Columns are taken one by one, so that one at a time need be in memory.
    """
    size = 2 * names
    first = np.full(size + 1, -1, np.int64)
    first[code[::-1]] = np.arange(len(code))[::-1]
    keys = np.flatnonzero(first[:size] >= 0)
    sums = [sum_by(code, column, size)[keys].tolist() for column in columns]
    places = (column[first[keys]].tolist() for column in events)
    for key, row, start, dur, *values in zip(keys.tolist(), *places, *sums, strict=True):
        yield (start, -start - dur, row), (key >> 1, bool(key & 1)), values


def _host_row(trace: Trace, key: tuple[int, bool], sums: list[int]) -> OpRow:
    name, annotation = key
    values: dict[str, Any] = dict(zip(OpRow._fields[3:], sums, strict=False))
    return OpRow(row_name(trace.names, name), "cpu", annotation, **values)


def _device_rows(linked: LinkedTrace, mask: Bools | None, op_times: OpTimes) -> list[Placed]:
    """Rows of kernels, copies, fills and (of the whole trace) of ranges and waits, by name."""
    trace = linked.trace
    kinds = DEVICE if op_times is OpTimes.TORCH else WORK | RANGES
    row = trace.rows(kinds) if mask is None else linked.work.row[mask]
    row = row[~named(trace, FILTERED)[row]]
    is_range = trace.in_categories(RANGES)[row]
    start_ns, dur_ns = trace.start_ns[row], trace.dur_ns[row]
    start_ns[is_range], dur_ns[is_range] = range_bounds(trace, row[is_range])
    order = np.lexsort((row, -start_ns - dur_ns, start_ns))
    bounds, is_range = _Bounds(row[order], start_ns[order], dur_ns[order]), is_range[order]
    row, is_wait = bounds.row, trace.in_categories({"cuda_sync"})[bounds.row]
    shown_ns = np.maximum(bounds.dur_ns, 0) if op_times is OpTimes.TRUE else bounds.dur_ns
    name = wildcard_names(trace)[row]
    code = _code(name, is_range, np.ones(len(row), np.bool_))
    waits = {row_name(trace.names, number) for number in np.unique(name[is_wait]).tolist()}
    groups = _grouped(len(trace.names), bounds, code, (np.ones(len(row), np.int64), shown_ns))
    rows = [(place, _device_row(trace, key, sums)) for place, key, sums in groups]
    return [(place, row._replace(is_wait=row.name in waits)) for place, row in rows]


def _device_row(trace: Trace, key: tuple[int, bool], sums: list[int]) -> OpRow:
    (name, is_range), (calls, total) = key, sums
    return OpRow(row_name(trace.names, name), "device", is_range, calls, 0, 0, total, total, 0)


def _unknown_launch_row(linked: LinkedTrace, mask: Bools | None) -> list[Placed]:
    """What keeps the sum over ops equal to the sum over kernels when launches are missing."""
    lost = linked.work.op < 0 if mask is None else (linked.work.op < 0) & mask
    rows = linked.work.row[lost]
    if not rows.size:
        return []
    total = int(linked.trace.dur_ns[rows].sum())
    place = (int(linked.trace.start_ns[rows].min()), 0, 0)
    return [(place, OpRow(UNKNOWN_LAUNCH, "cpu", False, len(rows), 0, 0, total, total, 0))]


def _memory_row(linked: LinkedTrace) -> list[Placed]:
    free = unclaimed_memory(linked.trace, linked.host)
    if not free.calls:
        return []
    place = (free.first_ns, -free.first_ns, len(linked.trace))
    sizes = (free.cpu_bytes, free.cpu_bytes, free.device_bytes, free.device_bytes)
    return [(place, OpRow(MEMORY_ROW, "cpu", False, free.calls, 0, 0, 0, 0, 0, *sizes))]
