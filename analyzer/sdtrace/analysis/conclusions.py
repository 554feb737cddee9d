"""What a study says in words: gathers the evidence and asks for findings."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping
from typing import Final

import numpy as np

from sdtrace.analysis.study import Study
from sdtrace.attribution.host import row_name, wildcard_names
from sdtrace.attribution.ranges import RANGES, range_bounds
from sdtrace.breakdowns.kernels import category_rows, kernel_rows
from sdtrace.findings import (
    Collectives,
    Culprit,
    Evidence,
    Finding,
    Late,
    PhaseNumbers,
    Range,
    Searches,
    Waiting,
    find_all,
)
from sdtrace.phases.compile_stages import without_twins
from sdtrace.phases.intervals import Bools, intersect, subtract, total, union
from sdtrace.phases.phases import wall
from sdtrace.phases.queue import SHORT_NS
from sdtrace.phases.timeline import AUTOTUNE, COMPILE, PHASES, STEADY

_CULPRITS: Final = 3
_GRAPH_LAUNCH: Final = re.compile(r"^(?:cuda|cu|hip)GraphLaunch")


def draw_conclusions(found: Study) -> list[Finding]:
    """All findings about a trace."""
    return find_all(_evidence(found))


def _evidence(found: Study) -> Evidence:
    trace, told, phases = found.trace, found.told, found.phases
    start, end = wall(trace)
    walls = phases.timeline.totals()
    dur_ns = trace.dur_ns[told.work.row]
    numbers = {
        phase: PhaseNumbers(walls[phase], int(dur_ns[mask].sum()), int(mask.sum()))
        for phase in PHASES
        for mask in (phases.work_mask(phase),)
    }
    steady = phases.work_mask(STEADY)
    kernels = trace.in_categories({"kernel"})[told.work.row] & steady
    idle_mask = found.idle_mask(STEADY)
    idle = found.idle.causes(idle_mask)
    return Evidence(
        wall_ns=end - start,
        phases=numbers,
        n_steady=len(found.steady),
        steady_wall_ns=found.steady_wall_ns,
        steady_work_ns=numbers[STEADY].gpu_ns,
        steady_kernels=kernel_rows(told, found.categorized, steady),
        steady_categories=category_rows(told, found.categorized, steady),
        autotune_categories=category_rows(told, found.categorized, phases.work_mask(AUTOTUNE)),
        autotune_calls=len(without_twins(trace, phases.spans.autotune)),
        compile_categories=category_rows(told, found.categorized, phases.work_mask(COMPILE)),
        compile_stages=[Culprit(stage.stage, stage.exclusive_ns) for stage in found.compile_stages],
        paid_once=found.paid_once_ns,
        late_overhead=_late_overhead(found),
        first_calls=_first_calls(found),
        first_calls_ns=int(phases.first_calls.excess_ns.sum()),
        steady_idle={cause.cause: cause.ns for cause in idle},
        device_gaps=sum(cause.gaps for cause in idle if cause.cause == "device_gap"),
        collectives=_collectives(found),
        sync_culprits=[Culprit(name, ns) for name, ns in found.idle.sync_ops(idle_mask)[:_CULPRITS]],
        launch_bound_culprits=[
            Culprit(name, ns) for name, ns in found.idle.launch_bound_ops(idle_mask)[:_CULPRITS]
        ],
        launch_bound_components=_waiting_components(found, idle_mask),
        graph_replayed_ns=_graph_replayed_ns(found),
        kernels=int(kernels.sum()),
        small_kernels=int((dur_ns[kernels] < SHORT_NS).sum()),
        ranges=_ranges(found),
        work_ns=int(dur_ns.sum()),
        unprofiled_wall_ns=found.run.unprofiled_wall_ns,
        variant=found.run.variant,
        device_name=str(trace.device.get("name", "")),
        device_major=_major(trace.device),
        autotune_by_pattern=phases.autotune_by_pattern,
        searches=_searches(found),
        skipped=trace.skipped,
        quarantined=trace.quarantined,
        quarantined_examples=trace.quarantined_examples,
        salvaged=trace.salvaged,
    )


def _waiting_components(found: Study, steady: Bools | None) -> list[Waiting]:
    """Components by how long the queue was empty while the host ran them, longest first."""
    components, idle = found.pipeline.components, found.idle
    empty = idle.launch_bound(steady)
    launched = components.of_work(found.pipeline.launches)
    dur_ns = np.where(found.phases.work_mask(STEADY), found.trace.dur_ns[found.told.work.row], 0)
    waiting = [
        Waiting(name, total(intersect(empty, spans)), int(dur_ns[launched == code].sum()))
        for code, name in enumerate(components.names)
        for mine in (components.code == code,)
        for spans in (union(components.start_ns[mine], components.end_ns[mine]),)
    ]
    return sorted((part for part in waiting if part.idle_ns), key=lambda part: -part.idle_ns)


def _collectives(found: Study) -> Collectives | None:
    """Steady communication, and what of it nothing hides."""
    trace, row = found.trace, found.told.work.row
    steady = found.phases.work_mask(STEADY)
    talks = np.array([name == "collective" for name in found.categorized.categories], np.bool_)
    is_talk = talks[found.categorized.code] & steady
    if not is_talk.any():
        return None
    mine, others = row[is_talk], row[steady & ~is_talk]
    covered = union(trace.start_ns[mine], trace.end_ns[mine])
    exposed = subtract(covered, union(trace.start_ns[others], trace.end_ns[others]))
    return Collectives(int(trace.dur_ns[mine].sum()), total(covered), total(exposed))


def _searches(found: Study) -> Searches | None:
    """Convolutions that tried algorithms, where there are any."""
    told, calls = found.told, found.phases.searches
    if not calls.size:
        return None
    mine = np.isin(told.work.op, calls)
    return Searches(
        op=found.trace.names[told.host.name[calls[0]]],
        calls=len(calls),
        wall_ns=int(told.host.dur_ns[calls].sum()),
        launched=int(mine.sum()),
        gpu_ns=int(found.trace.dur_ns[told.work.row[mine]].sum()),
    )


def _graph_replayed_ns(found: Study) -> int:
    """Steady device work that replays of CUDA graphs launched."""
    trace, work = found.trace, found.told.work
    replays = np.array([_GRAPH_LAUNCH.search(name) is not None for name in trace.names], np.bool_)
    mine = found.phases.work_mask(STEADY) & (work.launch >= 0)
    mine[mine] = replays[trace.name[work.launch[mine]]]
    return int(trace.dur_ns[work.row[mine]].sum())


def _major(device: Mapping[str, object]) -> int | None:
    """Compute capability before the point, of an NVIDIA device."""
    name, major = str(device.get("name", "")), device.get("computeMajor")
    return major if isinstance(major, int) and name.startswith(("NVIDIA", "Tesla", "GeForce")) else None


def _late_overhead(found: Study) -> list[Late]:
    """Iterations with overhead after the first steady one."""
    first = next((index for index, label in enumerate(found.labels) if label == STEADY), None)
    if first is None:
        return []
    late = []
    for index, (label, facts) in enumerate(zip(found.labels, found.iterations, strict=True)):
        if index > first and label != STEADY:
            start = np.array([facts.start_ns])
            held = found.phases.timeline.totals(start, start + facts.wall_ns)
            late.append(Late(index, label, held[label]))
    return late


def _first_calls(found: Study) -> list[Culprit]:
    """Ops by what their first calls cost, most first."""
    calls = found.phases.first_calls
    sums: Counter[str] = Counter()
    names = found.told.host.name[calls.event].tolist()
    for name, ns in zip(names, calls.excess_ns.tolist(), strict=True):
        sums[found.trace.names[name]] += ns
    return [Culprit(name, ns) for name, ns in sums.most_common(_CULPRITS)]


def _ranges(found: Study) -> list[Range]:
    """Device rows of annotations, summed by name as torch's table has them."""
    trace = found.trace
    rows = trace.rows(RANGES)
    _, dur_ns = range_bounds(trace, rows)
    names, which = np.unique(wildcard_names(trace)[rows], return_inverse=True)
    sums = np.bincount(which, weights=dur_ns, minlength=len(names))
    return [
        Range(row_name(trace.names, name), int(ns))
        for name, ns in zip(names.tolist(), sums.tolist(), strict=True)
    ]
