"""What a file lost or got wrong about the device: launches without work, clocks apart, impossible overlaps.

The limits are set so that none of 33 sound traces is flagged (A100, H100, H200, V100, MI250, MI300X; torch
1.10 to 2.13): there work of one stream overlaps by 2 us at most, and all calls but some fills of nothing
have work.
"""

from __future__ import annotations

import re
from dataclasses import replace
from typing import Final, NamedTuple

import numpy as np

from sdtrace.attribution.captures import is_captured
from sdtrace.attribution.device_clock import compare_clocks
from sdtrace.attribution.linked_trace import LinkedTrace
from sdtrace.attribution.links import DeviceWork
from sdtrace.attribution.nesting import latest_end
from sdtrace.reader.categories import DEVICE, GRAPH_LAUNCH, HOST, LAUNCHES
from sdtrace.trace import Trace
from sdtrace.trace.model import Bools, Int64s

_LAUNCH: Final = re.compile(
    r"Launch\w*Kernel|Kernel\w*Launch|GraphLaunch|^(?:cuda|cu|hip)(?:Memcpy|LaunchCooperative)"
)
"""Calls that give the device something to do. Fills are left out: one of no bytes does nothing."""
_OTHER_KNOWN: Final = frozenset({"Trace", "cuda_profiler_range"})
_SMALL: Final = 0.001
"""Of an iteration."""
_OVERLAP_NS: Final = 10_000
"""Work that is allowed to start before the one ahead of it ends does so by a few microseconds."""


class Losses(NamedTuple):
    """What is missing or impossible; all 0 in a sound trace.

    `launches_without_work`: calls that launch a kernel, a graph or a copy whose work is not in the file;
    calls of a CUDA-graph capture are not among them, as they only record.
    `work_before_launch`, `work_after_wait`, `clock_error_ns` and `clock_shift_ns`: as in `Clocks`.
    `overlapping_work`: pieces that begin more than 10 us before earlier work of their stream ends; work of
    CUDA graphs, whose branches may share a stream, is not among them.
    `foreign_events`: events with a duration of a kind this analysis does not know.
    `work_without_launch`: pieces of device work whose launch is not in the file, but for those that were
    launched before the profile began.
    """

    launches_without_work: int
    work_before_launch: int
    clock_shift_ns: int
    overlapping_work: int
    foreign_events: int
    work_without_launch: int = 0
    work_after_wait: int = 0
    clock_error_ns: int = 0

    def is_small(self, wall_ns: int | None) -> bool:
        """Whether work lies at wrong times by so little that it says nothing of an iteration of `wall_ns`."""
        return 0 < self.clock_error_ns <= _SMALL * (wall_ns or 0)


def find_losses(linked: LinkedTrace) -> Losses:
    """Count what the file of `linked` lost."""
    trace, work = linked.trace, linked.work
    clocks = compare_clocks(trace, work)
    known = HOST | DEVICE | _OTHER_KNOWN
    return Losses(
        launches_without_work=int(_without_work(trace, work).sum()),
        work_before_launch=clocks.before_launch,
        clock_shift_ns=clocks.shift_ns,
        overlapping_work=_overlapping(trace, work),
        foreign_events=int((~trace.in_categories(known)).sum()),
        work_without_launch=_without_launch(trace, work),
        work_after_wait=clocks.after_wait,
        clock_error_ns=clocks.error_ns,
    )


def recorded_launches(trace: Trace) -> int:
    """How many calls that launch something are of a CUDA-graph capture: they record and run nothing."""
    rows = trace.rows(LAUNCHES)
    return int(is_captured(trace, rows[trace.names_matching(_LAUNCH)[trace.name[rows]]]).sum())


def with_device_later(trace: Trace, shift_ns: int) -> Trace:
    """`trace` with all device events `shift_ns` later, earlier where negative: see `Losses.clock_shift_ns`.

    Times are since the first event again.
    """
    start_ns = trace.start_ns + np.where(trace.in_categories(DEVICE), shift_ns, 0)
    first = int(start_ns[trace.in_categories(HOST | DEVICE)].min())
    first, _ = trace.lasting(first, first)
    memory = trace.memory._replace(time_ns=trace.memory.time_ns - first)
    return replace(trace, start_ns=start_ns - first, memory=memory, origin_ns=trace.origin_ns + first)


def _without_work(trace: Trace, work: DeviceWork) -> Bools:
    """Which of the calls that launch something, captured ones aside, have no work in the file."""
    rows = trace.rows(LAUNCHES)
    rows = rows[trace.names_matching(_LAUNCH)[trace.name[rows]] & (trace.correlation[rows] > 0)]
    rows = rows[~is_captured(trace, rows)]
    return ~_has_work(trace, work, rows)


def _has_work(trace: Trace, work: DeviceWork, rows: Int64s) -> Bools:
    """Whether calls have work. One within the other, a driver's in the runtime's, share an id and work.

    Ids may be used again by later calls, which have work of their own.
    """
    linked = np.zeros(len(trace), np.bool_)
    linked[work.launch[work.launch >= 0]] = True
    asked = linked.copy()
    asked[rows] = True
    call = np.flatnonzero(asked)
    call = call[np.isin(trace.correlation[call], trace.correlation[rows[~linked[rows]]])]
    order = np.lexsort((trace.start_ns[call], trace.correlation[call], trace.process_of(call)))
    call = call[order]
    is_other = (np.diff(trace.process_of(call)) != 0) | (np.diff(trace.correlation[call]) != 0)
    same = np.cumsum(np.append(False, is_other)[: call.size])
    is_other |= trace.start_ns[call][1:] >= latest_end(same, trace.end_ns[call])[:-1]
    group = np.cumsum(np.append(False, is_other)[: call.size])
    has_work = np.bincount(group, weights=linked[call]) > 0
    linked[call] = has_work[group]
    return linked[rows]


def _without_launch(trace: Trace, work: DeviceWork) -> int:
    """Pieces of work without a launch, behind the first of their stream that has one if any work has."""
    unknown = work.launch < 0
    if unknown.all():
        return len(work.row)
    first = np.full(len(trace.threads), np.iinfo(np.int64).max)
    np.minimum.at(first, trace.thread[work.row[~unknown]], trace.start_ns[work.row[~unknown]])
    return int((trace.start_ns[work.row[unknown]] > first[trace.thread[work.row[unknown]]]).sum())


def _overlapping(trace: Trace, work: DeviceWork) -> int:
    """Pieces of work, graphs aside, that begin while an earlier one of their stream still runs."""
    is_graph = trace.names_matching(GRAPH_LAUNCH)[trace.name[work.launch]] & (work.launch >= 0)
    row = work.row[~is_graph]
    if not row.size:
        return 0
    stream = trace.thread[row]
    row = row[np.lexsort((trace.end_ns[row], trace.start_ns[row], stream))]
    start, end, stream = trace.start_ns[row], trace.end_ns[row], trace.thread[row]
    overlap = latest_end(stream, end)[:-1] - start[1:]
    return int(((overlap > _OVERLAP_NS) & (np.diff(stream) == 0)).sum())
