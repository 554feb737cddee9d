"""`report.md`: for an issue, a pull request or a chat, where names from a trace must stay names."""

from __future__ import annotations

from typing import NamedTuple

from sdtrace import units
from sdtrace.model import Finding, Job, Report, TraceReport
from sdtrace.report import summary
from sdtrace.report.markup import code, line, plain, prose
from sdtrace.report.run_facts import run_facts
from sdtrace.report.side_by_side import SIDE_BY_SIDE, Standing, standings
from sdtrace.report.story import WATERFALL
from sdtrace.report.templating import environment
from sdtrace.tables import JOB_TABLES, MARKDOWN, TABLES, Filled, Kind, fill, fill_all

_LONGEST_COMMAND = 1_000


class Table(NamedTuple):
    """A table with every cell escaped."""

    title: str
    headers: list[str]
    rule: list[str]
    rows: list[list[str]]
    left_out: str
    note: str


class JobText(NamedTuple):
    """A job with every text escaped."""

    verdict: str
    how: str
    findings: list[str]
    tables: list[Table]


class Trace(NamedTuple):
    """A trace with every text escaped."""

    name: str
    verdict: list[tuple[str, str, str]]
    """Label, the answer, what belongs to it."""
    headline: str
    caveats: list[str]
    findings: list[str]
    tables: list[Table]
    facts: list[tuple[str, str]]
    notes: list[str]


def render_markdown(report: Report, top: int) -> str:
    """The report as GitHub-flavoured Markdown; `top` rows of each long table, the rest counted."""
    rows = standings(report)
    content = (
        environment()
        .get_template("report.md.j2")
        .render(
            version=plain(report.version),
            job=None if report.job is None else _job(report.job, top),
            comparison=escaped(fill(SIDE_BY_SIDE, report, MARKDOWN)) if rows else None,
            arithmetic=[f"{code(each.trace.name)}: {prose(each.told)}" for each in rows if each.told],
            falls=_falls(rows),
            traces=[_trace(trace, top) for trace in report.traces],
        )
    )
    return units.unbroken(content)


def _falls(rows: list[Standing]) -> list[Table]:
    """Where the difference of each trace to its baseline comes from."""
    tables = []
    for row in rows:
        filled = fill(WATERFALL, row.story, MARKDOWN) if row.story else None
        if filled and filled.records:
            tables.append(escaped(filled._replace(title=f"{filled.title}: {row.trace.name}")))
    return tables


def escaped(filled: Filled) -> Table:
    """A filled table as Markdown cells."""
    kinds = [column.kind for column in filled.columns]
    return Table(
        title=plain(filled.title),
        headers=[plain(column.header) for column in filled.columns],
        rule=["---:" if kind.is_number else "---" for kind in kinds],
        rows=[
            [_cell(cell.text, kind) for cell, kind in zip(row, kinds, strict=True)] for row in filled.cells
        ],
        left_out=units.count(filled.left_out) if filled.left_out else "",
        note=line(filled.note),
    )


def _cell(text: str, kind: Kind) -> str:
    return code(text) if kind is Kind.NAME else prose(text)


def _job(job: Job, top: int) -> JobText:
    return JobText(
        verdict=line(job.verdict),
        how=line(f"{job.how} ({job.confidence})"),
        findings=[_finding(finding) for finding in job.findings],
        tables=[escaped(filled) for filled in fill_all(JOB_TABLES, job, MARKDOWN, top) if filled.columns],
    )


def _trace(trace: TraceReport, top: int) -> Trace:
    told = trace.verdict.lines if trace.verdict else []
    return Trace(
        name=plain(trace.name),
        verdict=[(line(each.label), line(each.lead), line(each.rest)) for each in told],
        headline=line(summary.headline(trace)),
        caveats=[line(caveat) for caveat in summary.caveats(trace)],
        findings=[_finding(finding) for finding in trace.findings],
        tables=[escaped(filled) for filled in fill_all(TABLES, trace, MARKDOWN, top) if filled.columns],
        facts=[
            (plain(label), code(value) if label == "File" else plain(value))
            for label, value in run_facts(trace)
        ],
        notes=[line(note) for note in trace.notes],
    )


def _finding(finding: Finding) -> str:
    about = ", ".join(filter(None, (finding.severity, finding.confidence, summary.saving(finding))))
    title = f"**{prose(finding.title)}** ({about})"
    verify = f"<br>{code(finding.verify, _LONGEST_COMMAND)}" if finding.verify else ""
    return f"{title}<br>{prose(finding.evidence)}<br>→ {prose(finding.advice)} {code(finding.id)}{verify}"
