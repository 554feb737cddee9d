"""The op table by cell: what `attribution.op_table` adds up for a part, added up for all parts at once."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, NamedTuple

import numpy as np

from sdtrace.analysis.study import Study
from sdtrace.attribution.captures import is_captured
from sdtrace.attribution.flops import outermost
from sdtrace.attribution.host import row_name, sum_by
from sdtrace.attribution.linked_trace import LinkedTrace
from sdtrace.attribution.memory import memory_use
from sdtrace.attribution.op_table import UNKNOWN_LAUNCH, OpRow, OpTimes, whole_table
from sdtrace.explore.places import Index
from sdtrace.intervals import Int64s

COLUMNS: Final = (
    "calls",
    "self_cpu_ns",
    "cpu_total_ns",
    "self_device_ns",
    "device_total_ns",
    "flops",
    "cpu_memory_bytes",
    "self_cpu_memory_bytes",
    "device_memory_bytes",
    "self_device_memory_bytes",
)
_SMALL: Final = (1 << 31) - 1
"""32 bits hold less: half the memory where a trace has millions of events."""
_DEVICE_TOTAL: Final = COLUMNS.index("device_total_ns")
_MOST_ROUNDS: Final = 10_000


class Over(NamedTuple):
    """Device time below ops that began in another cell: it counts for `row` in a part that holds any of
    the cells `shown_in` and the cell `cell` of the work."""

    row: int
    shown_in: tuple[int, ...]
    cell: int
    ns: int


@dataclass(frozen=True)
class OpSums:
    """Rows of the op table (name, whether an annotation) and, by row and cell, the sums in `COLUMNS`.

    `row` and `cell` are arrays of one length; `sums` has a row for each, a column for each of `COLUMNS`.
    `first` is the first host event of each row. The last row is that of work whose launch is not known.
    """

    rows: list[tuple[str, bool]]
    row: Int64s
    cell: Int64s
    sums: Int64s
    over: list[Over]
    first: Int64s

    def table(self, linked: LinkedTrace) -> list[OpRow]:
        """The op table of the whole trace, as `attribution.op_table` has it."""
        host = linked.host
        totals = np.zeros((len(self.rows), self.sums.shape[1]), np.int64)
        np.add.at(totals, self.row, self.sums)
        for over in self.over:
            totals[over.row, _DEVICE_TOTAL] += over.ns
        start, end = host.start_ns[self.first], host.start_ns[self.first] + host.dur_ns[self.first]
        places = zip(start.tolist(), (-end).tolist(), host.row[self.first].tolist(), strict=True)
        rows = [
            (place, OpRow(name, "cpu", annotation, *values))
            for place, (name, annotation), values in zip(
                places, self.rows[:-1], totals[:-1].tolist(), strict=True
            )
        ]
        return whole_table(linked, rows)


def op_sums(study: Study, linked: LinkedTrace, host_cell: Index, work_cell: Int64s, cells: int) -> OpSums:
    """Add up the op table. `linked` is what its rows are made of.

    `host_cell` and `work_cell` have a cell for each host event of it and each piece of device work.
    """
    host, trace, work = linked.host, study.trace, linked.work
    names = len(trace.names)
    annotation = trace.in_categories({"user_annotation"})[host.row]
    code = host.name * np.int32(2) + annotation
    used = np.flatnonzero(np.bincount(code, minlength=2 * names))
    place = np.zeros(2 * names, np.int32)
    place[used] = np.arange(len(used))
    row = place[code]
    unknown = len(used)
    size = (len(used) + 1) * cells
    at = row.astype(np.int32 if size < _SMALL else np.int64) * cells + host_cell
    at[host.is_duplicate] = size
    totals = np.zeros((len(COLUMNS), size + 1), np.int64)
    totals[0] = np.bincount(at, minlength=size + 1)
    totals[1] = sum_by(at, host.self_ns, size + 1)
    totals[2] = sum_by(at, host.dur_ns, size + 1)
    heads = host.heads(work.op)
    dur_ns = trace.dur_ns[work.row]
    known = heads >= 0
    own = np.where(known, row[heads] if len(host) else 0, unknown) * cells + work_cell
    totals[3] = sum_by(own, dur_ns, size + 1)
    lost = np.bincount(own[~known], minlength=size + 1)
    totals[0] += lost
    totals[4] += sum_by(own[~known], dur_ns[~known], size + 1)
    below = _Below(linked, row, host_cell, at)
    over = _totals(below, _Work(heads[known], work_cell[known], dur_ns[known]), totals[4])
    _flops(linked, at, totals[5])
    if len(trace.memory.time_ns):
        for number, column in enumerate(memory_use(trace, host)):
            np.add.at(totals[6 + number], at, column)
    filled = np.flatnonzero(totals[:, :size].any(axis=0))
    rows = [(row_name(trace.names, number >> 1), bool(number & 1)) for number in used.tolist()]
    sums = totals[:, filled].T
    first = np.zeros(len(used), np.int64)
    shown = np.flatnonzero(~host.is_duplicate)[::-1]
    first[row[shown]] = shown
    return OpSums([*rows, (UNKNOWN_LAUNCH, False)], filled // cells, filled % cells, sums, over, first)


def linked_for(study: Study) -> LinkedTrace:
    """What the rows of the op table are made of, each kernel counted once."""
    return study.for_table(OpTimes.TRUE)


_Apart = dict[tuple[int, tuple[int, ...], int], int]


class _Work(NamedTuple):
    """Device work: the op it counts for, its cell, its nanoseconds; arrays of one length."""

    op: Int64s
    cell: Int64s
    ns: Int64s


class _Below(NamedTuple):
    """Host events: the row of each, its cell, and the place of both together among the sums."""

    linked: LinkedTrace
    row: Index
    cell: Index
    at: Index


def _totals(host: _Below, work: _Work, totals: Int64s) -> list[Over]:
    """Add the work below each op to `totals` where both are of one cell; the rest is returned."""
    parent = host.linked.host.parent
    odd = _odd(work, host.cell)
    is_odd = np.zeros(len(parent) if odd else 0, np.bool_)
    is_odd[list(odd)] = True
    apart: _Apart = {}
    op, cell, ns = _joined(work.op, work.cell, work.ns)
    for _ in range(_MOST_ROUNDS):
        if not op.size:
            break
        same = host.cell[op] == cell
        if odd:
            same &= ~is_odd[op]
        if same.all():
            np.add.at(totals, host.at[op], ns)
        else:
            np.add.at(totals, host.at[op[same]], ns[same])
            _set_apart(host, _Work(op[~same], cell[~same], ns[~same]), odd, apart)
        op = parent[op]
        inside = op >= 0
        op, cell, ns = _joined(op[inside], cell[inside], ns[inside])
    return [Over(*key, ns) for key, ns in apart.items()]


def _joined(at: Int64s, cell: Int64s, ns: Int64s) -> tuple[Int64s, Int64s, Int64s]:
    """Neighbours of one op and cell as one."""
    if not at.size:
        return at, cell, ns
    first = np.flatnonzero(np.append(True, (at[1:] != at[:-1]) | (cell[1:] != cell[:-1])))
    return at[first], cell[first], np.add.reduceat(ns, first)


def _odd(work: _Work, host_cell: Index) -> dict[int, set[int]]:
    """Ops with work of their own in another cell than the one they began in: all cells they show in."""
    elsewhere = np.flatnonzero((work.ns > 0) & (host_cell[work.op] != work.cell))
    found: dict[int, set[int]] = {}
    for number in elsewhere.tolist():
        op = int(work.op[number])
        found.setdefault(op, {int(host_cell[op])}).add(int(work.cell[number]))
    return found


def _set_apart(host: _Below, work: _Work, odd: dict[int, set[int]], apart: _Apart) -> None:
    """Add to `apart` by row, cells in which the row shows, and cell of the work."""
    size = int(work.cell.max(initial=0)) + 1
    keys, group = np.unique(work.op * size + work.cell, return_inverse=True)
    held, cell = keys // size, keys % size
    columns = (held, host.row[held], host.cell[held], cell, sum_by(group, work.ns, len(keys)))
    for op, number, began, place, amount in zip(*(column.tolist() for column in columns), strict=True):
        shown = tuple(sorted(odd[op])) if op in odd else (began,)
        key = (number, shown, place)
        apart[key] = apart.get(key, 0) + amount


def _flops(linked: LinkedTrace, at: Index, totals: Int64s) -> None:
    """Add operations, as the op table counts them."""
    ran = np.flatnonzero(linked.flops)
    ran = ran[~is_captured(linked.trace, linked.host.row[ran])]
    flops = np.zeros(len(at), np.int64)
    flops[ran] = linked.flops[ran]
    counted = outermost(flops, linked.host.tree_parent)[ran]
    np.add.at(totals, at[ran], counted)
