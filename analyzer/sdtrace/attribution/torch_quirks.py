"""Device time as torch's own table counts it, double counting included.

torch 2.5 to 2.13 collects for every host event that is linked to nobody the kernels whose link equals
its id. Two kinds of id were never meant for that: overhead events inherit the id of the event they
interrupt, and a runtime call outside any op has a correlation that may equal some op's External id.
Both then show kernels of somebody else a second time.
"""

from __future__ import annotations

import heapq
from collections import defaultdict
from dataclasses import dataclass
from typing import Final

import numpy as np

from sdtrace.attribution.duplicate_nodes import innermost_of
from sdtrace.attribution.host import FILTERED, HostEvents, copies_correlation, named, sum_by
from sdtrace.attribution.nesting import Int32s, Int64s
from sdtrace.attribution.ranges import RANGES, range_bounds
from sdtrace.reader.categories import DEVICE
from sdtrace.trace import Trace
from sdtrace.trace.ids import Ids, find_ids
from sdtrace.trace.model import Bools

_MAX_ROUNDS: Final = 50


def own_kernel_ns(trace: Trace, host: HostEvents) -> Int64s | None:
    """Per host event the duration of the kernels torch files under it, in nanoseconds.

    A head shows the kernels of the innermost event folded into it, and only those. None where the file
    does not hold the links torch had, because `External id` only repeats the correlation.
    """
    device = trace.rows(DEVICE - RANGES)
    if copies_correlation(trace, device):
        return None
    ids = host.own_id.copy()
    unlinked = trace.external_id[host.row] <= 0
    overhead = np.flatnonzero(trace.in_categories({"overhead"})[host.row] & unlinked)
    ids[overhead] = _inherited_ids(trace, host, overhead)
    device = device[~named(trace, FILTERED)[device] & (trace.external_id[device] > 0)]
    links, sums = _linked_ns(trace, device)
    asked = np.flatnonzero(ids > 0)
    own = np.zeros(len(host), np.int64)
    process = trace.process_of(host.row[asked])
    found = find_ids(links, Ids(ids[asked], process, np.zeros(len(asked), np.int64)))
    own[asked] = np.append(sums, 0)[found]
    return np.where(host.is_duplicate, 0, own[innermost_of(host.tree_parent, host.is_duplicate)])


def _linked_ns(trace: Trace, device: Int64s) -> tuple[Ids, Int64s]:
    """All links of `device` (trace rows), each once in its process, and how long its work took."""
    process = np.maximum(trace.process_of(device), 0)
    links, number = np.unique(trace.external_id[device], return_inverse=True)
    codes, which = np.unique(number * max(1, len(trace.processes)) + process, return_inverse=True)
    place, owner = np.divmod(codes, max(1, len(trace.processes)))
    sums = sum_by(which, trace.dur_ns[device], len(codes))
    return Ids(links[place], owner.astype(np.int32), np.zeros(len(codes), np.int64)), sums


@dataclass(frozen=True)
class _Walked:
    """What torch builds its tree from, arrays of one length, in its order: by start, then as in the file."""

    start_ns: Int64s
    end_ns: Int64s
    thread: Int32s
    id: Int64s
    overhead: Int64s
    """Its place among the overhead events asked for, -1 for everything else."""


def _inherited_ids(trace: Trace, host: HostEvents, overhead: Int64s) -> Int64s:
    """The id of the event that each unlinked overhead event interrupts, 0 for none.

    As `build_tree` in torch/csrc/profiler/collection.cpp: events by start; before one is placed, those
    that ended are taken off the stack of their thread, with whatever lies on top of them.
    """
    found = np.zeros(len(overhead), np.int64)
    if not overhead.size:
        return found
    walked = _walked(trace, host, overhead)
    stacks: defaultdict[int, list[int]] = defaultdict(list)
    ids = walked.id.tolist()
    open_events: set[int] = set()
    running: list[tuple[int, int, int]] = []
    columns = (walked.start_ns, walked.end_ns, walked.thread, walked.overhead)
    for event, (begin, stop, thread, asked) in enumerate(zip(*(c.tolist() for c in columns), strict=True)):
        while running and running[0][0] < begin:
            _, ended, where = heapq.heappop(running)
            while ended in open_events:
                open_events.discard(stacks[where].pop())
        stack = stacks[thread]
        if asked >= 0 and stack:
            found[asked] = ids[event] = ids[stack[-1]]
        if stop > begin:
            stack.append(event)
            open_events.add(event)
            heapq.heappush(running, (stop, event, thread))
    return found


def _walked(trace: Trace, host: HostEvents, overhead: Int64s) -> _Walked:
    """The events that have no link to an op and decide which op an overhead event interrupts.

    torch charges an overhead event to the op that it interrupts, so these events matter for its totals. Some
    of them are no rows of any table. The device's ranges are among them: torch has them on the thread of
    overhead, among the ops that run there: an op whose kernels open a range has the range on top of it from
    then on. A Python function has no id to pass on.
    """
    free = np.flatnonzero(host.is_op | (trace.external_id[host.row] <= 0))
    more = _rows_of_no_table(trace, host)
    is_range = trace.in_categories(RANGES)[more]
    more_start, more_dur = trace.start_ns[more], trace.dur_ns[more]
    more_start[is_range], more_dur[is_range] = range_bounds(trace, more[is_range])
    more_id = np.where(trace.in_categories({"python_function"})[more], 0, trace.external_id[more])
    more_thread = np.where(is_range, host.thread[overhead[0]], trace.thread[more])
    asked = np.full(len(host), -1, np.int64)
    asked[overhead] = np.arange(len(overhead))

    row = np.append(host.row[free], more)
    start_ns = np.append(host.start_ns[free], more_start)
    end_ns = start_ns + np.append(host.dur_ns[free], more_dur)
    asked = np.append(asked[free], np.full(len(more), -1, np.int64))
    kept = np.flatnonzero(_below(start_ns, end_ns, start_ns[asked >= 0]))
    kept = kept[np.lexsort((row[kept], start_ns[kept]))]
    thread = np.append(host.thread[free], more_thread)[kept]
    own_id = np.append(host.own_id[free], more_id)[kept]
    return _Walked(start_ns[kept], end_ns[kept], thread, own_id, asked[kept])


def _rows_of_no_table(trace: Trace, host: HostEvents) -> Int64s:
    """Device ranges, and what host events leave out: Python functions, ops that torch does not list."""
    in_table = np.zeros(len(trace), np.bool_)
    in_table[host.row] = True
    rows = trace.rows({"cpu_op", "python_function"} | RANGES)
    return rows[~in_table[rows]]


def _below(start_ns: Int64s, end_ns: Int64s, overhead_ns: Int64s) -> Bools:
    """Events that may be on a stack when an overhead event starts, or when one of themselves does.

    Nothing else can be found there, or take away what is. All events, where it takes too long to tell.
    """
    starts = np.unique(overhead_ns)
    for _ in range(_MAX_ROUNDS):
        spans = np.searchsorted(starts, start_ns, "left") < np.searchsorted(starts, end_ns, "right")
        further = np.union1d(starts, start_ns[spans])
        if len(further) == len(starts):
            return spans
        starts = further
    return np.ones(len(start_ns), np.bool_)
