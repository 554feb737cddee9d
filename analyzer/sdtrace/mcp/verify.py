"""Whether a finding is true of its trace, and whether its advice came true in a later one."""

from __future__ import annotations

import shlex
from typing import Final

from sdtrace.api import Analysis, compare
from sdtrace.errors import DifferentWork
from sdtrace.mcp.ask import query
from sdtrace.mcp.comparing import different, measured
from sdtrace.mcp.findings import find, rows
from sdtrace.mcp.outcome import judge
from sdtrace.mcp.text import saving
from sdtrace.model import EvidenceRow, Finding, TraceReport
from sdtrace.safe_text import one_line

_ROWS: Final = 10
_SHOWN: Final = ("steady_ms", "gpu_ms", "launches", "paid_ms")


def shown_now(one: Analysis, identifier: str) -> str:
    """The evidence of a finding, asked again of the trace itself; what to run where that takes a new trace.

    Raises UsageError when there is no such finding.
    """
    found = find(one, identifier)
    lines = [f"{found.id}: {one_line(found.title)}"]
    sql = _sql(found.verify)
    if sql:
        return "\n".join([*lines, f"SQL: {one_line(sql)}", query(one, sql, _ROWS)])
    lines += [f"- {line}" for row in found.evidence_rows for line in rows(one.report, row)]
    if " compare " in found.verify:
        new = shlex.split(found.verify)[-1]
        lines += [f"To measure the advice, run this in a shell: {one_line(found.verify.split(' && ')[0])}"]
        lines += [f"Then: verify(trace, {found.id!r}, after={new!r})"]
    return "\n".join(lines)


def came_true(
    before: Analysis, after: Analysis, identifier: str, *, allow_different_work: bool = False
) -> str:
    """What a finding promised of `before`, against what `after`, made with the change, measured.

    Raises UsageError when `before` has no such finding, DifferentWork when `after` did other work.
    """
    found = find(before, identifier)
    try:
        comparison = compare(before, after, allow_different_work=allow_different_work)
    except DifferentWork as error:
        raise different(error) from error
    promise = saving(found)
    outcome = judge(before.report, after.report, found, is_unprofiled=comparison.is_unprofiled)
    lines = [
        f"{found.id} of {one_line(before.name)}, after the change: {one_line(after.name)}",
        f"Verdict: {outcome}",
        f"Promised: {promise or 'no figure'}. {_still_there(after.report, found)}",
    ]
    lines += [measured(each) for each in comparison.differences[0].measures if each.metric in _SHOWN]
    lines += comparison.differences[0].notes
    lines += _rows_then_and_now(before.report, after.report, found)
    return "\n".join(lines)


def _sql(command: str) -> str:
    """The SQL of `sdtrace query TRACE "SQL"`; '' of any other command."""
    words = shlex.split(command)
    return words[3] if words[:2] == ["sdtrace", "query"] and len(words) == 4 else ""


def _still_there(after: TraceReport, found: Finding) -> str:
    for other in after.findings:
        if other.id == found.id:
            saves = saving(other)
            left = f": {saves}" if saves else ""
            return f"The finding is still there, now {other.severity}{left}."
    return "The finding is gone."


def _rows_then_and_now(before: TraceReport, after: TraceReport, found: Finding) -> list[str]:
    """The rows that proved it, in both traces."""
    counted = (len(report.iterations) for report in (before, after))
    head = "Evidence in the whole traces, of {} and {} iterations:".format(*counted)
    lines = [line for row in found.evidence_rows for line in _both(before, after, row)]
    return [head, *lines] if lines else []


def _both(before: TraceReport, after: TraceReport, row: EvidenceRow) -> list[str]:
    then, now = (" and ".join(rows(report, row)) or "none" for report in (before, after))
    return [f"- before: {then}", f"  after: {now}"]
