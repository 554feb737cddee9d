"""Device time as torch's own table counts it, double counting included.

torch 2.5 to 2.13 collects for every host event that is linked to nobody the kernels whose link equals
its id. Two kinds of id were never meant for that: overhead events inherit the id of the event they
interrupt, and a runtime call outside any op has a correlation that may equal some op's External id.
Both then show kernels of somebody else a second time.
"""

from __future__ import annotations

import heapq
from collections import defaultdict
from typing import Final

import numpy as np

from sdtrace.attribution.folding import innermost_of
from sdtrace.attribution.host import FILTERED, HostEvents, last_with_id, named, sum_by
from sdtrace.attribution.nesting import Int64s
from sdtrace.reader.categories import DEVICE
from sdtrace.trace import Trace
from sdtrace.trace.model import Bools

_MAX_ROUNDS: Final = 50


def own_kernel_ns(trace: Trace, host: HostEvents) -> Int64s:
    """Per host event the duration of the kernels torch files under it, in nanoseconds.

    A head shows the kernels of the innermost event folded into it, and only those.
    """
    ids = host.own_id.copy()
    unlinked = trace.external_id[host.row] <= 0
    overhead = np.flatnonzero(trace.in_categories({"overhead"})[host.row] & unlinked)
    ids[overhead] = _inherited_ids(trace, host, overhead)
    device = trace.rows(DEVICE - {"gpu_user_annotation"})
    device = device[~named(trace, FILTERED)[device] & (trace.external_id[device] > 0)]
    links, which = np.unique(trace.external_id[device], return_inverse=True)
    sums = sum_by(which, trace.dur_ns[device], len(links))
    found = last_with_id(links, ids)
    own = np.where((found >= 0) & (ids > 0), np.append(sums, 0)[found], 0)
    return np.where(host.is_folded, 0, own[innermost_of(host.tree_parent, host.is_folded)])


def _inherited_ids(trace: Trace, host: HostEvents, overhead: Int64s) -> Int64s:
    """The id of the event that each unlinked overhead event interrupts, 0 for none.

    As `build_tree` in torch/csrc/profiler/collection.cpp: events by start; before one is placed, those
    that ended are taken off the stack of their thread, with whatever lies on top of them.
    """
    end = host.start_ns + host.dur_ns
    linked = ~host.is_op & (trace.external_id[host.row] > 0)
    candidates = np.flatnonzero(~linked & _below(host.start_ns, end, overhead))
    in_file_order = candidates[np.argsort(host.row[candidates], kind="stable")]
    walked = in_file_order[np.argsort(host.start_ns[in_file_order], kind="stable")]
    ids = dict(zip(walked.tolist(), host.own_id[walked].tolist(), strict=True))
    is_overhead = set(overhead.tolist())
    stacks: defaultdict[int, list[int]] = defaultdict(list)
    open_events: set[int] = set()
    running: list[tuple[int, int, int, int]] = []
    columns = (walked, host.start_ns[walked], end[walked], host.thread[walked])
    for number, (event, begin, stop, thread) in enumerate(zip(*(c.tolist() for c in columns), strict=True)):
        while running and running[0][0] < begin:
            _, _, ended, where = heapq.heappop(running)
            while ended in open_events:
                open_events.discard(stacks[where].pop())
        stack = stacks[thread]
        if event in is_overhead and stack:
            ids[event] = ids[stack[-1]]
        if stop > begin:
            stack.append(event)
            open_events.add(event)
            heapq.heappush(running, (stop, number, event, thread))
    return np.array([ids[event] for event in overhead.tolist()], np.int64)


def _below(start_ns: Int64s, end_ns: Int64s, overhead: Int64s) -> Bools:
    """Events that may be on a stack when an overhead event starts, or when one of themselves does.

    Nothing else can be found there, or take away what is. All events, where it takes too long to tell.
    """
    starts = np.unique(start_ns[overhead])
    for _ in range(_MAX_ROUNDS):
        spans = np.searchsorted(starts, start_ns, "left") < np.searchsorted(starts, end_ns, "right")
        further = np.union1d(starts, start_ns[spans])
        if len(further) == len(starts):
            return spans
        starts = further
    return np.ones(len(start_ns), np.bool_)
