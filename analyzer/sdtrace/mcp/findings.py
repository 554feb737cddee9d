"""The findings of a trace: the list, and all of one with the rows that prove it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from typing import Any, Final

import msgspec

from sdtrace import units
from sdtrace.api import Analysis
from sdtrace.errors import UsageError
from sdtrace.mcp.text import cell, saving
from sdtrace.mcp.verdict import brief
from sdtrace.model import EvidenceRow, Finding, TraceReport
from sdtrace.safe_text import one_line
from sdtrace.suggestions import did_you_mean

SEVERITIES: Final = ("high", "medium", "low", "info")
_KEYS: Final[Mapping[str, str]] = {
    "iterations": "index",
    "steps": "index",
    "compile": "stage",
    "devices": "index",
    "idle": "cause",
    "phases": "phase",
    "categories": "category",
    "components": "component",
}
"""What names a row of a table; the name where it is not listed here."""


def findings(one: Analysis, severity: str | None = None) -> str:
    """A line for each finding, most valuable first; with `severity` those at least as severe.

    Raises UsageError when there is no such severity.
    """
    if severity is not None and severity not in SEVERITIES:
        hint = did_you_mean(severity, SEVERITIES)
        raise UsageError(f"no severity {severity!r}{hint}; there are {', '.join(SEVERITIES)}")
    report = one.report
    least = SEVERITIES.index(severity or SEVERITIES[-1])
    chosen = [found for found in report.findings if SEVERITIES.index(found.severity) <= least]
    counted = Counter(found.severity for found in report.findings)
    there = ", ".join(f"{counted[name]} {name}" for name in SEVERITIES if counted[name])
    head = f"{one_line(report.name)}: {units.counted(len(report.findings), 'finding')} ({there or 'none'})."
    note = f"A saving is of one steady {report.noun}; savings overlap, so do not add them up."
    return "\n".join([head, note, *(f"- {brief(found, report.noun)}" for found in chosen)])


def find(one: Analysis, identifier: str) -> Finding:
    """The finding with this id. Raises UsageError when the trace has none, with those it has."""
    known = {found.id: found for found in one.report.findings}
    if identifier in known:
        return known[identifier]
    there = ", ".join(known) or "none"
    hint = did_you_mean(identifier, known)
    raise UsageError(f"{one.name} has no finding {identifier!r}{hint}; it has {there}")


def finding(one: Analysis, identifier: str) -> str:
    """All of one finding: evidence, advice, the rows that prove it, and how to verify it.

    Raises as `find` does.
    """
    found = find(one, identifier)
    saves = saving(found)
    lines = [
        brief(found, one.report.noun),
        f"Evidence: {one_line(found.evidence)}",
        f"Advice: {one_line(found.advice)}",
        *([f"One steady {one.report.noun}: {saves}."] if saves else []),
        "Rows of the whole trace that prove it:",
        *(f"- {line}" for row in found.evidence_rows for line in rows(one.report, row)),
        f"Verify now: verify(trace, {found.id!r}) shows the evidence. Command: {one_line(found.verify)}",
        f"Verify after the change: verify(trace, {found.id!r}, after=NEW_TRACE) says whether it came true.",
    ]
    return "\n".join(lines)


def rows(report: TraceReport, row: EvidenceRow) -> Iterator[str]:
    """Each row of the report that `row` names, with its values; nothing where it has none."""
    held = getattr(report, row.table, None)
    if held is not None and not isinstance(held, list):
        yield f"{row.table}: {row.key} = {cell(getattr(held, row.key, None))}"
        return
    for each in held or ():
        if _key(row.table, each) == row.key:
            values = msgspec.structs.asdict(each)
            yield f"{row.table}: {', '.join(_told(values))}"


def _key(table: str, record: Any) -> str:
    if table == "ops_by_shape":
        return f"{record.op} {record.input_dims}"
    return str(getattr(record, _KEYS.get(table, "name"), ""))


def _told(values: Mapping[str, object]) -> Iterator[str]:
    """The values that say something: no empty ones, no zeros, no second name."""
    for name, value in values.items():
        if value not in (None, "", 0, False) and not (name == "short_name" and value == values.get("name")):
            yield f"{name} {cell(value)}"
