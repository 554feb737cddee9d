"""The whole report on a terminal: what matters first, at 80 columns."""

from __future__ import annotations

from rich.console import Console
from rich.text import Text

from sdtrace.model import Finding, Job, Report, TraceReport
from sdtrace.report import charts, summary
from sdtrace.report.console import PHASE_COLOURS, SEVERITIES, Page, verdict_lines
from sdtrace.report.side_by_side import SIDE_BY_SIDE, standings
from sdtrace.tables import JOB_TABLES, TABLES, TERMINAL, fill, fill_all

_INDENT = 3


def render_terminal(report: Report, console: Console, top: int) -> None:
    """Print the report; `top` rows of each long table.

    Whether there are colours is the console's affair (`NO_COLOR`, pipes): they only repeat what the
    words say. What the console's encoding cannot write is spelled out.
    """
    page = Page(console)
    if report.job is not None:
        _job(page, report.job, top)
    rows = standings(report)
    if rows:
        page.table(fill(SIDE_BY_SIDE, report, TERMINAL))
        for standing in rows:
            if standing.told:
                page.line(f"{standing.trace.name}: {standing.told}")
        console.print()
    for trace in report.traces:
        _trace(page, trace, top)


def _job(page: Page, job: Job, top: int) -> None:
    page.line(job.verdict, "bold")
    page.line(f"{job.how} ({job.confidence})", "dim")
    page.console.print()
    for number, finding in enumerate(job.findings, start=1):
        _finding(page, number, finding)
    for filled in fill_all(JOB_TABLES, job, TERMINAL, top):
        if filled.columns:
            page.table(filled)


def _trace(page: Page, trace: TraceReport, top: int) -> None:
    page.line(trace.name, "bold underline")
    for caveat in summary.caveats(trace):
        page.line(f"! {caveat}", "yellow")
    if trace.verdict is not None:
        for line in verdict_lines(page, trace.verdict):
            page.console.print(line, no_wrap=True)
        page.console.print()
    page.line(summary.headline(trace))
    page.console.print()
    _strip(page.console, trace)
    tables = [filled for filled in fill_all(TABLES, trace, TERMINAL, top) if filled.columns]
    for filled in tables[:1]:
        page.table(filled)
    for number, finding in enumerate(trace.findings, start=1):
        _finding(page, number, finding)
    for filled in tables[1:]:
        page.table(filled)
    for note in trace.notes:
        page.line(note, "dim")
    page.console.print()


def _strip(console: Console, trace: TraceReport) -> None:
    """The phases side by side, where there are colours to tell them apart."""
    if console.color_system is None or console.no_color:
        return
    strip = Text()
    for segment in charts.stack(trace):
        start, end = (round(console.width * x / 100) for x in (segment.x, segment.x + segment.width))
        strip.append(" " * (end - start), f"on {PHASE_COLOURS[segment.style]}")
    console.print(strip, "", sep="\n")


def _finding(page: Page, number: int, finding: Finding) -> None:
    title = page.text(f"{number}. {finding.severity}  ", SEVERITIES[finding.severity])
    title.append_text(page.prose(finding.title, "bold"))
    page.wrapped(title)
    page.line(finding.evidence, indent=_INDENT)
    page.line(f"→ {finding.advice}", indent=_INDENT)
    page.line(", ".join(filter(None, (summary.saving(finding), finding.confidence))), "dim", _INDENT)
    page.console.print()
