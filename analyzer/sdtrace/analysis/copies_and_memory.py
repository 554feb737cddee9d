"""Evidence about memory calls and copies between host and device in steady state."""

from __future__ import annotations

import numpy as np

from sdtrace.analysis.study import Study
from sdtrace.findings import CopyTraffic, MemoryCalls
from sdtrace.intervals import Int64s, contains, intersect, total
from sdtrace.phases.silence import loader_calls, spans_of
from sdtrace.phases.timeline import STEADY
from sdtrace.waiting.activity import is_free, memory_calls
from sdtrace.waiting.copies import PAGEABLE, TO_DEVICE, between_host_and_device, blocked_calls


def memory_evidence(study: Study) -> MemoryCalls | None:
    """Calls that get memory or give it back; None where there are none."""
    events = _in_steady(study, memory_calls(study.linked))
    if not events.size:
        return None
    host = study.linked.host
    frees = events[is_free(study.linked, events)]
    is_op = np.append(study.trace.in_categories({"cpu_op"})[host.row], False)
    direct = int(np.count_nonzero(~is_op[host.tree_parent[frees]]))
    return MemoryCalls(len(events), int(host.dur_ns[events].sum()), len(frees), direct)


def copy_evidence(study: Study) -> list[CopyTraffic]:
    """Steady copies to the device and back, those that take longer first."""
    trace, linked = study.trace, study.linked
    row, launch = linked.work.row, linked.work.launch
    moves = between_host_and_device(linked) & study.phases.work_mask(STEADY)
    to_device, pageable = (trace.names_matching(p)[trace.name[row]] for p in (TO_DEVICE, PAGEABLE))
    blocked = linked.host.row[blocked_calls(linked)]
    found = []
    for inward in (True, False):
        mine = moves & (to_device == inward)
        rows, nbytes = row[mine], trace.nbytes[row[mine]]
        calls = np.intersect1d(launch[mine], blocked)
        found.append(
            CopyTraffic(
                to_device=inward,
                ns=int(trace.dur_ns[rows].sum()),
                nbytes=int(nbytes.sum()) if np.all(nbytes >= 0) else None,
                calls=len(rows),
                pageable=int(pageable[mine].sum()),
                blocked_ns=int(trace.dur_ns[calls].sum()),
            )
        )
    return sorted((part for part in found if part.calls), key=lambda part: -part.ns)


def loading_ns(study: Study) -> int:
    """Steady host time in data loaders, in nanoseconds."""
    spans = spans_of(study.linked, loader_calls(study.linked))
    return total(intersect(spans, study.phases.timeline.of(STEADY)))


def _in_steady(study: Study, events: Int64s) -> Int64s:
    return events[contains(study.phases.timeline.of(STEADY), study.linked.host.start_ns[events])]
