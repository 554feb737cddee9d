"""What a study says in words: gathers the evidence and asks for findings."""

from __future__ import annotations

import re
from collections import Counter
from typing import Final

import numpy as np

from sdtrace.analysis.blocks import few_blocks
from sdtrace.analysis.compile_facts import graph_breaks, graph_replays, late_overhead
from sdtrace.analysis.component_facts import encoded, fusable
from sdtrace.analysis.copies_and_memory import copy_evidence, loading_ns, memory_evidence, offload
from sdtrace.analysis.device_facts import (
    collectives,
    conversions,
    graph_replayed_ns,
    in_compiled_code,
    major,
    memory_peak,
    ranges,
    slower_clock,
)
from sdtrace.analysis.dominant_work import dominant, slow_cpu_ops
from sdtrace.analysis.speed_of_light import WorkStudy
from sdtrace.analysis.study import Study
from sdtrace.analysis.sync_facts import waits
from sdtrace.analysis.tuned_kernels import tuned
from sdtrace.attribution.earlier_work import earlier_work
from sdtrace.attribution.losses import recorded_launches
from sdtrace.attribution.unwatched import unwatched
from sdtrace.breakdowns.kernels import category_rows, kernel_rows
from sdtrace.findings import (
    Culprit,
    Evidence,
    Finding,
    Searches,
    Waiting,
    find_all,
)
from sdtrace.intervals import intersect, total, union
from sdtrace.phases.compile_stages import without_twins
from sdtrace.phases.phases import wall
from sdtrace.phases.timeline import AUTOTUNE, COMPILE, STEADY
from sdtrace.reader.categories import HOST
from sdtrace.structure.component_names import DENOISERS
from sdtrace.trace.encodable import encodable
from sdtrace.waiting.devices import find_turns
from sdtrace.waiting.idle import Idle
from sdtrace.waiting.queue import SHORT_NS
from sdtrace.whatif.image import Unprofiled

_SDPA: Final = re.compile(r"^aten::_?scaled_dot_product")
_ALONE: Final = re.compile(r"^enumerate\(DataLoader\)#_SingleProcessDataLoaderIter\b")
_CULPRITS: Final = 3


def draw_conclusions(work: WorkStudy, unprofiled: Unprofiled | None, unlike: str = "") -> list[Finding]:
    """All findings about a trace, whose iteration takes `unprofiled` without the profiler.

    `unlike` says why an iteration cannot be replayed, where that is so.
    """
    return find_all(_evidence(work, unprofiled, unlike))


