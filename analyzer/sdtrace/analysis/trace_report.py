"""A study of a trace, in the report's terms: microseconds, records, nothing left to compute."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from sdtrace import model
from sdtrace.analysis.conclusions import draw_conclusions
from sdtrace.analysis.options import Options
from sdtrace.analysis.study import Study, study_trace
from sdtrace.attribution.flops import FLOP_OPS
from sdtrace.attribution.op_table import OpRow
from sdtrace.breakdowns.categories import fused_kind
from sdtrace.breakdowns.components import block_rows, component_rows
from sdtrace.breakdowns.kernels import KernelRow, category_rows, kernel_rows
from sdtrace.findings.text import seconds
from sdtrace.intervals import total, union
from sdtrace.phases.phases import wall
from sdtrace.phases.timeline import PHASES, STEADY, WARMUP
from sdtrace.trace import load_trace
from sdtrace.waiting.queue import find_queue, queue_stats

_OUTLIER = 1.25
_SOME_NS = 1_000_000


def analyze(path: Path, options: Options) -> model.TraceReport:
    """Read a trace and report on it. Raises UnreadableTrace when it cannot be read."""
    return report_on(study_trace(load_trace(path, FLOP_OPS), options.rules), options)


def report_on(study: Study, options: Options) -> model.TraceReport:
    """Everything a report shows of one trace."""
    trace = study.trace
    start, end = wall(trace)
    unprofiled = study.run.unprofiled_wall_ns
    kernels = _kernels(study, options.phase)
    return model.TraceReport(
        path=str(trace.path),
        name=trace.label,
        variant=study.run.variant,
        run=trace.run,
        device=trace.device,
        events=_events(study),
        wall_us=_us(end - start),
        unprofiled_wall_us=None if unprofiled is None else _us(unprofiled),
        op_times=options.op_times.value,
        selected_phase=options.phase,
        gpu=_gpu(study, options.phase),
        idle=[
            model.IdleCause(cause=cause.cause, us=_us(cause.ns), gaps=cause.gaps)
            for cause in study.idle.causes(study.idle_mask(options.phase))
        ],
        phases=_phases(study),
        overhead=_overhead(study),
        steady=_steady(study),
        compile=_compile(study),
        iterations=_iterations(study),
        ops=[op_record(row) for row in study.op_rows(options.op_times, options.phase)],
        kernels=kernels,
        categories=_categories(study, options.phase),
        components=_components(study, options.phase),
        findings=[
            model.Finding(
                id=finding.id,
                severity=finding.severity,
                title=finding.title,
                evidence=finding.evidence,
                advice=finding.advice,
                saving_us=None if finding.saving_ns is None else _us(finding.saving_ns),
                confidence=finding.confidence,
            )
            for finding in draw_conclusions(study)
        ],
        notes=_notes(study, kernels),
        queue=_queue(study, options.phase),
    )


def op_record(row: OpRow) -> model.Op:
    """A row of the op table as a record."""
    return model.Op(
        name=row.name,
        device_type="device" if row.is_device else "cpu",
        is_user_annotation=row.is_user_annotation,
        calls=row.calls,
        self_cpu_us=_us(row.self_cpu_ns),
        cpu_total_us=_us(row.cpu_total_ns),
        self_device_us=_us(row.self_device_ns),
        device_total_us=_us(row.device_total_ns),
        flops=row.flops,
        cpu_memory_bytes=row.cpu_memory_bytes,
        self_cpu_memory_bytes=row.self_cpu_memory_bytes,
        device_memory_bytes=row.device_memory_bytes,
        self_device_memory_bytes=row.self_device_memory_bytes,
    )


def _us(ns: float) -> float:
    return ns / 1000


def _events(study: Study) -> model.Events:
    trace = study.trace
    return model.Events(
        total=sum(trace.counts.values()) + trace.skipped,
        by_category=dict(sorted(trace.counts.items(), key=lambda item: -item[1])),
        skipped=trace.skipped,
        quarantined=trace.quarantined,
        salvaged=trace.salvaged,
    )


def _gpu(study: Study, phase: str | None) -> model.Gpu:
    trace, work = study.trace, study.linked.work
    mask, idle_mask = study.work_mask(phase), study.idle_mask(phase)
    row, launch = (work.row, work.launch) if mask is None else (work.row[mask], work.launch[mask])
    kinds = {
        kind: int(trace.dur_ns[row[trace.in_categories({kind})[row]]].sum())
        for kind in ("kernel", "gpu_memcpy", "gpu_memset")
    }
    lengths = study.idle.lengths if idle_mask is None else study.idle.lengths[idle_mask]
    launched = np.zeros(len(trace), np.bool_)
    launched[launch[launch >= 0]] = True
    return model.Gpu(
        busy_us=_us(total(union(trace.start_ns[row], trace.end_ns[row]))),
        idle_us=_us(int(lengths.sum())),
        kernel_us=_us(kinds["kernel"]),
        memcpy_us=_us(kinds["gpu_memcpy"]),
        memset_us=_us(kinds["gpu_memset"]),
        launches=int(launched.sum()),
    )


def _queue(study: Study, phase: str | None) -> model.Queue | None:
    stats = queue_stats(
        study.linked, find_queue(study.linked, study.structure.launches), study.work_mask(phase)
    )
    if not stats.launches:
        return None
    return model.Queue(
        launches=stats.launches,
        found_empty=stats.found_empty,
        delay_median_us=_us(stats.delay_ns.median),
        delay_p99_us=_us(stats.delay_ns.p99),
        depth_median=stats.depth.median,
        depth_max=stats.depth.largest,
        kernels=stats.kernels,
        short_kernels=stats.short_kernels,
        short_us=_us(stats.short_ns),
    )


def _phases(study: Study) -> list[model.Phase]:
    trace, row = study.trace, study.linked.work.row
    walls = study.phases.timeline.totals()
    rows = []
    for phase in PHASES:
        mine = row[study.phases.work_mask(phase)]
        if walls[phase] or mine.size:
            gpu = int(trace.dur_ns[mine].sum())
            rows.append(
                model.Phase(phase=phase, wall_us=_us(walls[phase]), gpu_us=_us(gpu), gpu_events=len(mine))
            )
    return rows


def _overhead(study: Study) -> model.Overhead:
    paid = study.paid_once_ns
    return model.Overhead(
        compile_us=_us(paid["compile"]),
        autotune_us=_us(paid["autotune"]),
        capture_us=_us(paid["capture"]),
        warmup_us=_us(paid[WARMUP]),
        total_us=_us(sum(paid.values())),
        before_profile_us=_us(study.before_profile_ns),
    )


def _steady(study: Study) -> model.Steady | None:
    steady = study.steady
    if not steady:
        return None
    walls = [facts.wall_ns for facts in steady]
    return model.Steady(
        iterations=len(steady),
        median_us=_us(float(np.median(walls))),
        min_us=_us(min(walls)),
        max_us=_us(max(walls)),
        gpu_median_us=_us(float(np.median([facts.device_ns for facts in steady]))),
        launches_median=float(np.median([facts.launches for facts in steady])),
    )


def _compile(study: Study) -> list[model.CompileStage]:
    return [
        model.CompileStage(
            stage=stage.stage,
            exclusive_us=_us(stage.exclusive_ns),
            inclusive_us=_us(stage.inclusive_ns),
            count=stage.calls,
        )
        for stage in study.compile_stages
    ]


def _iterations(study: Study) -> list[model.Iteration]:
    return [
        model.Iteration(
            name=facts.name,
            index=index,
            start_us=_us(facts.start_ns),
            wall_us=_us(facts.wall_ns),
            gpu_us=_us(facts.device_ns),
            gpu_busy_us=_us(facts.device_busy_ns),
            gpu_events=facts.gpu_events,
            launches=facts.launches,
            phase=label,
            steps=facts.steps,
            note=_iteration_note(study, index),
        )
        for index, (facts, label) in enumerate(zip(study.iterations, study.labels, strict=True))
    ]


def _iteration_note(study: Study, index: int) -> str:
    """Why an iteration is slow: the overhead in it, or what differs from the median one."""
    facts = study.iterations[index]
    start = np.array([facts.start_ns])
    held = study.phases.timeline.totals(start, start + facts.wall_ns)
    parts = [f"{seconds(ns)} {phase}" for phase, ns in held.items() if ns > _SOME_NS and phase != STEADY]
    if parts:
        return ", ".join(parts)
    usual = study.steady_wall_ns
    if usual is None or facts.wall_ns < _OUTLIER * usual:
        return ""
    device = float(np.median([item.device_ns for item in study.steady]))
    launches = float(np.median([item.launches for item in study.steady]))
    if facts.device_ns > _OUTLIER * device:
        return f"{seconds(facts.device_ns - device)} more device work than usual"
    if facts.launches > _OUTLIER * launches:
        return f"{facts.launches - launches:.0f} more launches than usual"
    return "the host was slower; device work is as usual"


def _kernels(study: Study, phase: str | None) -> list[model.Kernel]:
    rows = kernel_rows(study.linked, study.categorized, study.work_mask(phase))
    whole = sum(row.total_ns for row in rows)
    return [_kernel(row, whole) for row in rows]


def _kernel(row: KernelRow, whole_ns: int) -> model.Kernel:
    fused = fused_kind(row.name)
    return model.Kernel(
        name=row.name,
        short_name=row.short_name,
        category=row.category,
        calls=row.calls,
        total_us=_us(row.total_ns),
        mean_us=_us(row.total_ns / row.calls),
        min_us=_us(row.min_ns),
        max_us=_us(row.max_ns),
        pct=100 * row.total_ns / whole_ns if whole_ns else 0.0,
        fused_kind=fused.kind if fused else None,
        fused_ops=", ".join(fused.ops) if fused else None,
    )


def _categories(study: Study, phase: str | None) -> list[model.Category]:
    rows = category_rows(study.linked, study.categorized, study.work_mask(phase))
    whole = sum(row.total_ns for row in rows)
    return [
        model.Category(
            category=row.category,
            gpu_us=_us(row.total_ns),
            pct=100 * row.total_ns / whole if whole else 0.0,
            calls=row.calls,
        )
        for row in rows
    ]


def _components(study: Study, phase: str | None) -> list[model.Component]:
    linked, structure = study.linked, study.structure
    if not len(structure.components):
        return []
    rows = component_rows(linked, structure.components, structure.launches, study.phases)
    if len(structure.blocks):
        rows += block_rows(linked, structure.blocks, structure.launches, study.phases)
    return [
        model.Component(
            component=row.component,
            phase=row.phase,
            gpu_us=_us(row.device_ns),
            wall_us=_us(row.wall_ns),
            calls=row.calls,
        )
        for row in rows
        if phase is None or row.phase == phase
    ]


def _notes(study: Study, kernels: list[model.Kernel]) -> list[str]:
    notes = study.structure.notes
    fused = [row for row in kernels if row.category == "fused_triton"]
    templates_us = sum(row.total_us for row in fused if row.fused_kind == "template")
    if templates_us:
        notes.append(
            f"fused_triton holds {seconds(templates_us * 1000)} of Triton templates, "
            "which are matmuls and convolutions (certain)."
        )
    if study.phases.autotune_by_pattern:
        notes.append(
            "Autotune: told from the alternation of fills and one kernel, "
            "as the trace has no spans of it (likely)."
        )
    if not study.steady:
        notes.append("No iteration is free of overhead, so no steady time can be given (certain).")
    return notes
