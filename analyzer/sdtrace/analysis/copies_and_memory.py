"""Evidence about memory calls and copies between host and device in steady state."""

from __future__ import annotations

from typing import Final, Literal

import numpy as np

from sdtrace.analysis.study import Study
from sdtrace.findings import CopyTraffic, MemoryCalls, Offload
from sdtrace.intervals import Int64s, contains, intersect, total
from sdtrace.phases.silence import loader_calls, spans_of
from sdtrace.phases.timeline import STEADY
from sdtrace.waiting.activity import is_free, memory_calls
from sdtrace.waiting.copies import PAGEABLE, TO_DEVICE, between_host_and_device, blocked_calls

_WEIGHTS: Final = 50_000_000
"""Bytes that come to the device in an iteration, from which they are weights."""
_PART: Final = 1_000_000
"""Bytes of a layer at least; inputs are smaller."""
_MODELS: Final = 12
"""A pipeline has no more models than that."""


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


def offload(study: Study) -> Offload | None:
    """How weights come to the device in steady state; None where no copies of many megabytes do."""
    trace, linked = study.trace, study.linked
    row, steady = linked.work.row, study.phases.work_mask(STEADY)
    inward = steady & trace.names_matching(TO_DEVICE)[trace.name[row]] & between_host_and_device(linked)
    if trace.nbytes[row[inward]].sum() < _WEIGHTS * max(1, len(study.steady)):
        return None
    outward = steady & between_host_and_device(linked) & ~inward
    order = np.flatnonzero(inward | steady & trace.in_categories({"kernel"})[row])
    order = order[np.argsort(trace.start_ns[row[order]], kind="stable")]
    moves = inward[order]
    begins = np.flatnonzero(moves & ~np.append(False, moves[:-1]))
    nbytes = np.add.reduceat(np.where(moves, trace.nbytes[row[order]], 0), begins)
    each = np.count_nonzero(nbytes >= _PART) / max(1, len(study.steady))
    came, went = int(trace.nbytes[row[inward]].sum()), int(trace.nbytes[row[outward]].sum())
    what: Literal["models", "layers", ""] = ""
    if each <= _MODELS and 2 * went >= came:
        what = "models"
    elif each > _MODELS or (each > 1 and 10 * went < came):
        what = "layers"
    size = trace.device.get("totalGlobalMem")
    return Offload(
        what, round(each), round(came / max(1, len(study.steady))), size if isinstance(size, int) else 0
    )


def loading_ns(study: Study) -> int:
    """Steady host time in data loaders, in nanoseconds."""
    spans = spans_of(study.linked, loader_calls(study.linked))
    return total(intersect(spans, study.phases.timeline.of(STEADY)))


def _in_steady(study: Study, events: Int64s) -> Int64s:
    return events[contains(study.phases.timeline.of(STEADY), study.linked.host.start_ns[events])]
