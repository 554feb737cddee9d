"""A study of a trace, in the report's terms: microseconds, records, nothing left to compute."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import msgspec
import numpy as np

from sdtrace import model
from sdtrace.analysis.counsel import Counsel
from sdtrace.analysis.data_type import data_type
from sdtrace.analysis.microseconds import in_microseconds, us
from sdtrace.analysis.options import Options
from sdtrace.analysis.part import Selection
from sdtrace.analysis.priorities import in_order
from sdtrace.analysis.speed_of_light import WorkStudy, work_fields
from sdtrace.analysis.study import Study, study_trace
from sdtrace.analysis.verdict import verdict_of
from sdtrace.attribution.earlier_work import earlier_work
from sdtrace.attribution.op_table import OpRow
from sdtrace.breakdowns.categories import fused_kind
from sdtrace.breakdowns.components import Chosen, ComponentRow, block_rows, component_rows
from sdtrace.breakdowns.iterations import IterationRow
from sdtrace.breakdowns.kernels import KernelRow, category_rows, kernel_rows
from sdtrace.findings import Finding
from sdtrace.findings.text import time
from sdtrace.intervals import total
from sdtrace.phases.phases import wall
from sdtrace.phases.timeline import PHASES, STEADY, WARMUP
from sdtrace.roofline.by_shape import KernelWork
from sdtrace.trace import load_trace
from sdtrace.trace.encodable import encodable
from sdtrace.waiting.devices import ALL_DEVICES, busy_ns, device_rows
from sdtrace.waiting.idle import Idle
from sdtrace.waiting.queue import find_queue, queue_stats

_OUTLIER = 1.25
_SOME_NS = 1_000_000
_ITERATIONS = "Iterations are the "
"""How a note begins that says what iterations are."""


def analyze(path: Path, options: Options) -> model.TraceReport:
    """Read a trace and report on it. Raises UnreadableTrace when it cannot be read."""
    return report_on(study_trace(load_trace(path), options.rules), options)


class Known(NamedTuple):
    """Tables of a whole run that were computed for another purpose."""

    ops: list[OpRow]
    kernels: list[model.Kernel]
    categories: list[model.Category]
    ops_by_shape: list[model.OpByShape]


def known_of(part: Selection, work: WorkStudy, options: Options) -> Known:
    """The tables of a part of a run."""
    return Known(
        part.study.op_rows(options.op_times, part.part),
        _kernels(part, work),
        _categories(part),
        work.by_shape(part.work),
    )


def report_on(
    study: Study, options: Options, work: WorkStudy | None = None, known: Known | None = None
) -> model.TraceReport:
    """Everything a report shows of one trace; `work` and `known` (of the part) where they are there."""
    trace = study.trace
    start, end = wall(trace)
    unprofiled = study.run.unprofiled_wall_ns
    part = study.select(options.part)
    work = work or WorkStudy(study, options.peaks)
    known = known or known_of(part, work, options)
    counsel = Counsel(work)
    report = model.TraceReport(
        path=encodable(str(trace.path)),
        name=trace.label,
        variant=study.run.variant,
        run=trace.run,
        device=trace.device,
        events=_events(study),
        wall_us=us(end - start),
        unprofiled_wall_us=None if unprofiled is None else us(unprofiled),
        op_times=options.op_times.value,
        selected_phase=options.part.phase,
        selected_component=options.part.component,
        selected_iteration=options.part.iteration,
        selected_step=options.part.step,
        gpu=_gpu(part),
        idle=[in_microseconds(cause, model.IdleCause) for cause in _idle(part).causes()],
        phases=_phases(study),
        overhead=_overhead(study),
        steady=_steady(study),
        compile=_compile(study),
        iterations=_iterations(study),
        steps=[in_microseconds(row, model.Step) for row in study.steps],
        ops=[op_record(row) for row in known.ops],
        kernels=known.kernels,
        categories=known.categories,
        components=_components(part),
        findings=in_order([_finding(item) for item in counsel.findings]),
        notes=_notes(study, known.kernels),
        queue=_queue(part),
        devices=_devices(study),
        lost=_lost(study),
        structure=_structure(study),
        on_cpu=not trace.speaks_of_device,
        unprofiled=None if counsel.image is None else in_microseconds(counsel.image.wall, model.Unprofiled),
        ops_by_shape=known.ops_by_shape,
        speed_of_light=work.speed_of_light(),
    )
    steady = category_rows(study.linked, study.categorized, study.steady_work)
    causes = study.iteration_idle.causes()
    verdict = verdict_of(report, steady, causes, data_type(work), _steady_components(study))
    return msgspec.structs.replace(report, verdict=verdict)


def op_record(row: OpRow) -> model.Op:
    """A row of the op table as a record."""
    return in_microseconds(row, model.Op)


def _finding(item: Finding) -> model.Finding:
    saving = None if item.saving is None else in_microseconds(item.saving, model.Saving)
    return in_microseconds(item, model.Finding, saving=saving, evidence_rows=list(item.evidence_rows))


def _events(study: Study) -> model.Events:
    trace = study.trace
    return model.Events(
        total=sum(trace.counts.values()) + trace.skipped,
        by_category=dict(sorted(trace.counts.items(), key=lambda item: (-item[1], item[0]))),
        skipped=trace.skipped,
        quarantined=trace.quarantined,
        salvaged=trace.salvaged,
    )


def _idle(part: Selection) -> Idle:
    return part.study.idle if part.part.is_whole else part.study.idle.within(part.spans)


def _gpu(part: Selection) -> model.Gpu:
    study, mask = part.study, part.work
    trace, work = study.trace, study.linked.work
    row, launch = (work.row, work.launch) if mask is None else (work.row[mask], work.launch[mask])
    kinds = {
        kind: int(trace.dur_ns[row[trace.in_categories({kind})[row]]].sum())
        for kind in ("kernel", "gpu_memcpy", "gpu_memset")
    }
    launched = np.zeros(len(trace), np.bool_)
    launched[launch[launch >= 0]] = True
    return model.Gpu(
        busy_us=us(busy_ns(study.linked, study.idle.devices, mask)),
        idle_us=us(_idle(part).total_ns),
        kernel_us=us(kinds["kernel"]),
        memcpy_us=us(kinds["gpu_memcpy"]),
        memset_us=us(kinds["gpu_memset"]),
        launches=int(launched.sum()),
    )


def _devices(study: Study) -> list[model.Device]:
    rows = device_rows(study.linked, study.idle.devices, study.steady_spans)
    return [in_microseconds(row, model.Device) for row in rows]


def _lost(study: Study) -> model.Lost:
    earlier_us = us(total(earlier_work(study.linked).spans))
    return in_microseconds(
        study.losses, model.Lost, empty_iterations=study.empty_iterations, earlier_work_us=earlier_us
    )


def _structure(study: Study) -> model.Structure:
    found = study.structure.iterations
    return model.Structure(how=found.how, confidence=found.confidence, runner_up=found.runner_up)


def _queue(part: Selection) -> model.Queue | None:
    study = part.study
    queue = find_queue(study.linked, study.structure.launches, study.idle.devices)
    stats = queue_stats(study.linked, queue, part.work)
    return in_microseconds(stats, model.Queue) if stats.launches else None


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
        mean_us=us(float(np.mean(walls))) if study.is_uneven else None,
    )


def _compile(study: Study) -> list[model.CompileStage]:
    return [in_microseconds(stage, model.CompileStage) for stage in study.compile_stages]


def _iterations(study: Study) -> list[model.Iteration]:
    usual = _usual(study)
    rows = zip(study.iterations, study.labels, study.held_ns.tolist(), strict=True)
    return [
        in_microseconds(row, model.Iteration, phase=phase, note=_iteration_note(row, held_ns, usual))
        for row, phase, held_ns in rows
    ]


class _Usual(NamedTuple):
    """Medians of the steady iterations; times in nanoseconds."""

    wall_ns: int
    gpu_ns: float
    launches: float


def _usual(study: Study) -> _Usual | None:
    if not study.steady:
        return None
    wall_ns = round(float(np.median([facts.wall_ns for facts in study.steady])))
    return _Usual(wall_ns, study.usual_gpu_ns, study.usual_launches)


def _iteration_note(facts: IterationRow, held_ns: Sequence[int], usual: _Usual | None) -> str:
    """Why an iteration is slow: the overhead in it, or what differs from the median one."""
    held = zip(PHASES, held_ns, strict=True)
    parts = [f"{time(ns)} {phase}" for phase, ns in held if ns > _SOME_NS and phase != STEADY]
    if not facts.is_whole:
        parts.append("incomplete: the profile holds only a part of it")
    if parts:
        return ", ".join(parts)
    if usual is None or facts.wall_ns < _OUTLIER * usual.wall_ns:
        return ""
    if facts.gpu_ns > _OUTLIER * usual.gpu_ns:
        return f"{time(facts.gpu_ns - usual.gpu_ns)} more GPU work than usual"
    if facts.launches > _OUTLIER * usual.launches:
        return f"{facts.launches - usual.launches:.0f} more launches than usual"
    return "the CPU was slower; GPU work is as usual"


def _kernels(part: Selection, work: WorkStudy) -> list[model.Kernel]:
    rows = kernel_rows(part.study.linked, part.study.categorized, part.work)
    whole = sum(row.total_ns for row in rows)
    known = work.kernels(part.work)
    return [_kernel(row, whole, known.get(row.name)) for row in rows]


def _kernel(row: KernelRow, whole_ns: int, work: KernelWork | None) -> model.Kernel:
    fused = fused_kind(row.name)
    return in_microseconds(
        row,
        model.Kernel,
        mean_us=us(row.total_ns / row.calls),
        pct=_percent(row.total_ns, whole_ns),
        fused_kind=fused.kind if fused else None,
        fused_ops=", ".join(fused.ops) if fused else None,
        **({} if work is None else work_fields(work, row.total_ns)),
    )


def _categories(part: Selection) -> list[model.Category]:
    rows = category_rows(part.study.linked, part.study.categorized, part.work)
    whole = sum(row.gpu_ns for row in rows)
    return [in_microseconds(row, model.Category, pct=_percent(row.gpu_ns, whole)) for row in rows]


def _percent(part: int, whole: int) -> float:
    return 100 * part / whole if whole else 0.0


def _components(part: Selection) -> list[model.Component]:
    study = part.study
    linked, structure = study.linked, study.structure
    if not len(structure.components):
        return []
    chosen = None if part.part.is_whole else Chosen(part.work, part.spans)
    rows = component_rows(linked, structure.components, structure.launches, study.phases, chosen)
    if len(structure.blocks):
        rows += block_rows(linked, structure.blocks, structure.launches, study.phases, chosen)
    wanted = part.part
    return [
        in_microseconds(row, model.Component)
        for row in rows
        if wanted.phase in (None, row.phase) and wanted.component in (None, row.component)
    ]


def _steady_components(study: Study) -> list[ComponentRow]:
    """The components of steady iterations, without what lies between them; device time alone is limited."""
    structure = study.structure
    if not len(structure.components):
        return []
    chosen = Chosen(study.steady_work, study.phases.timeline.of(STEADY))
    return component_rows(study.linked, structure.components, structure.launches, study.phases, chosen)


def _notes(study: Study, kernels: list[model.Kernel]) -> list[str]:
    notes = [
        note.replace(_ITERATIONS, f"{study.noun.capitalize()}s are the ", 1) for note in study.structure.notes
    ]
    fused = [row for row in kernels if row.category == "fused_triton"]
    templates_us = sum(row.total_us for row in fused if row.fused_kind == "template")
    if templates_us:
        notes.append(
            f"fused_triton holds {time(templates_us * 1000)} of Triton templates, "
            "which are matmuls and convolutions (certain)."
        )
    if study.phases.autotune_by_pattern:
        notes.append(
            "Autotune was found by the alternation of fills and one kernel: the trace has no spans of it "
            "(likely)."
        )
    if study.idle.devices.labels == [ALL_DEVICES]:
        notes.append("The file names so many devices that they count as one here (certain).")
    if not study.steady:
        notes.append(f"Every {study.noun} has overhead, so no steady time is known (certain).")
    return notes
