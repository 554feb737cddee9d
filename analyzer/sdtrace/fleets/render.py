"""The report of a fleet as HTML, Markdown and JSON."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final, NamedTuple

import msgspec

from sdtrace import units
from sdtrace.atomic_files import write_all
from sdtrace.fleets.record import FleetReport, Series
from sdtrace.fleets.report_tables import TABLES, failures
from sdtrace.report.html_tables import html_table
from sdtrace.report.markdown import escaped
from sdtrace.report.markup import code, line, plain
from sdtrace.report.page import asset, policy
from sdtrace.report.templating import environment
from sdtrace.tables import HTML, MARKDOWN, fill_all

_MOST_CHARTS: Final = 12
_WIDTH, _HEIGHT = 600.0, 90.0
_MARGIN: Final = 6.0
_LEAST_RANGE: Final = 0.1
"""How far up and down from the median a chart reaches at least."""


class Chart(NamedTuple):
    """Daily medians of a series as points of a line, with what to read beside it."""

    title: str
    about: str
    points: list[tuple[str, str, str]]
    """x, y and what the point is."""
    path: str


def files(report: FleetReport, folder: Path, formats: Sequence[str]) -> dict[Path, bytes]:
    """Each file with its content; `formats` are keys of `FORMATS`."""
    return {folder / f"fleet.{name}": FORMATS[name](report) for name in formats}


def write(report: FleetReport, folder: Path, formats: Sequence[str], *, force: bool) -> list[Path]:
    """Write the report; the files. Raises OutputError when one exists and `force` is not set."""
    return write_all(files(report, folder, formats), force=force)


def render_json(report: FleetReport) -> bytes:
    """The record itself."""
    return msgspec.json.format(msgspec.json.encode(report), indent=1)


def render_markdown(report: FleetReport) -> bytes:
    """For an issue, a pull request or a chat."""
    text = (
        environment()
        .get_template("fleet.md.j2")
        .render(
            summary=line(report.summary),
            about=line(_about(report)),
            tables=[escaped(filled) for filled in fill_all(TABLES, report, MARKDOWN)],
            failures=[code(reason) for reason in report.failures],
            failures_note=line(failures(report)),
            version=plain(report.version),
        )
    )
    return units.unbroken(text).encode()


def render_html(report: FleetReport) -> bytes:
    """One file that needs no network and runs no script."""
    style = asset("report.css") + asset("fleet.css")
    tables = fill_all(TABLES, report, HTML)
    return (
        environment()
        .get_template("fleet.html.j2")
        .render(
            report=report,
            about=_about(report),
            tables=[html_table(filled, filled.table.id) for filled in tables],
            charts=[_chart(series) for series in _shown(report)],
            failures_note=failures(report),
            style=style,
            policy=policy(style),
            width=_WIDTH,
            height=_HEIGHT,
        )
        .encode()
    )


FORMATS: Final[dict[str, Callable[[FleetReport], bytes]]] = {
    "html": render_html,
    "md": render_markdown,
    "json": render_json,
}


def _about(report: FleetReport) -> str:
    days = f", {report.first_day} to {report.last_day}" if report.first_day else ""
    return f"{units.counted(report.traces, 'trace')} of {report.store}{days}."


def _shown(report: FleetReport) -> list[Series]:
    """The series whose line tells something: those that changed first, then those with most runs."""
    changed = {(change.work, change.variant, change.card) for change in report.changes}
    lines = [series for series in report.series if len(series.days) > 1]
    lines.sort(key=lambda series: (series.work, series.variant, series.card) not in changed)
    return lines[:_MOST_CHARTS]


def _chart(series: Series) -> Chart:
    """The line of daily medians; days stand at equal distances, and noise of a percent stays flat."""
    values = [day.median_us for day in series.days]
    low = min(*values, (1 - _LEAST_RANGE) * series.median_us)
    high = max(*values, (1 + _LEAST_RANGE) * series.median_us)
    wide, tall = _WIDTH - 2 * _MARGIN, _HEIGHT - 2 * _MARGIN
    places = [
        (
            _MARGIN + wide * number / (len(values) - 1),
            _MARGIN + tall * (high - value) / (high - low) if high > low else _HEIGHT / 2,
        )
        for number, value in enumerate(values)
    ]
    return Chart(
        title=", ".join(part for part in (series.work, series.variant, series.card) if part),
        about=f"{units.duration(min(values))} to {units.duration(max(values))}, "
        f"{series.first_day} to {series.last_day}",
        points=[
            (f"{x:.1f}", f"{y:.1f}", f"{day.day}: {units.duration(day.median_us)}, {day.runs} runs")
            for (x, y), day in zip(places, series.days, strict=True)
        ],
        path=" ".join(f"{x:.1f},{y:.1f}" for x, y in places),
    )
