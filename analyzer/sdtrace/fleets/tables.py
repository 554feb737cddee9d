"""The tables of a store: a trace reduced to rows, each with the facts of its run."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from statistics import median
from typing import Any, Final

import polars as pl

from sdtrace.analysis.options import Options
from sdtrace.analysis.part import Part
from sdtrace.analysis.study import Study
from sdtrace.analysis.trace_report import report_on
from sdtrace.fleets.facts import GIVEN, facts_of, start_ns
from sdtrace.fleets.items import Task
from sdtrace.model import Finding, TraceReport
from sdtrace.phases.timeline import STEADY
from sdtrace.tables.frames import frame

FACTS: Final[dict[str, Any]] = {
    "trace_id": pl.String,
    "trace": pl.String,
    "day": pl.String,
    "at": pl.Datetime("us", "UTC"),
    **dict.fromkeys(GIVEN, pl.String),
    "rank": pl.Int64,
}
"""The first columns of every table."""
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
_PART: Final = {"part": pl.String, "iterations": pl.Int64}
_SAVING: Final = {"from_us": pl.Float64, "to_us": pl.Float64, "low_us": pl.Float64, "high_us": pl.Float64}
TABLES: Final = ("traces", *_OF_STEADY, "iterations", "findings")
"""The tables of a store; rows of the others belong to the row of `traces` with their `trace_id`."""
_RANKED: Final = "distributedInfo"


def facts_and_tables(
    study: Study, options: Options, task: Task, digest: str, version: str
) -> tuple[dict[str, str], dict[str, pl.DataFrame]]:
    """The facts of a trace, and its rows in each table of `TABLES`."""
    if study.steady:
        options = replace(options, part=Part(STEADY))
    report = report_on(study, options)
    facts = facts_of(study, report, task.item.source, task.facts, task.from_path)
    head = _head(study, digest, facts)
    part = {"part": STEADY if study.steady else "", "iterations": len(study.steady)}
    found = {
        "traces": _with(head, pl.DataFrame([_trace(study, report, task, version)], schema=TRACE)),
        **{name: _with(head | part, frame(name, getattr(report, name))) for name in _OF_STEADY},
        "iterations": _with(head, frame("iterations", report.iterations)),
        "findings": _with(head, _findings(report.findings)),
    }
    return facts, found


def _head(study: Study, digest: str, facts: dict[str, str]) -> dict[str, Any]:
    began = start_ns(study)
    told = study.trace.top_level.get(_RANKED)
    rank = told.get("rank") if isinstance(told, dict) else None
    return {
        "trace_id": digest,
        "trace": study.trace.label,
        "day": facts["day"],
        "at": None if began is None else datetime.fromtimestamp(began / 1e9, UTC),
        **{name: facts[name] for name in GIVEN},
        "rank": rank if isinstance(rank, int) else None,
    }


def _with(head: dict[str, Any], rows: pl.DataFrame) -> pl.DataFrame:
    types = FACTS | _PART
    return rows.select(*(pl.lit(value, types[name]).alias(name) for name, value in head.items()), pl.all())


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
