"""Evidence about what takes most of the steady work: component, category, op, and who calls it."""

from __future__ import annotations

import re
from collections import Counter
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from sdtrace.analysis.speed_of_light import WorkStudy
from sdtrace.analysis.study import Study
from sdtrace.attribution.host import sum_by
from sdtrace.findings import Culprit, Dominant, Part
from sdtrace.intervals import Int64s, Intervals, contains, intersect, subtract, total
from sdtrace.phases.silence import spans_of
from sdtrace.phases.timeline import STEADY
from sdtrace.roofline.waterfall import Window, roof_shares
from sdtrace.waiting.copies import between_host_and_device

_MODULE: Final = re.compile(r"^nn\.Module: (\w+?)(?:_\d+)?$")
_STEP: Final = re.compile(r"^ProfilerStep")
_LEVELS: Final = 3
_SAMPLE: Final = 1_000
"""So many calls show well enough who calls most."""
_SLOW: Final = re.compile(
    r"^aten::(?:_?slow_conv\w*|thnn_conv2d\w*|_convolution_double_backward|native_\w+_fallback)$"
)
"""Implementations for what no fast library takes: another type, layout or device."""


class _Shares(NamedTuple):
    """Steady pieces of device work: which, how long, and the least time (NaN where unknown), in ns."""

    piece: Int64s
    ns: Int64s
    roof_ns: NDArray[np.float64]


def dominant(work: WorkStudy) -> Dominant | None:
    """The largest component, category and op of steady work; None where there is none."""
    study = work.study
    mask = study.phases.work_mask(STEADY)
    if not mask.any():
        return _on_cpu(study)
    piece = np.flatnonzero(mask)
    ns = study.trace.dur_ns[study.linked.work.row[piece]]
    roof_ns = roof_shares(Window(0, 0, piece, ns, 0), work.named, work.works)
    # The card's memory does not set the pace of copies from and to the host.
    roof_ns[between_host_and_device(study.linked)[piece]] = np.nan
    shares = _Shares(piece, ns, roof_ns)
    components = study.structure.components
    names = [kind.op for kind in work.named.kinds]
    ops = sorted(set(names))
    place = {name: number for number, name in enumerate(ops)}
    numbers = np.append([place[name] for name in names], -1).astype(np.int64)[work.named.kind]
    op = _largest(shares, numbers, ops)
    # Work in graphs may be of no known op: then the largest known one says little.
    if op is not None and op.ns < int(ns[numbers[piece] < 0].sum()):
        op = None
    launched = [] if op is None else study.linked.work.op[piece[numbers[piece] == place[op.name]]]
    return Dominant(
        whole_ns=int(ns.sum()),
        on_device=True,
        component=_largest(shares, components.of_work(study.structure.launches), components.names),
        category=_largest(shares, study.categorized.code, study.categorized.categories),
        op=op,
        callers=_callers(study, np.asarray(launched, np.int64)),
    )


def _largest(shares: _Shares, code: Int64s, names: list[str]) -> Part | None:
    """The name with most device time; `code` has one number per piece of all work, -1 for none."""
    mine, is_known = code[shares.piece], np.isfinite(shares.roof_ns)
    total = sum_by(mine, shares.ns, len(names))
    if not total.any():
        return None
    most = int(total.argmax())
    known = is_known & (mine == most)
    return Part(
        names[most], int(total[most]), int(shares.ns[known].sum()), round(float(shares.roof_ns[known].sum()))
    )


def _on_cpu(study: Study) -> Dominant | None:
    """The same by CPU time, for a trace without device work."""
    events, self_ns = _steady_ops(study)
    if not self_ns.any():
        return None
    host, names, components = study.linked.host, study.trace.names, study.structure.components
    by_op = sum_by(host.name[events].astype(np.int64), self_ns, len(names))
    most = int(by_op.argmax())
    code = components.at(host.start_ns[events], host.thread[events])
    by_component = sum_by(code, self_ns, max(1, len(components.names)))
    largest = int(by_component.argmax())
    return Dominant(
        whole_ns=int(self_ns.sum()),
        on_device=False,
        component=Part(components.names[largest], int(by_component[largest])) if by_component.any() else None,
        category=None,
        op=Part(names[most], int(by_op[most])),
        callers=_callers(study, events[host.name[events] == most]),
        quiet_ns=total(_quiet(study)),
        quiet_in=_quiet_in(study),
    )


def _quiet(study: Study) -> Intervals:
    """When, in steady iterations, no op ran on any thread."""
    host = study.linked.host
    ops = np.flatnonzero(study.trace.in_categories({"cpu_op"})[host.row])
    return subtract(study.steady_spans, spans_of(study.linked, ops))


def _quiet_in(study: Study) -> Part | None:
    """The annotation with most time of its own, and how much of the quiet time it takes; None without any."""
    host, names = study.linked.host, study.trace.names
    said = study.trace.in_categories({"user_annotation"})[host.row]
    events = np.flatnonzero(said & ~study.trace.names_matching(_STEP)[host.name])
    events = events[contains(study.steady_spans, host.start_ns[events])]
    if not events.size:
        return None
    own = sum_by(host.name[events].astype(np.int64), host.self_ns[events], len(names))
    most = int(own.argmax())
    spans = spans_of(study.linked, events[host.name[events] == most])
    return Part(names[most], total(intersect(spans, _quiet(study))))


def _steady_ops(study: Study) -> tuple[Int64s, Int64s]:
    """Ops (host events) that begin in steady time, and the CPU time of each alone."""
    host, trace = study.linked.host, study.trace
    is_op = trace.in_categories({"cpu_op"})[host.row]
    events = np.flatnonzero(is_op & contains(study.phases.timeline.of(STEADY), host.start_ns))
    return events, host.self_ns[events]


def _callers(study: Study, events: Int64s) -> list[str]:
    """Classes of the modules around most of these host events, from the inside out; none without modules."""
    host, names = study.linked.host, study.trace.names
    found = [_MODULE.match(name) for name in names]
    classes = {number: match[1] for number, match in enumerate(found) if match is not None}
    if not classes:
        return []
    chains: Counter[tuple[str, ...]] = Counter()
    known = events[events >= 0]
    for event in known[:: 1 + len(known) // _SAMPLE].tolist():
        chains[_chain(host.tree_parent, host.name, classes, event)] += 1
    return list(chains.most_common(1)[0][0]) if chains else []


def _chain(parent: Int64s, name: NDArray[np.int32], classes: dict[int, str], event: int) -> tuple[str, ...]:
    chain: list[str] = []
    while event >= 0 and len(chain) < _LEVELS:
        found = classes.get(int(name[event]))
        if found is not None and found not in chain:
            chain.append(found)
        event = int(parent[event])
    return tuple(chain)


def slow_cpu_ops(study: Study) -> list[Culprit]:
    """Ops whose implementation on the CPU is a slow one, longest steady CPU time first."""
    events, self_ns = _steady_ops(study)
    host, names = study.linked.host, study.trace.names
    is_slow = study.trace.names_matching(_SLOW)[host.name[events]]
    sums = sum_by(host.name[events[is_slow]].astype(np.int64), self_ns[is_slow], len(names))
    return [Culprit(names[number], int(sums[number])) for number in np.argsort(-sums)[:3] if sums[number]]
