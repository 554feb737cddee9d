"""`report.html`: one file that needs no network, reads without JavaScript and runs no script but its own."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import NamedTuple

from sdtrace.analysis.part import Part
from sdtrace.model import Job, Report, TraceReport, VerdictLine
from sdtrace.phases.timeline import STEADY
from sdtrace.report import charts, summary
from sdtrace.report.exploration import Exploration, of_others
from sdtrace.report.html_tables import HtmlTable, fitted, html_table
from sdtrace.report.page import asset, policy
from sdtrace.report.picture_data import pictures_of
from sdtrace.report.run_facts import run_facts
from sdtrace.report.side_by_side import SIDE_BY_SIDE, Standing, standings
from sdtrace.report.story import MATCHES, fall_of
from sdtrace.report.templating import environment
from sdtrace.tables import HTML, JOB_TABLES, TABLES, Filled, fill, fill_all

_FIRST_FINDINGS = 4
_WIDE_PICTURES = ("timeline", "icicle")
_SCRIPTS = (
    *("format", "dom", "grid", "run", "tables", "render"),
    *("pictures", "waterfall", "steps", "roofline", "icicle", "events", "lanes", "timeline", "memory"),
    *("selector", "section", "main"),
)
"""In the order of the page."""
_ROOM = 620_000
_ROOM_OF_ONE = 780_000
_ROOM_OF_SEVERAL = 800_000
_ROOM_OF_A_TRACE = 20_000
"""Characters for the packed rows, less those that the rest of each trace takes: a page stays below a
megabyte up to thirty traces."""
_LEAST_ROOM = 60_000
_MOST_ROWS = 8_000
_MOST_ROWS_WITHOUT_SCRIPT = 300
_MOST_ITERATIONS = 300
_MOST_MATCHES = 100
_MOST_MATCHES_OF_ONE = 25
_JOB = "job"
"""The anchor of the job, and what those of its tables begin with."""
_PHASES = "phases"
"""The table that stands on the first screen."""


class JobView(NamedTuple):
    """A job with everything its section of the page shows; `trace` is the job, for its findings."""

    trace: Job
    tables: list[HtmlTable]
    anchors: dict[str, str]
    """Of each table on the page."""


class PartView(NamedTuple):
    """Tables of one phase, which stand folded where no script runs."""

    title: str
    tables: list[HtmlTable]


class PictureView(NamedTuple):
    """A picture: its name in the script, its title, and the table of its numbers if it has one of its own."""

    name: str
    title: str
    table: HtmlTable | None
    is_wide: bool


class ExploredView(NamedTuple):
    """What the selector drives: its data, and the tables of the part that the page starts with."""

    data: str
    events: str
    title: str
    tables: list[HtmlTable]
    others: list[PartView]
    pictures: list[PictureView]


class TraceView(NamedTuple):
    """A trace with everything its section of the page shows."""

    trace: TraceReport
    anchor: str
    verdict: list[VerdictLine]
    image: charts.ImageBar | None
    figures: list[summary.Figure]
    caveats: list[str]
    as_profiled: str
    segments: list[charts.Segment]
    phases: HtmlTable | None
    tables: list[HtmlTable]
    anchors: dict[str, str]
    """Of each table on the page."""
    facts: list[tuple[str, str]]
    explored: ExploredView | None


def render_html(report: Report, top: int, pages: Sequence[Exploration] = ()) -> str:
    """The report as one HTML page of at most a megabyte, its styles, script and data inside.

    `top` rows of the long tables are there without JavaScript; with it, as many as there is room for.
    What is left out is counted on the page, and is in report.json. `pages` has what the selector of each
    trace needs; traces for which there is no room have their tables alone.
    """
    explored = _with_room(pages)
    filled, data = _filled(report, explored)
    views = [
        _view(trace, anchor, filled[anchor], explored.get(anchor))
        for anchor, trace in _anchored(report).items()
    ]
    style, script = asset("report.css"), _script()
    rows = standings(report)
    return (
        environment()
        .get_template("report.html.j2")
        .render(
            report=report,
            views=views,
            job=None if report.job is None else _job(report.job, filled[_JOB]),
            comparison=html_table(fill(SIDE_BY_SIDE, report, HTML), "comparison") if rows else None,
            standings=rows,
            falls=[fall for row in rows if row.story and (fall := fall_of(row.trace.name, row.story))],
            matched=_matched(rows),
            first_findings=_FIRST_FINDINGS,
            top_rows=_each(_MOST_ROWS_WITHOUT_SCRIPT, 2 * len(views), top),
            style=style,
            script=script,
            policy=policy(style, script),
            data=data,
        )
    )


def _matched(rows: Sequence[Standing]) -> dict[str, HtmlTable]:
    """By the name of a trace its GPU work beside that of the baseline; the more traces, the fewer rows."""
    shown = [row for row in rows if row.matches]
    most = _each(_MOST_MATCHES, len(shown), _MOST_MATCHES_OF_ONE)
    return {
        row.trace.name: html_table(fill(MATCHES, row, HTML, most), f"matches-{number}")
        for number, row in enumerate(shown, start=1)
    }


def _anchored(report: Report) -> dict[str, TraceReport]:
    return {f"t{number}": trace for number, trace in enumerate(report.traces, start=1)}


def _with_room(pages: Sequence[Exploration]) -> dict[str, Exploration]:
    """By anchor, as long as there is room: first for the selectors, then for the events of timelines."""
    room = _ROOM_OF_ONE if len(pages) == 1 else _ROOM_OF_SEVERAL
    found = {}
    for number, page in enumerate(pages, start=1):
        room -= len(page.packed)
        if room >= 0:
            found[f"t{number}"] = replace(page, events="")
    for number, page in enumerate(pages, start=1):
        if f"t{number}" in found and len(page.events) <= room:
            room -= len(page.events)
            found[f"t{number}"] = page
    return found


def _filled(report: Report, explored: Mapping[str, Exploration]) -> tuple[dict[str, list[Filled]], str]:
    """The tables of each trace by its anchor, and the long ones packed; the more traces, the fewer rows."""
    count = len(report.traces)
    most_rows = _each(_MOST_ROWS, 2 * count, _MOST_ROWS)
    most_iterations = _each(_MOST_ITERATIONS, count, _MOST_ITERATIONS)
    found = {
        anchor: [
            _within(filled, most_rows, most_iterations) for filled in _tables_of(trace, explored.get(anchor))
        ]
        for anchor, trace in _anchored(report).items()
    }
    if report.job is not None:
        tables = fill_all(JOB_TABLES, report.job, HTML)
        found[_JOB] = [_within(filled, most_rows, most_iterations) for filled in tables]
    cut, data = fitted(_long(found, explored), max(_LEAST_ROOM, _ROOM - _ROOM_OF_A_TRACE * count))
    shown = {
        anchor: [cut.get(f"{anchor}-{filled.table.id}", filled) for filled in tables if filled.columns]
        for anchor, tables in found.items()
    }
    return shown, data


def _within(filled: Filled, most_rows: int, most_iterations: int) -> Filled:
    """The first rows of a long table, the first and last of the iterations."""
    if filled.table.is_wide:
        half = most_iterations // 2
        left_out = max(0, len(filled.records) - 2 * half)
        if not left_out:
            return filled
        ends = [*range(half), *range(len(filled.records) - half, len(filled.records))]
    elif filled.table.is_long:
        left_out = max(0, len(filled.records) - most_rows)
        ends = list(range(min(most_rows, len(filled.records))))
    else:
        return filled
    records, cells = [filled.records[i] for i in ends], [filled.cells[i] for i in ends]
    return filled._replace(records=records, cells=cells, left_out=left_out)


def _tables_of(trace: TraceReport, explored: Exploration | None) -> list[Filled]:
    """The tables with rows: those that the selector drives of the part that the page starts with."""
    if explored is None:
        return fill_all(TABLES, trace, HTML)
    found = [fill(table, explored.first if table.id in explored.driven else trace, HTML) for table in TABLES]
    return [filled for filled in found if filled.records or filled.table.id in explored.driven]


def _long(filled: dict[str, list[Filled]], explored: Mapping[str, Exploration]) -> dict[str, Filled]:
    """The tables whose rows the script takes from the page as they are, by their anchor."""
    return {
        f"{anchor}-{each.table.id}": each
        for anchor, tables in filled.items()
        for each in tables
        if each.table.is_long and not (anchor in explored and each.table.id in explored[anchor].driven)
    }


def _job(job: Job, filled: list[Filled]) -> JobView:
    tables = [html_table(each, f"{_JOB}-{each.table.id}") for each in filled]
    return JobView(job, tables, {table.filled.table.id: table.anchor for table in tables})


def _view(trace: TraceReport, anchor: str, filled: list[Filled], explored: Exploration | None) -> TraceView:
    tables = {each.table.id: html_table(each, f"{anchor}-{each.table.id}") for each in filled}
    anchors = {name: table.anchor for name, table in tables.items()}
    driven = [tables.pop(name) for name in explored.driven if name in tables] if explored else []
    drawn = _pictures(trace, tables) if explored else []
    return TraceView(
        trace=trace,
        anchor=anchor,
        verdict=trace.verdict.lines if trace.verdict else [],
        image=charts.image_bar(trace),
        figures=summary.figures(trace),
        caveats=summary.caveats(trace, with_selection=explored is None),
        as_profiled=summary.as_profiled(trace),
        segments=charts.stack(trace),
        phases=tables.pop(_PHASES, None),
        tables=list(tables.values()),
        anchors=anchors,
        facts=run_facts(trace),
        explored=None if explored is None else _explored(explored, anchor, driven, drawn),
    )


def _pictures(trace: TraceReport, tables: dict[str, HtmlTable]) -> list[PictureView]:
    """The pictures of a trace, each with the table that is its own; the last one wide if it stands alone."""
    titles = pictures_of(trace)
    beside = [name for name in titles if name not in _WIDE_PICTURES]
    alone = beside[-1:] if len(beside) % 2 else []
    return [
        PictureView(name, title, tables.pop(name, None), name in (*_WIDE_PICTURES, *alone))
        for name, title in titles.items()
    ]


def _explored(
    explored: Exploration, anchor: str, tables: list[HtmlTable], pictures: list[PictureView]
) -> ExploredView:
    folded = [table for table in TABLES if of_others(table)]
    others = [
        PartView(
            phase, [html_table(fill(table, trace, HTML), f"{anchor}-{phase}-{table.id}") for table in folded]
        )
        for phase, trace in explored.others.items()
    ]
    start = explored.start
    title = "Steady state" if start == Part(STEADY) else str(start).capitalize() or "The whole run"
    return ExploredView(explored.packed, explored.events, title, tables, others, pictures)


def _each(room: int, parts: int, most: int) -> int:
    """An equal part of the room, at least 4 rows, at most `most`."""
    return min(most, max(4, room // max(parts, 1)))


def _script() -> str:
    """The page's script: small files, which see each other and are seen by nobody else."""
    parts = "".join(asset(f"script/{name}.js") for name in _SCRIPTS)
    return f'"use strict";\n(() => {{\n{parts}}})();\n'
