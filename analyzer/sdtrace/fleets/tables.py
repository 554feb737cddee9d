"""The tables of a store: a trace reduced to rows, each with the facts of its run."""

from __future__ import annotations

from dataclasses import replace
from statistics import median
from typing import Any, Final

import polars as pl

from sdtrace.analysis.options import Options
from sdtrace.analysis.part import Part
from sdtrace.analysis.study import Study
from sdtrace.analysis.trace_report import report_on
from sdtrace.fleets.facts import facts_of
from sdtrace.fleets.head import head_of, with_head
from sdtrace.fleets.items import Task
from sdtrace.fleets.rank_rows import rank_rows
from sdtrace.model import Finding, TraceReport
from sdtrace.phases.timeline import STEADY
from sdtrace.tables.frames import frame

TRACE: Final[dict[str, Any]] = {
    "source": pl.String,
    "size_bytes": pl.Int64,
    "events": pl.Int64,
    "is_whole": pl.Boolean,
    "is_sound": pl.Boolean,
    "steady_us": pl.Float64,
    "steady_source": pl.String,
    "profiled_steady_us": pl.Float64,
    "steady_iterations": pl.Int64,
    "steady_gpu_us": pl.Float64,
    "steady_launches": pl.Float64,
    "once_us": pl.Float64,
    "compile_us": pl.Float64,
    "autotune_us": pl.Float64,
    "capture_us": pl.Float64,
    "warmup_us": pl.Float64,
    "wall_us": pl.Float64,
    "gpu_busy_us": pl.Float64,
    "peak_memory_bytes": pl.Int64,
    "first_finding": pl.String,
    "verdict": pl.String,
    "version": pl.String,
}
"""What a row of `traces` has beside the facts."""
_OF_STEADY: Final = ("ops", "kernels", "categories", "components")
"""Tables of the steady iterations together, or of the whole trace where there are none."""
_SAVING: Final = {"from_us": pl.Float64, "to_us": pl.Float64, "low_us": pl.Float64, "high_us": pl.Float64}
TABLES: Final = ("traces", *_OF_STEADY, "iterations", "findings")
"""The tables of a store; rows of the others belong to the row of `traces` with their `trace_id`."""


def facts_and_tables(
    study: Study, options: Options, task: Task, digest: str, version: str
) -> tuple[dict[str, str], dict[str, pl.DataFrame]]:
    """The facts of a trace, and its rows in each table of `TABLES`; of a job's ranks in `RANKS` too."""
    if study.steady:
        options = replace(options, part=Part(STEADY))
    report = report_on(study, options)
    facts = facts_of(study, report, task.item.source, task.facts, task.from_path)
    head = head_of(study, digest, facts)
    part = {"part": STEADY if study.steady else "", "iterations": len(study.steady)}
    found = {
        "traces": with_head(head, pl.DataFrame([_trace(study, report, task, version)], schema=TRACE)),
        **{name: with_head(head | part, frame(name, getattr(report, name))) for name in _OF_STEADY},
        "iterations": with_head(head, frame("iterations", report.iterations)),
        "findings": with_head(head, _findings(report.findings)),
        **rank_rows(study, options.rules, task.item.source, head),
    }
    return facts, found


def _trace(study: Study, report: TraceReport, task: Task, version: str) -> dict[str, Any]:
    steady, once = report.steady, report.overhead
    recorded = report.unprofiled_wall_us
    memory = report.run.get("peak_memory_bytes")
    return {
        "source": task.item.source,
        "size_bytes": task.item.size,
        "events": report.events.total,
        "is_whole": not report.events.salvaged,
        "is_sound": report.lost is None or report.lost.is_sound,
        "steady_us": recorded if recorded is not None else steady.median_us if steady else None,
        "steady_source": "recorded" if recorded is not None else "profiled" if steady else None,
        "profiled_steady_us": steady.median_us if steady else None,
        "steady_iterations": len(study.steady),
        "steady_gpu_us": steady.gpu_median_us if steady else None,
        "steady_launches": steady.launches_median if steady else None,
        "once_us": once.paid_us,
        **{name: getattr(once, name) for name in ("compile_us", "autotune_us", "capture_us", "warmup_us")},
        "wall_us": report.wall_us,
        "gpu_busy_us": median(rows) if (rows := [row.gpu_busy_us for row in _steady(report)]) else None,
        "peak_memory_bytes": memory if isinstance(memory, int) else None,
        "first_finding": report.verdict.first if report.verdict else "",
        "verdict": report.verdict.text if report.verdict else "",
        "version": version,
    }


def _steady(report: TraceReport) -> list[Any]:
    return [row for row in report.iterations if row.phase == STEADY and row.is_whole]


def _findings(findings: list[Finding]) -> pl.DataFrame:
    savings = [
        {name: getattr(row.saving, name) if row.saving else None for name in _SAVING} for row in findings
    ]
    return frame("findings", findings).hstack(pl.DataFrame(savings, schema=_SAVING))
