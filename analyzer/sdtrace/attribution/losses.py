"""What a file lost or got wrong about the device: launches without work, clocks apart, impossible overlaps.

The limits are set so that none of 33 sound traces is flagged (A100, H100, H200, V100, MI250, MI300X; torch
1.10 to 2.13): there no work begins before its launch (3.9 us after it at the earliest), work of one stream
overlaps by 2 us at most, and all calls but some fills of nothing have work.
"""

from __future__ import annotations

import re
from dataclasses import replace
from typing import Final, NamedTuple

import numpy as np

from sdtrace.attribution.captures import is_captured
from sdtrace.attribution.linked_trace import LinkedTrace
from sdtrace.attribution.links import DeviceWork
from sdtrace.attribution.nesting import latest_end
from sdtrace.reader.categories import DEVICE, GRAPH_LAUNCH, HOST, LAUNCHES
from sdtrace.trace import Trace
from sdtrace.trace.ids import Ids, find_ids
from sdtrace.trace.model import Bools, Int64s

_LAUNCH: Final = re.compile(
    r"Launch\w*Kernel|Kernel\w*Launch|GraphLaunch|^(?:cuda|cu|hip)(?:Memcpy|LaunchCooperative)"
)
"""Calls that give the device something to do. Fills are left out: one of no bytes does nothing."""
_OTHER_KNOWN: Final = frozenset({"Trace", "cuda_profiler_range"})
_JITTER_NS: Final = 1_000
_OVERLAP_NS: Final = 10_000
"""Work that is allowed to start before the one ahead of it ends does so by a few microseconds."""
_WINDOWS: Final = 8
_SPREAD: Final = 0.1


class Losses(NamedTuple):
    """What is missing or impossible; all 0 in a sound trace.

    `launches_without_work`: calls that launch a kernel, a graph or a copy whose work is not in the file;
    calls of a CUDA-graph capture are not among them, as they only record.
    `work_before_launch`: pieces of device work that begin more than 1 us before their own launch call.
    `clock_shift_ns`: by how much the device's clock is behind at least, where that is one constant; else 0.
    `overlapping_work`: pieces that begin more than 10 us before earlier work of their stream ends; work of
    CUDA graphs, whose branches may share a stream, is not among them.
    `foreign_events`: events with a duration of a kind this analysis does not know.
    """

    launches_without_work: int
    work_before_launch: int
    clock_shift_ns: int
    overlapping_work: int
    foreign_events: int


def find_losses(linked: LinkedTrace) -> Losses:
    """Count what the file of `linked` lost."""
    trace, work = linked.trace, linked.work
    lead = _lead_ns(trace, work)
    known = HOST | DEVICE | _OTHER_KNOWN
    return Losses(
        launches_without_work=int(_without_work(trace, work).sum()),
        work_before_launch=int((lead > _JITTER_NS).sum()),
        clock_shift_ns=_constant_shift(trace, work, lead),
        overlapping_work=_overlapping(trace, work),
        foreign_events=int((~trace.in_categories(known)).sum()),
    )


def with_device_later(trace: Trace, shift_ns: int) -> Trace:
    """`trace` with all device events `shift_ns` later, as `Losses.clock_shift_ns` asks for.

    Times are since the first event again.
    """
    start_ns = trace.start_ns + np.where(trace.in_categories(DEVICE), shift_ns, 0)
    first = int(start_ns.min(where=trace.in_categories(HOST | DEVICE), initial=shift_ns))
    first, _ = trace.lasting(first, first)
    memory = trace.memory._replace(time_ns=trace.memory.time_ns - first)
    return replace(trace, start_ns=start_ns - first, memory=memory, origin_ns=trace.origin_ns + first)


def _lead_ns(trace: Trace, work: DeviceWork) -> Int64s:
    """How long before its launch call each piece of work begins, negative where after; of known launches."""
    known = work.launch >= 0
    return trace.start_ns[work.launch[known]] - trace.start_ns[work.row[known]]


def _without_work(trace: Trace, work: DeviceWork) -> Bools:
    """Which of the calls that launch something, captured ones aside, have no work in the file."""
    rows = trace.rows(LAUNCHES)
    rows = rows[trace.names_matching(_LAUNCH)[trace.name[rows]] & (trace.correlation[rows] > 0)]
    rows = rows[~is_captured(trace, rows)]
    done = np.flatnonzero(work.process >= 0)
    held = Ids(trace.correlation[work.row[done]], work.process[done], trace.start_ns[work.row[done]])
    wanted = Ids(trace.correlation[rows], trace.process_of(rows), trace.start_ns[rows])
    return find_ids(held, wanted) < 0


def _constant_shift(trace: Trace, work: DeviceWork, lead: Int64s) -> int:
    """The least shift after which no work begins before its launch, if one and the same is needed throughout.

    That is so when most work begins before its launch, and each eighth of the launches of each device needs
    as much, but for a tenth of it.
    """
    if 2 * np.count_nonzero(lead > _JITTER_NS) <= len(lead):
        return 0
    known = work.launch >= 0
    order = np.lexsort((trace.start_ns[work.launch[known]], work.device[known]))
    of_devices = np.split(lead[order], np.flatnonzero(np.diff(work.device[known][order])) + 1)
    parts = [part for own in of_devices for part in np.array_split(own, min(_WINDOWS, len(own)))]
    needed = [int(part.max()) for part in parts]
    return max(needed) if max(needed) - min(needed) <= _SPREAD * max(needed) else 0


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
