"""The first answer about a trace: what ran, how long it takes, where the time goes, what to do first."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from sdtrace import units
from sdtrace.api import Analysis
from sdtrace.mcp.text import saving
from sdtrace.model import Finding, TraceReport
from sdtrace.phases.timeline import STEADY
from sdtrace.report.names import shorten
from sdtrace.report.summary import caveats, headline
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
    lines += _verdict_text(report)
    lines += _structure(report)
    lines += [f"Largest, as profiled: {found.evidence}" for found in report.findings if found.id == _DOMINANT]
    lines += _idle(one)
    return "\n".join([*lines, *_to_do(report)])


def _verdict_text(report: TraceReport) -> list[str]:
    """The verdict line by line, and the whole trace as profiled."""
    told = report.verdict.lines if report.verdict else []
    lines = [one_line(f"{line.label}: {' '.join(filter(None, (line.lead, line.rest)))}") for line in told]
    return [*lines, headline(report)]


def _structure(report: TraceReport) -> list[str]:
    found = report.structure
    if found is None or found.confidence == "certain":
        return []
    return [one_line(f"How iterations were found: {found.how} ({found.confidence}) {found.runner_up}")]


def _idle(one: Analysis) -> list[str]:
    """What a steady GPU waits for, as profiled, longest first."""
    if not one.report.has_device or one.report.steady is None:
        return []
    part = one.at(phase=STEADY).report
    whole = part.gpu.busy_us + part.gpu.idle_us
    longest = sorted(part.idle, key=lambda row: -row.us)[:_CAUSES]
    told = [f"{CAUSES.get(row.cause, row.cause)} {units.percent(row.us, whole)}" for row in longest if row.us]
    return [f"GPU idle in steady state, of its time as profiled: {', '.join(told)}."] if told else []


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
