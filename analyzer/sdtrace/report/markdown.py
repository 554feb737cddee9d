"""`report.md`: for an issue, a pull request or a chat, where names from a trace must stay names."""

from __future__ import annotations

import json
from typing import NamedTuple

from sdtrace.model import Finding, Report, TraceReport
from sdtrace.report import summary, units
from sdtrace.report.markup import code, line, plain, prose
from sdtrace.report.sections import Kind, Section, comparison, sections
from sdtrace.report.templating import environment


class Table(NamedTuple):
    """A section with every cell escaped."""

    title: str
    headers: list[str]
    rule: list[str]
    rows: list[list[str]]
    left_out: str


class Trace(NamedTuple):
    """A trace with every text escaped."""

    name: str
    headline: str
    caveats: list[str]
    findings: list[str]
    tables: list[Table]
    op_times: str
    facts: list[tuple[str, str]]
    notes: list[str]


def render_markdown(report: Report, top: int) -> str:
    """The report as GitHub-flavoured Markdown; `top` rows of each long table, the rest counted."""
    standings = summary.standings(report)
    return (
        environment()
        .get_template("report.md.j2")
        .render(
            version=plain(report.version),
            comparison=_table(comparison(report)) if standings else None,
            arithmetic=[
                f"{code(each.trace.name)}: {prose(each.arithmetic)}" for each in standings if each.arithmetic
            ],
            traces=[_trace(trace, top) for trace in report.traces],
        )
    )


def _trace(trace: TraceReport, top: int) -> Trace:
    return Trace(
        name=plain(trace.name),
        headline=line(summary.headline(trace)),
        caveats=[line(caveat) for caveat in summary.caveats(trace)],
        findings=[_finding(finding) for finding in trace.findings],
        tables=[_table(section) for section in sections(trace, top)],
        op_times=trace.op_times,
        facts=_facts(trace),
        notes=[line(note) for note in filter(None, (summary.feeding(trace), *trace.notes))],
    )


def _finding(finding: Finding) -> str:
    saving = "" if finding.saving_us is None else f", saves {units.duration(finding.saving_us)}"
    told = f"**{prose(finding.title)}** ({finding.severity}, {finding.confidence}{saving})"
    return f"{told}<br>{prose(finding.evidence)}<br>→ {prose(finding.advice)} {code(finding.id)}"


def _table(section: Section) -> Table:
    kinds = [column.kind for column in section.columns]
    return Table(
        title=section.title,
        headers=[plain(column.header) for column in section.columns],
        rule=["---:" if kind is Kind.NUMBER else "---" for kind in kinds],
        rows=[
            [code(cell) if kind is Kind.NAME else prose(cell) for cell, kind in zip(row, kinds, strict=True)]
            for row in section.rows
        ],
        left_out=units.count(section.left_out) if section.left_out else "",
    )


def _facts(trace: TraceReport) -> list[tuple[str, str]]:
    events = trace.events
    kinds = ", ".join(f"{units.count(number)} {plain(name)}" for name, number in events.by_category.items())
    told = [("File", code(trace.path)), ("Events", f"{units.count(events.total)} ({kinds})")]
    if summary.has_device(trace):
        told.append(("GPU", plain(summary.device_times(trace))))
    recorded = trace.run | {f"device.{key}": value for key, value in trace.device.items()}
    return told + [(plain(key), code(_text(value))) for key, value in recorded.items()]


def _text(value: object) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, default=str)
