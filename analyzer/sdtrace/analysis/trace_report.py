"""A study of a trace, in the report's terms: microseconds, records, nothing left to compute."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from sdtrace import model
from sdtrace.analysis.conclusions import draw_conclusions
from sdtrace.analysis.microseconds import in_microseconds, us
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
from sdtrace.phases.timeline import STEADY, WARMUP
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
        wall_us=us(end - start),
        unprofiled_wall_us=None if unprofiled is None else us(unprofiled),
        op_times=options.op_times.value,
        selected_phase=options.phase,
        gpu=_gpu(study, options.phase),
        idle=[
            in_microseconds(cause, model.IdleCause)
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
        findings=[in_microseconds(item, model.Finding) for item in draw_conclusions(study)],
        notes=_notes(study, kernels),
        queue=_queue(study, options.phase),
    )


def op_record(row: OpRow) -> model.Op:
    """A row of the op table as a record."""
    return in_microseconds(row, model.Op)


def _events(study: Study) -> model.Events:
    trace = study.trace
    return model.Events(
        total=sum(trace.counts.values()) + trace.skipped,
        by_category=dict(sorted(trace.counts.items(), key=lambda item: (-item[1], item[0]))),
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
        busy_us=us(total(union(trace.start_ns[row], trace.end_ns[row]))),
        idle_us=us(int(lengths.sum())),
        kernel_us=us(kinds["kernel"]),
        memcpy_us=us(kinds["gpu_memcpy"]),
        memset_us=us(kinds["gpu_memset"]),
        launches=int(launched.sum()),
    )


def _queue(study: Study, phase: str | None) -> model.Queue | None:
    stats = queue_stats(
        study.linked, find_queue(study.linked, study.structure.launches), study.work_mask(phase)
    )
    if not stats.launches:
        return None
    return in_microseconds(stats, model.Queue)


def _phases(study: Study) -> list[model.Phase]:
    rows = study.phase_rows.values()
    return [in_microseconds(row, model.Phase) for row in rows if row.wall_ns or row.gpu_events]


def _overhead(study: Study) -> model.Overhead:
    paid = study.paid_once_ns
    return model.Overhead(
        compile_us=us(paid["compile"]),
        autotune_us=us(paid["autotune"]),
        capture_us=us(paid["capture"]),
        warmup_us=us(paid[WARMUP]),
        total_us=us(sum(paid.values())),
        before_profile_us=us(study.before_profile_ns),
    )


def _steady(study: Study) -> model.Steady | None:
    steady = study.steady
    if not steady:
        return None
    walls = [facts.wall_ns for facts in steady]
    return model.Steady(
        iterations=len(steady),
        median_us=us(float(np.median(walls))),
        min_us=us(min(walls)),
        max_us=us(max(walls)),
        gpu_median_us=us(study.usual_gpu_ns),
        launches_median=study.usual_launches,
    )


def _compile(study: Study) -> list[model.CompileStage]:
    return [in_microseconds(stage, model.CompileStage) for stage in study.compile_stages]


def _iterations(study: Study) -> list[model.Iteration]:
    rows = zip(study.iterations, study.labels, strict=True)
    return [
        in_microseconds(row, model.Iteration, phase=phase, note=_iteration_note(study, row.index))
        for row, phase in rows
    ]


def _iteration_note(study: Study, index: int) -> str:
    """Why an iteration is slow: the overhead in it, or what differs from the median one."""
    facts = study.iterations[index]
    held = {phase: int(ns[index]) for phase, ns in study.held_ns.items()}
    parts = [f"{seconds(ns)} {phase}" for phase, ns in held.items() if ns > _SOME_NS and phase != STEADY]
    if not facts.is_whole:
        parts.append("incomplete: the profile holds only a part of it")
    if parts:
        return ", ".join(parts)
    usual = study.steady_wall_ns
    if usual is None or facts.wall_ns < _OUTLIER * usual:
        return ""
    if facts.gpu_ns > _OUTLIER * study.usual_gpu_ns:
        return f"{seconds(facts.gpu_ns - study.usual_gpu_ns)} more device work than usual"
    if facts.launches > _OUTLIER * study.usual_launches:
        return f"{facts.launches - study.usual_launches:.0f} more launches than usual"
    return "the host was slower; device work is as usual"


def _kernels(study: Study, phase: str | None) -> list[model.Kernel]:
    rows = kernel_rows(study.linked, study.categorized, study.work_mask(phase))
    whole = sum(row.total_ns for row in rows)
    return [_kernel(row, whole) for row in rows]


def _kernel(row: KernelRow, whole_ns: int) -> model.Kernel:
    fused = fused_kind(row.name)
    return in_microseconds(
        row,
        model.Kernel,
        mean_us=us(row.total_ns / row.calls),
        pct=_percent(row.total_ns, whole_ns),
        fused_kind=fused.kind if fused else None,
        fused_ops=", ".join(fused.ops) if fused else None,
    )


def _categories(study: Study, phase: str | None) -> list[model.Category]:
    rows = category_rows(study.linked, study.categorized, study.work_mask(phase))
    whole = sum(row.gpu_ns for row in rows)
    return [in_microseconds(row, model.Category, pct=_percent(row.gpu_ns, whole)) for row in rows]


def _percent(part: int, whole: int) -> float:
    return 100 * part / whole if whole else 0.0


def _components(study: Study, phase: str | None) -> list[model.Component]:
    linked, structure = study.linked, study.structure
    if not len(structure.components):
        return []
    rows = component_rows(linked, structure.components, structure.launches, study.phases)
    if len(structure.blocks):
        rows += block_rows(linked, structure.blocks, structure.launches, study.phases)
    return [in_microseconds(row, model.Component) for row in rows if phase is None or row.phase == phase]


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
