"""Whether the clocks of CPU and GPU agree: no work begins before its launch, or outlasts a wait for it.

In 47 sound traces (A100, H100, H200, V100, MI250, MI300X) work begins 3.9 us after its launch at the
earliest, and ends 2.5 us before the end of the call that waited for it at the latest.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Final, NamedTuple

import numpy as np

from sdtrace.attribution.links import DeviceWork
from sdtrace.attribution.nesting import latest_end
from sdtrace.reader.categories import LAUNCHES
from sdtrace.trace import Trace
from sdtrace.trace.model import Int64s

_JITTER_NS: Final = 1_000
_WINDOWS: Final = 8
_SPREAD: Final = 0.1
_FEWEST_WAITS: Final = 2
"""With fewer nobody knows whether the clock's error is constant."""
_WAITS_FOR_ALL: Final = re.compile(r"^(?:cuda|hip)DeviceSynchronize|^cuCtxSynchronize")
"""Calls that return when all work of the device is done."""
_WAITS_FOR_STREAM: Final = re.compile(r"^(?:cuda|hip|cu)StreamSynchronize")
"""Calls that return when all work of a stream is done; which one the file does not tell."""


class Clocks(NamedTuple):
    """How the clock of the device differs from that of the CPU; all 0 where nothing shows that it does.

    `before_launch`: pieces of work that begin more than 1 us before their own launch call.
    `after_wait`: pieces that end more than 1 us after the end of a call that waited for them.
    `error_ns`: the most that work is too early or too late.
    `shift_ns`: what to add to times of the device where it is off by a constant, else 0.
    """

    before_launch: int
    after_wait: int
    error_ns: int
    shift_ns: int


def compare_clocks(trace: Trace, work: DeviceWork) -> Clocks:
    """Find the work at times that cannot be."""
    known = np.flatnonzero(work.launch >= 0)
    early = trace.start_ns[work.launch[known]] - trace.start_ns[work.row[known]]
    waited, late = _lateness(trace, work)
    n_early, n_late = (int((by > _JITTER_NS).sum()) for by in (early, late))
    error = max(0, *(int(by.max(initial=0)) for by in (early, late))) if n_early + n_late else 0
    shift = 0
    if not n_late:
        order = np.lexsort((trace.start_ns[work.launch[known]], work.device[known]))
        shift = _forward(early[order], work.device[known[order]].astype(np.int64))
    elif not n_early:
        shift = -_back(late, waited, int(early.max(initial=-error)))
    return Clocks(n_early, n_late, error, shift)


def _lateness(trace: Trace, work: DeviceWork) -> tuple[Int64s, Int64s]:
    """Calls that waited for work launched before them, and by how much that work ends after the call.

    One entry for each piece of work that was waited for, the calls as trace rows.
    """
    known = np.flatnonzero((work.launch >= 0) & (work.process >= 0))
    calls = _waits(trace, work, known)
    every = np.concatenate((work.launch[known], calls))
    process = trace.process_of(every)
    is_call = np.arange(len(every)) >= len(known)
    order = np.lexsort((is_call, trace.start_ns[every], process))
    place = np.where(is_call[order], np.arange(len(order)), len(order))
    following = np.minimum.accumulate(place[::-1])[::-1]
    next_call = np.full(len(every), len(order))
    next_call[order] = following
    found = next_call[: len(known)]
    inside = np.flatnonzero(found < len(order))
    waited = order[found[inside]]
    inside, waited = (part[process[inside] == process[waited]] for part in (inside, waited))
    over = _earliest_end(trace, calls)[waited - len(known)]
    return calls[waited - len(known)], trace.end_ns[work.row[known[inside]]] - over


def _waits(trace: Trace, work: DeviceWork, known: Int64s) -> Int64s:
    """Trace rows of calls that wait for all work of their process, by process, then in order.

    Of processes on several devices, or streams, the file does not tell which of them a call waits for.
    """
    n = len(trace.processes)
    process, thread = work.process[known], trace.thread[work.row[known]].astype(np.int64)
    devices = np.bincount(np.unique(work.device[known].astype(np.int64) * n + process) % n, minlength=n)
    streams = np.bincount(np.unique(thread * n + process) % n, minlength=n)
    rows = trace.rows(LAUNCHES)
    for_all, for_stream = (
        trace.names_matching(names)[trace.name[rows]] for names in (_WAITS_FOR_ALL, _WAITS_FOR_STREAM)
    )
    rows_of = trace.process_of(rows)
    own = np.maximum(rows_of, 0)
    is_sure = (for_all & (devices[own] == 1)) | (for_stream & (streams[own] == 1))
    rows = rows[is_sure & (rows_of >= 0)]
    in_order: Int64s = rows[np.lexsort((trace.start_ns[rows], trace.process_of(rows)))]
    return in_order


def _earliest_end(trace: Trace, calls: Int64s) -> Int64s:
    """When the first of each call and those after it is over: one of another thread may begin later."""
    process = trace.process_of(calls)[::-1]
    group = process.max(initial=0) - process
    earliest: Int64s = -1 * latest_end(group, -trace.end_ns[calls][::-1])[::-1]
    return earliest


def _forward(early: Int64s, device: Int64s) -> int:
    """The least shift after which no work begins before its launch, if one and the same is needed throughout.

    That is so when most work begins before its launch, and each eighth of the launches of each device needs
    as much, but for a tenth of it. Work stands by device, then in order of launches.
    """
    if 2 * np.count_nonzero(early > _JITTER_NS) <= len(early):
        return 0
    return _constant(np.split(early, np.flatnonzero(np.diff(device)) + 1))


def _back(late: Int64s, call: Int64s, most_early: int) -> int:
    """The same for work that ends after the wait for it; not so much that it would begin before its launch.

    `most_early` is negative: by how much each piece of work at least follows its launch.
    """
    waits = np.unique(call)
    if len(waits) < _FEWEST_WAITS:
        return 0
    latest = np.full(len(waits), late.min(initial=0))
    np.maximum.at(latest, np.searchsorted(waits, call), late)
    if 2 * np.count_nonzero(latest > _JITTER_NS) <= len(latest):
        return 0
    shift = _constant([latest])
    return shift if shift <= _JITTER_NS - most_early else 0


def _constant(of_devices: Sequence[Int64s]) -> int:
    """The most of all, if it is nearly as much in each eighth of each of them; else 0."""
    parts = [part for own in of_devices for part in np.array_split(own, min(_WINDOWS, len(own)))]
    needed = [int(part.max()) for part in parts]
    return max(needed) if max(needed) - min(needed) <= _SPREAD * max(needed) else 0
