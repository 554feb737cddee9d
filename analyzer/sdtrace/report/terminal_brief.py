"""The report on one screen: the verdict, the phases, the first findings, and where the rest is."""

from __future__ import annotations

from typing import Final

from rich.console import Console
from rich.text import Text

from sdtrace import units
from sdtrace.model import Finding, Job, Report, TraceReport
from sdtrace.report import summary
from sdtrace.report.console import SEVERITIES, Page, verdict_lines
from sdtrace.report.side_by_side import SIDE_BY_SIDE, Standing, standings
from sdtrace.report.story import story
from sdtrace.tables import TERMINAL, fill

LINES: Final = 21
"""A usual terminal has 24: one for the command, one for what was written, one for the next command."""
_INDENT: Final = 3


def render_brief(report: Report, console: Console, elsewhere: str) -> None:
    """Print what fits a screen of 24 lines for one trace; for several, the comparison and a line each.

    `elsewhere` is the last line: where everything else is.
    """
    page = Page(console)
    job = report.job if report.job and (len(report.traces) > 1 or _asks(report.job)) else None
    ranks = {rank.trace for rank in job.ranks} if job else set()
    others = [trace for trace in report.traces if trace.name not in ranks]
    if job is not None:
        _show(page, _job(page, job))
        page.line("What to fix first, whatever the other ranks do:", "dim")
        _show(page, _in_short(page, next(trace for trace in report.traces if trace.name in ranks)))
    if rows := standings(report):
        for sentence in story(report):
            page.line(sentence, "bold")
        console.print()
        page.table(fill(SIDE_BY_SIDE, report, TERMINAL))
        _uncompared(page, rows)
    if len(others) == 1 and job is None:
        _show(page, _trace(page, others[0], report.job))
    else:
        if others:
            page.line(
                f"What to fix first, and what a steady {_noun(others)} takes without the profiler:", "dim"
            )
        for trace in others:
            _show(page, _in_short(page, trace))
    console.print()
    page.line(elsewhere, "dim")


def _asks(job: Job) -> bool:
    """Whether several ranks in one file have something to change between them."""
    return len(job.ranks) > 1 and any(finding.severity != "info" for finding in job.findings)


def _noun(traces: list[TraceReport]) -> str:
    """What all of the traces make."""
    nouns = {trace.noun for trace in traces}
    return nouns.pop() if len(nouns) == 1 else "iteration"


def _uncompared(page: Page, rows: list[Standing]) -> None:
    """Why traces have no speed, once for all that share a reason."""
    names: dict[str, list[str]] = {}
    for row in rows:
        if row.told and row.story is None:
            names.setdefault(row.told, []).append(row.trace.name)
    for told, alike in names.items():
        page.line(f"{', '.join(alike)}: {told}", "dim")
    if names:
        page.console.print()


def _show(page: Page, lines: list[Text]) -> None:
    for line in lines:
        page.console.print(line, no_wrap=True)


def _trace(page: Page, trace: TraceReport, job: Job | None) -> list[Text]:
    """A trace, perhaps of a `job`, with as many findings as `LINES` lines have room for, two left for
    `elsewhere`."""
    lines = page.lines(trace.name, "bold underline")
    if job is not None:
        lines += page.lines(job.verdict, "dim")
    for caveat in summary.caveats(trace):
        lines += page.lines(f"! {caveat}", "yellow")
    if trace.verdict is None:
        lines += [*page.lines(summary.headline(trace), "bold"), Text(), *page.lines(_phases(trace))]
    else:
        lines += verdict_lines(page, trace.verdict)
    lines.append(Text())
    first = trace.verdict.first if trace.verdict else ""
    return lines + _findings(page, trace.findings, first, LINES - 2 - len(lines))


def _phases(trace: TraceReport) -> str:
    """The phases in a line: `10.8 s with the profiler, 3 images: compile 8.97 s, steady 94.9 ms.`"""
    rows = [row for row in trace.phases if row.wall_us]
    parts = ", ".join(f"{row.phase} {units.duration(row.wall_us)}" for row in rows)
    made = f", {units.counted(len(trace.iterations), trace.noun)}" if trace.iterations else ""
    return f"{units.duration(trace.wall_us)} with the profiler{made}: {parts or 'nothing'}."


def _findings(page: Page, findings: list[Finding], first: str, room: int) -> list[Text]:
    """The findings that ask for something, as many as fit into `room` lines, and how many there are more.

    The advice is told of the one called `first`, where there is room for it.
    """
    asking = [finding for finding in findings if finding.severity != "info"]
    shown: list[list[Text]] = []
    for number, finding in enumerate(asking, start=1):
        lines = _finding(page, number, finding)
        if sum(map(len, shown)) + len(lines) + 1 > room:
            break
        shown.append(lines)
    for lines, finding in zip(shown, asking, strict=False):
        advice = page.lines(f"→ {finding.advice}", indent=_INDENT)
        if finding.id == first and sum(map(len, shown)) + len(advice) + 1 <= room:
            lines.extend(advice)
    left = len(findings) - len(shown)
    more = page.lines(f"{units.counted(left, 'more finding')}.", "dim") if left else []
    return [*(line for lines in shown for line in lines), *more]


def _finding(page: Page, number: int, finding: Finding) -> list[Text]:
    title = page.text(f"{number}. {finding.severity}  ", SEVERITIES[finding.severity])
    title.append_text(page.prose(finding.title))
    if saved := summary.brings(finding):
        title.append_text(page.text(f": {saved}", "bold"))
    return page.broken(title)


def _in_short(page: Page, trace: TraceReport) -> list[Text]:
    """One of several traces: its name, what must be known before, and what to do first."""
    lines = [line for caveat in summary.caveats(trace) for line in page.lines(f"! {caveat}", "yellow", 2)]
    first = trace.verdict.first if trace.verdict else ""
    found = next((finding for finding in trace.findings if finding.id == first), None)
    if found is None:
        found = next((finding for finding in trace.findings if finding.severity in ("high", "medium")), None)
    advice = "nothing stands out"
    if found is not None:
        saved = summary.brings(found)
        advice = f"{found.title}{f': {saved}' if saved else ''}"
    return [*page.broken(page.text(f"{trace.name}: ", "bold").append_text(page.prose(advice))), *lines]


def _job(page: Page, job: Job) -> list[Text]:
    lines = page.lines(job.verdict, "bold") + page.lines(f"{job.how} ({job.confidence})", "dim") + [Text()]
    return lines + _findings(page, job.findings, "", LINES - 2 - len(lines))