def _evidence(work: WorkStudy, unprofiled: Unprofiled | None, unlike: str) -> Evidence:
    study = work.study
    trace, linked, phases = study.trace, study.linked, study.phases
    start, end = wall(trace)
    dur_ns = trace.dur_ns[linked.work.row]
    steady = phases.work_mask(STEADY)
    kernels = trace.in_categories({"kernel"})[linked.work.row] & steady
    steady_idle = study.steady_idle
    idle = steady_idle.causes()
    model = trace.run.get("model")
    return Evidence(
        wall_ns=end - start,
        phases=study.phase_rows,
        n_steady=len(study.steady),
        steady_wall_ns=study.steady_wall_ns,
        steady_work_ns=study.phase_rows[STEADY].gpu_ns,
        iteration_work_ns=round(study.mean_gpu_ns),
        steady_kernels=kernel_rows(linked, study.categorized, steady),
        steady_categories=category_rows(linked, study.categorized, steady),
        autotune_categories=category_rows(linked, study.categorized, phases.work_mask(AUTOTUNE)),
        autotune_calls=len(without_twins(trace, phases.spans.autotune)),
        compile_categories=category_rows(linked, study.categorized, phases.work_mask(COMPILE)),
        compile_stages=[Culprit(stage.stage, stage.exclusive_ns) for stage in study.compile_stages],
        paid_once=study.paid_once_ns,
        late_overhead=late_overhead(study),
        first_calls=_first_calls(study),
        first_calls_ns=int(phases.first_calls.excess_ns.sum()),
        steady_idle={cause.cause: cause.ns for cause in idle},
        device_gaps=sum(cause.gaps for cause in idle if cause.cause == "device_gap"),
        collectives=collectives(study),
        waits=waits(study) if any(cause.cause == "sync" for cause in idle) else [],
        launch_bound_culprits=_culprits(steady_idle, "launch_bound"),
        launch_bound_components=_waiting_components(study, steady_idle),
        graph_replayed_ns=graph_replayed_ns(study),
        kernels=int(kernels.sum()),
        small_kernels=int((dur_ns[kernels] < SHORT_NS).sum()),
        ranges=ranges(study),
        work_ns=int(dur_ns.sum()),
        unprofiled_wall_ns=study.run.unprofiled_wall_ns if unprofiled is None else unprofiled.mid_ns,
        is_estimated=unprofiled is not None and unprofiled.source == "estimated",
        variant=study.run.variant,
        model=model if isinstance(model, str) else None,
        on_cpu=not trace.speaks_of_device,
        has_counters="cuda_profiler_range" in trace.counts,
        has_host=bool(trace.in_categories(HOST).any()),
        path=encodable(str(trace.path)),
        steady_iterations=[row.index for row in study.steady],
        device_name=str(trace.device.get("name", "")),
        device_major=major(trace.device),
        autotune_by_pattern=phases.autotune_by_pattern,
        searches=_searches(study),
        skipped=trace.skipped,
        quarantined=trace.quarantined,
        quarantined_examples=trace.quarantined_examples,
        salvaged=trace.salvaged,
        culprits={cause.cause: _culprits(steady_idle, cause.cause) for cause in idle},
        memory_calls=memory_evidence(study),
        copies=copy_evidence(study),
        offload=offload(study),
        loading_ns=loading_ns(study),
        earlier_ns=total(earlier_work(linked).spans),
        loads_alone=bool(trace.names_matching(_ALONE).any()),
        losses=study.losses,
        unwatched=unwatched(linked),
        recorded_launches=recorded_launches(trace),
        empty_iterations=study.empty_iterations,
        dominant=dominant(work),
        work_by_shape=work.shape_rows(steady),
        breaks=graph_breaks(study),
        replays=graph_replays(study),
        conversions=conversions(study, work),
        few_blocks=few_blocks(study),
        tuned=tuned(study),
        fusable=fusable(study),
        fusable_beside=fusable(study, DENOISERS),
        encoded=encoded(study),
        slower=slower_clock(study, work),
        memory_peak=memory_peak(study),
        calls_sdpa=bool(trace.names_matching(_SDPA).any()),
        slow_cpu_ops=slow_cpu_ops(study),
        unlike=unlike,
        turns=find_turns(study.idle.devices),
        has_components=bool(study.structure.components.names),
        n_iterations=len(study.iterations),
        noun=study.noun,
    )


def _culprits(idle: Idle, cause: str) -> list[Culprit]:
    """Whom most of the idle time of a cause is blamed on."""
    return [Culprit(name, ns) for name, ns in idle.blamed_for(cause)[:_CULPRITS]]


def _waiting_components(study: Study, steady_idle: Idle) -> list[Waiting]:
    """Components by how long the queue was empty while the host ran them, longest first."""
    components, empty = study.structure.components, steady_idle.when("launch_bound")
    launched = components.of_work(study.structure.launches)
    dur_ns = np.where(study.phases.work_mask(STEADY), study.trace.dur_ns[study.linked.work.row], 0)
    is_compiled = in_compiled_code(study)
    waiting = [
        Waiting(
            name,
            total(intersect(empty, spans)),
            work := int(dur_ns[launched == code].sum()),
            2 * int(dur_ns[(launched == code) & is_compiled].sum()) > work,
        )
        for code, name in enumerate(components.names)
        for mine in (components.code == code,)
        for spans in (union(components.start_ns[mine], components.end_ns[mine]),)
    ]
    return sorted((part for part in waiting if part.idle_ns), key=lambda part: -part.idle_ns)


def _searches(study: Study) -> Searches | None:
    """Convolutions that tried algorithms, where there are any."""
    linked, calls = study.linked, study.phases.searches
    if not calls.size:
        return None
    mine = np.isin(linked.work.op, calls)
    return Searches(
        op=study.trace.names[linked.host.name[calls[0]]],
        calls=len(calls),
        wall_ns=int(linked.host.dur_ns[calls].sum()),
        launched=int(mine.sum()),
        gpu_ns=int(study.trace.dur_ns[linked.work.row[mine]].sum()),
    )


def _first_calls(study: Study) -> list[Culprit]:
    """Ops by what their first calls cost, most first."""
    calls = study.phases.first_calls
    sums: Counter[str] = Counter()
    names = study.linked.host.name[calls.event].tolist()
    for name, ns in zip(names, calls.excess_ns.tolist(), strict=True):
        sums[study.trace.names[name]] += ns
    return [Culprit(name, ns) for name, ns in sums.most_common(_CULPRITS)]
