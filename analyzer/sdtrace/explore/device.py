"""Device work by name, category, kind of op and cell; calls, launches and busy time by cell."""

from __future__ import annotations

from itertools import pairwise
from typing import Final, NamedTuple

import numpy as np

from sdtrace.analysis.speed_of_light import WorkStudy
from sdtrace.attribution.host import sum_by
from sdtrace.explore.over import Counted, count_once
from sdtrace.intervals import Bools, Int64s

_MOST_MIXED: Final = 20_000
"""Pieces of work of several cells that run at once; more are not taken apart."""


class KernelSums(NamedTuple):
    """Device work, arrays of one length. `kind` is that of its op, -1 where unknown; `is_alone` (0 or 1)
    says that each piece is the only work of its op's call. Times in nanoseconds."""

    name: Int64s
    category: Int64s
    kind: Int64s
    is_alone: Int64s
    cell: Int64s
    calls: Int64s
    total_ns: Int64s
    min_ns: Int64s
    max_ns: Int64s


class BusySums(NamedTuple):
    """How long devices were at work: `ns` by cell, and (cells, nanoseconds) of work of several at once."""

    ns: Int64s
    over: list[tuple[tuple[int, ...], int]]


def kernel_sums(work: WorkStudy, cell: Int64s) -> KernelSums:
    """Add up device work; `cell` has one number per piece."""
    study = work.study
    trace, row = study.trace, study.linked.work.row
    name, category, kind = trace.name[row].astype(np.int64), study.categorized.code, work.named.kind
    alone = _is_alone(work).astype(np.int64)
    code = np.zeros(len(row), np.int64)
    for column in (name, category, kind, alone, cell):
        code = code * (int(column.max(initial=0)) + 2) + column + 1
    _, first, group = np.unique(code, return_index=True, return_inverse=True)
    dur_ns = trace.dur_ns[row]
    shortest = np.full(len(first), np.iinfo(np.int64).max)
    longest = np.zeros(len(first), np.int64)
    np.minimum.at(shortest, group, dur_ns)
    np.maximum.at(longest, group, dur_ns)
    return KernelSums(
        name[first],
        category[first],
        kind[first],
        alone[first],
        cell[first],
        np.bincount(group, minlength=len(first)),
        sum_by(group, dur_ns, len(first)),
        shortest,
        longest,
    )


def kind_calls(work: WorkStudy, cell: Int64s, cells: int) -> Counted:
    """Calls of ops with device work, by kind (the group) and cell."""
    named = work.named
    known = np.flatnonzero(named.kind >= 0)
    thing = named.call[known] * len(work.works) + named.kind[known]
    return count_once(thing, named.kind[known], cell[known], cells)


def launch_calls(work: WorkStudy, cell: Int64s, cells: int) -> Counted:
    """Launch calls with device work, by cell; all are of group 0."""
    launch = work.study.linked.work.launch
    known = np.flatnonzero(launch >= 0)
    return count_once(launch[known], np.zeros(len(known), np.int64), cell[known], cells)


def busy_sums(work: WorkStudy, cell: Int64s, cells: int) -> BusySums | None:
    """How long devices were at work; None where too much of several cells runs at once."""
    study = work.study
    trace, row, device = study.trace, study.linked.work.row, study.idle.devices.of_work
    order = np.lexsort((trace.start_ns[row], device))
    order = order[trace.dur_ns[row[order]] > 0]
    start, end = trace.start_ns[row[order]], trace.end_ns[row[order]]
    held, cell = device[order], cell[order]
    reach = _reach(held, end)
    opens = np.append(True, (start[1:] >= reach[:-1]) | (held[1:] != held[:-1]))[: len(start)]
    first = np.flatnonzero(opens)
    if not first.size:
        return BusySums(np.zeros(cells, np.int64), [])
    last = np.append(first[1:], len(start)) - 1
    mixed = np.minimum.reduceat(cell, first) != np.maximum.reduceat(cell, first)
    ns = sum_by(cell[first[~mixed]], (reach[last] - start[first])[~mixed], cells)
    pieces = int((last - first + 1)[mixed].sum())
    if pieces > _MOST_MIXED:
        return None
    over: dict[tuple[int, ...], int] = {}
    for a, b in zip(first[mixed].tolist(), (last[mixed] + 1).tolist(), strict=True):
        _sweep(start[a:b].tolist(), end[a:b].tolist(), cell[a:b].tolist(), over)
    for key in [key for key in over if len(key) == 1]:
        ns[key[0]] += over.pop(key)
    return BusySums(ns, list(over.items()))


def _is_alone(work: WorkStudy) -> Bools:
    """Whether a piece is the only work of its op's call."""
    call = work.named.call
    known = np.flatnonzero(call >= 0)
    _, which, pieces = np.unique(call[known], return_inverse=True, return_counts=True)
    alone = np.zeros(len(call), np.bool_)
    alone[known] = pieces[which] == 1
    return alone


def _reach(group: Int64s, end: Int64s) -> Int64s:
    """The latest end up to each piece, within its group; groups stand together."""
    reach = np.empty_like(end)
    bounds = np.flatnonzero(np.append(True, group[1:] != group[:-1])[: len(group)]).tolist()
    for a, b in pairwise([*bounds, len(group)]):
        reach[a:b] = np.maximum.accumulate(end[a:b])
    return reach


def _sweep(start: list[int], end: list[int], cell: list[int], over: dict[tuple[int, ...], int]) -> None:
    """Add how long each set of cells was at work together."""
    edges = sorted(
        [(t, 1, c) for t, c in zip(start, cell, strict=True)]
        + [(t, -1, c) for t, c in zip(end, cell, strict=True)]
    )
    active: dict[int, int] = {}
    before = edges[0][0]
    for instant, change, number in edges:
        if instant > before and active:
            key = tuple(sorted(active))
            over[key] = over.get(key, 0) + instant - before
        before = instant
        active[number] = active.get(number, 0) + change
        if not active[number]:
            del active[number]
