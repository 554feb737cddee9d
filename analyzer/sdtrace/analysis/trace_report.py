"""A study of a trace, in the report's terms: microseconds, records, nothing left to compute."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from sdtrace import model
from sdtrace.analysis.conclusions import draw_conclusions
from sdtrace.analysis.options import Options
from sdtrace.analysis.study import Study, study
from sdtrace.attribution.flops import FLOP_OPS
from sdtrace.attribution.op_table import OpRow
from sdtrace.breakdowns.categories import fused_kind
from sdtrace.breakdowns.kernels import KernelRow, category_rows, kernel_rows
from sdtrace.findings.text import seconds
from sdtrace.phases.facts import block_facts, component_facts
from sdtrace.phases.intervals import total, union
from sdtrace.phases.phases import wall
from sdtrace.phases.queue import find_queue, queue_stats
from sdtrace.phases.timeline import PHASES, STEADY, WARMUP
from sdtrace.trace import load_trace

_OUTLIER = 1.25
_SOME_NS = 1_000_000


def analyze(path: Path, options: Options) -> model.TraceReport:
    """Read a trace and report on it. Raises UnreadableTrace when it cannot be read."""
    return report_on(study(load_trace(path, FLOP_OPS), options.rules), options)


def report_on(found: Study, options: Options) -> model.TraceReport:
    """Everything a report shows of one trace."""
    trace = found.trace
    start, end = wall(trace)
    unprofiled = found.run.unprofiled_wall_ns
    kernels = _kernels(found, options.phase)
    return model.TraceReport(
        path=str(trace.path),
        name=trace.label,
        variant=found.run.variant,
        run=trace.run,
        device=trace.device,
        events=_events(found),
        wall_us=_us(end - start),
        unprofiled_wall_us=None if unprofiled is None else _us(unprofiled),
        op_times=options.op_times.value,
        selected_phase=options.phase,
        gpu=_gpu(found, options.phase),
        idle=[
            model.IdleCause(cause=cause.cause, us=_us(cause.ns), gaps=cause.gaps)
            for cause in found.idle.causes(found.idle_mask(options.phase))
        ],
        phases=_phases(found),
        overhead=_overhead(found),
        steady=_steady(found),
        compile=_compile(found),
        iterations=_iterations(found),
        ops=[op_record(row) for row in found.op_rows(options.op_times, options.phase)],
        kernels=kernels,
        categories=_categories(found, options.phase),
        components=_components(found, options.phase),
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
            for finding in draw_conclusions(found)
        ],
        notes=_notes(found, kernels),
        queue=_queue(found, options.phase),
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


def _events(found: Study) -> model.Events:
    trace = found.trace
    return model.Events(
        total=sum(trace.counts.values()) + trace.skipped,
        by_category=dict(sorted(trace.counts.items(), key=lambda item: -item[1])),
        skipped=trace.skipped,
        quarantined=trace.quarantined,
        salvaged=trace.salvaged,
    )


def _gpu(found: Study, phase: str | None) -> model.Gpu:
    trace, work = found.trace, found.told.work
    mask, idle_mask = found.work_mask(phase), found.idle_mask(phase)
    row, launch = (work.row, work.launch) if mask is None else (work.row[mask], work.launch[mask])
    kinds = {
        kind: int(trace.dur_ns[row[trace.in_categories({kind})[row]]].sum())
        for kind in ("kernel", "gpu_memcpy", "gpu_memset")
    }
    lengths = found.idle.lengths if idle_mask is None else found.idle.lengths[idle_mask]
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


def _queue(found: Study, phase: str | None) -> model.Queue | None:
    stats = queue_stats(found.told, find_queue(found.told, found.pipeline.launches), found.work_mask(phase))
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


def _phases(found: Study) -> list[model.Phase]:
    trace, row = found.trace, found.told.work.row
    walls = found.phases.timeline.totals()
    rows = []
    for phase in PHASES:
        mine = row[found.phases.work_mask(phase)]
        if walls[phase] or mine.size:
            gpu = int(trace.dur_ns[mine].sum())
            rows.append(
                model.Phase(phase=phase, wall_us=_us(walls[phase]), gpu_us=_us(gpu), gpu_events=len(mine))
            )
    return rows


def _overhead(found: Study) -> model.Overhead:
    paid = found.paid_once_ns
    return model.Overhead(
        compile_us=_us(paid["compile"]),
        autotune_us=_us(paid["autotune"]),
        capture_us=_us(paid["capture"]),
        warmup_us=_us(paid[WARMUP]),
        total_us=_us(sum(paid.values())),
        before_profile_us=_us(found.before_profile_ns),
    )


def _steady(found: Study) -> model.Steady | None:
    steady = found.steady
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


def _compile(found: Study) -> list[model.CompileStage]:
    return [
        model.CompileStage(
            stage=stage.stage,
            exclusive_us=_us(stage.exclusive_ns),
            inclusive_us=_us(stage.inclusive_ns),
            count=stage.calls,
        )
        for stage in found.compile_stages
    ]


def _iterations(found: Study) -> list[model.Iteration]:
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
            note=_iteration_note(found, index),
        )
        for index, (facts, label) in enumerate(zip(found.iterations, found.labels, strict=True))
    ]


def _iteration_note(found: Study, index: int) -> str:
    """Why an iteration is slow: the overhead in it, or what differs from the median one."""
    facts = found.iterations[index]
    start = np.array([facts.start_ns])
    held = found.phases.timeline.totals(start, start + facts.wall_ns)
    parts = [f"{seconds(ns)} {phase}" for phase, ns in held.items() if ns > _SOME_NS and phase != STEADY]
    if parts:
        return ", ".join(parts)
    usual = found.steady_wall_ns
    if usual is None or facts.wall_ns < _OUTLIER * usual:
        return ""
    device = float(np.median([item.device_ns for item in found.steady]))
    launches = float(np.median([item.launches for item in found.steady]))
    if facts.device_ns > _OUTLIER * device:
        return f"{seconds(facts.device_ns - device)} more device work than usual"
    if facts.launches > _OUTLIER * launches:
        return f"{facts.launches - launches:.0f} more launches than usual"
    return "the host was slower; device work is as usual"


def _kernels(found: Study, phase: str | None) -> list[model.Kernel]:
    rows = kernel_rows(found.told, found.categorized, found.work_mask(phase))
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


def _categories(found: Study, phase: str | None) -> list[model.Category]:
    rows = category_rows(found.told, found.categorized, found.work_mask(phase))
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


def _components(found: Study, phase: str | None) -> list[model.Component]:
    told, pipeline = found.told, found.pipeline
    if not len(pipeline.components):
        return []
    rows = component_facts(told, pipeline.components, pipeline.launches, found.phases)
    if len(pipeline.blocks):
        rows += block_facts(told, pipeline.blocks, pipeline.launches, found.phases)
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


def _notes(found: Study, kernels: list[model.Kernel]) -> list[str]:
    notes = found.pipeline.notes
    fused = [row for row in kernels if row.category == "fused_triton"]
    templates_us = sum(row.total_us for row in fused if row.fused_kind == "template")
    if templates_us:
        notes.append(
            f"fused_triton holds {seconds(templates_us * 1000)} of Triton templates, "
            "which are matmuls and convolutions (certain)."
        )
    if found.phases.autotune_by_pattern:
        notes.append(
            "Autotune: told from the alternation of fills and one kernel, "
            "as the trace has no spans of it (likely)."
        )
    if not found.steady:
        notes.append("No iteration is free of overhead, so no steady time can be given (certain).")
    return notes
