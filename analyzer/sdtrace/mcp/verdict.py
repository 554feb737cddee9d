"""The first answer about a trace: what ran, how long it takes, where the time goes, what to do first."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

import msgspec

from sdtrace import units
from sdtrace.api import Analysis
from sdtrace.mcp.text import saving
from sdtrace.model import Finding, TraceReport
from sdtrace.phases.timeline import STEADY
from sdtrace.report.names import shorten
from sdtrace.report.summary import caveats, headline, steady_details
from sdtrace.safe_text import one_line
from sdtrace.tables.labels import CAUSES

_DOMINANT: Final = "steady.dominant"
_CAUSES: Final = 3
_FIRST: Final = 3
_NAME: Final = 60


def verdict(one: Analysis) -> str:
    """What ran, a steady iteration, the one-time cost, what dominates, and the first things to do."""
    report = one.report
    lines = [f"{one_line(report.name)} ({one_line(str(one.study.trace.path))})"]
    lines += [f"Caution: {remark}" for remark in caveats(report)]
    lines += [f"What ran: {ran}" for ran in [_what_ran(report)] if ran]
    lines += _verdict_text(report)
    lines += [_sentence("; ".join(steady_details(report)))] if report.steady else []
    lines += _unprofiled(report)
    lines += _structure(report)
    lines += [f"Dominates: {found.evidence}" for found in report.findings if found.id == _DOMINANT]
    lines += _idle(one)
    return "\n".join([*lines, *_to_do(report)])


def _verdict_text(report: TraceReport) -> list[str]:
    record = getattr(report, "verdict", None)
    return (
        [headline(report)] if record is None else [f"{record.text} ({record.confidence})", headline(report)]
    )


def _what_ran(report: TraceReport) -> str:
    """Model, size, steps, type, device and torch, as far as the trace tells."""
    record = getattr(report, "verdict", None)
    told = _from_run(report) if record is None else msgspec.to_builtins(record.what)
    parts = [f"{name} {value}" for name, value in told.items() if value not in (None, "", {}, [])]
    return one_line(shorten(", ".join(parts), 300))


def _from_run(report: TraceReport) -> dict[str, Any]:
    run, axes, versions = report.run, report.run.get("axes"), report.run.get("versions")
    size = f"{run.get('width')}x{run.get('height')}" if run.get("width") else None
    device = report.device.get("name") or run.get("device_name")
    return {
        "variant": report.variant,
        "model": run.get("model"),
        "size": size,
        "steps": run.get("steps"),
        "batch": run.get("batch"),
        "dtype": axes.get("dtype") if isinstance(axes, dict) else None,
        "on": device or (None if report.has_device else "the CPU alone"),
        "torch": versions.get("torch") if isinstance(versions, dict) else None,
    }


def _unprofiled(report: TraceReport) -> list[str]:
    """The range of an iteration without the profiler, where the report has one that is no record."""
    found = getattr(report, "unprofiled", None)
    if found is None or (found.source == "recorded" and report.unprofiled_wall_us is not None):
        return []
    low, middle, high = map(units.duration, (found.low_us, found.mid_us, found.high_us))
    return [f"Without the profiler: {middle} ({low} to {high}, {found.source})."]


def _structure(report: TraceReport) -> list[str]:
    found = report.structure
    if found is None or found.confidence == "certain":
        return []
    return [one_line(f"How iterations were found: {found.how} ({found.confidence}) {found.runner_up}")]


def _idle(one: Analysis) -> list[str]:
    """What a steady GPU waits for, longest first."""
    if not one.report.has_device or one.report.steady is None:
        return []
    part = one.at(phase=STEADY).report
    whole = part.gpu.busy_us + part.gpu.idle_us
    longest = sorted(part.idle, key=lambda row: -row.us)[:_CAUSES]
    told = [f"{CAUSES.get(row.cause, row.cause)} {units.percent(row.us, whole)}" for row in longest if row.us]
    return [f"GPU idle in steady state, of its time: {', '.join(told)}."] if told else []


def _to_do(report: TraceReport) -> Iterator[str]:
    """The findings that matter most, and where the rest is."""
    useful = [found for found in report.findings if found.severity != "info"]
    if not useful:
        yield "Nothing stands out: no finding above info."
    else:
        yield "First to do:"
        yield from (f"{place}. {brief(found)}" for place, found in enumerate(useful[:_FIRST], 1))
    left = len(report.findings) - len(useful[:_FIRST])
    yield f"Next: finding(trace, id) for one of these; findings(trace) for all, {left} more."


def brief(found: Finding) -> str:
    """A finding in a line, with its id and what it saves."""
    saves = saving(found)
    promise = f" One iteration: {saves}." if saves else ""
    title = _sentence(shorten(found.title, 2 * _NAME))
    return one_line(f"{found.id} [{found.severity}, {found.confidence}] {title}{promise}")


def _sentence(text: str) -> str:
    return f"{text[:1].upper()}{text[1:].rstrip('.')}." if text else ""
