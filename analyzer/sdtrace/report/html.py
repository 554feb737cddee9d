"""`report.html`: one file that needs no network, reads without JavaScript and runs no script but its own."""

from __future__ import annotations

import base64
import hashlib
import json
from importlib import resources
from typing import Any, NamedTuple

from sdtrace.model import Iteration, Report, TraceReport
from sdtrace.report import charts, grid, names, summary
from sdtrace.report.templating import environment
from sdtrace.report.units import size

_FIRST_FINDINGS = 4
_ROOM = 620_000
_ROOM_OF_A_TRACE = 20_000
"""Characters for the packed rows, less those that the rest of each trace takes: a page stays below a
megabyte up to thirty traces."""
_LEAST_ROOM = 60_000
_MOST_ROWS = 8_000
_MOST_ROWS_WITHOUT_SCRIPT = 300
_MOST_ITERATIONS = 300


class TraceView(NamedTuple):
    """A trace with everything its section of the page shows."""

    trace: TraceReport
    anchor: str
    noun: str
    on_device: bool
    """Whether anything ran on a device; without, the columns about it are left out."""
    figures: list[summary.Figure]
    caveats: list[str]
    busy: float | None
    segments: list[charts.Segment]
    phases: list[charts.Bar]
    iterations: list[charts.IterationBar]
    unshown_iterations: int
    device_times: str
    run: list[tuple[str, str]]
    device: list[tuple[str, str]]
    kernels: grid.Grid
    ops: grid.Grid


def render_html(report: Report, top: int) -> str:
    """The report as one HTML page of at most a megabyte, its styles, script and data inside.

    `top` rows of the long tables are there without JavaScript; with it, as many as there is room for.
    What is left out is counted on the page, and is in report.json.
    """
    views = _views(report)
    style, script = _asset("report.css"), _asset("report.js")
    template = environment().get_template("report.html.j2")
    return template.render(
        report=report,
        views=views,
        standings=summary.standings(report),
        first_findings=_FIRST_FINDINGS,
        top_rows=_each(_MOST_ROWS_WITHOUT_SCRIPT, 2 * len(views), top),
        style=style,
        script=script,
        policy=_policy(style, script),
        data=grid.packed([table for view in views for table in (view.kernels, view.ops)]),
    )


def _views(report: Report) -> list[TraceView]:
    """A view of each trace; the more traces, the fewer rows of each."""
    count = len(report.traces)
    most_rows = _each(_MOST_ROWS, 2 * count, _MOST_ROWS)
    most_iterations = _each(_MOST_ITERATIONS, count, _MOST_ITERATIONS)
    anchors = [f"t{index}" for index in range(1, count + 1)]
    tables: list[grid.Grid] = []
    for trace, anchor in zip(report.traces, anchors, strict=True):
        tables.append(grid.kernel_grid(trace, f"{anchor}-kernels", most_rows))
        tables.append(grid.op_grid(trace, f"{anchor}-ops", most_rows))
    fitted = grid.fitted(tables, max(_LEAST_ROOM, _ROOM - _ROOM_OF_A_TRACE * count))
    return [
        _view(trace, anchor, most_iterations, (kernels, ops))
        for trace, anchor, kernels, ops in zip(report.traces, anchors, fitted[::2], fitted[1::2], strict=True)
    ]


def _view(
    trace: TraceReport, anchor: str, most_iterations: int, tables: tuple[grid.Grid, grid.Grid]
) -> TraceView:
    shown = _ends(trace.iterations, most_iterations)
    steady = summary.steady_busy_pct(trace)
    on_device = summary.has_device(trace)
    return TraceView(
        trace=trace,
        anchor=anchor,
        noun=summary.noun(trace),
        on_device=on_device,
        figures=summary.figures(trace),
        caveats=summary.caveats(trace),
        busy=summary.busy_pct(trace) if steady is None else steady,
        segments=charts.stack(summary.phase_shares(trace)),
        phases=charts.phase_bars(trace),
        iterations=charts.iteration_bars(shown),
        unshown_iterations=len(trace.iterations) - len(shown),
        device_times=summary.device_times(trace) if on_device else "",
        run=_entries(trace.run),
        device=_entries(trace.device),
        kernels=tables[0],
        ops=tables[1],
    )


def _each(room: int, parts: int, most: int) -> int:
    """An equal part of the room, at least 4 rows, at most `most`."""
    return min(most, max(4, room // max(parts, 1)))


def _ends(iterations: list[Iteration], most: int) -> list[Iteration]:
    half = most // 2
    return iterations if len(iterations) <= most else iterations[:half] + iterations[-half:]


def _entries(mapping: dict[str, Any]) -> list[tuple[str, str]]:
    return [(names.visible(key), _value(key, value)) for key, value in mapping.items()]


def _value(key: str, value: object) -> str:
    """A fact as text: memory sizes in MiB or GiB, anything nested as JSON."""
    if isinstance(value, int) and "mem" in key.lower() and value >= 1024:
        return size(value)
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, default=str)
    return names.shorten(names.visible(text), 400)


def _asset(name: str) -> str:
    """A style sheet or script, as it stands in the templates' folder; never a place for a trace's text."""
    return resources.files("sdtrace_templates").joinpath("assets", name).read_text(encoding="utf-8")


def _policy(style: str, script: str) -> str:
    """The page's Content-Security-Policy: its own style and script by their hashes, and nothing else."""
    return (
        f"default-src 'none'; style-src '{_digest(style)}'; script-src '{_digest(script)}'; img-src data:; "
        "base-uri 'none'; form-action 'none'; require-trusted-types-for 'script'; trusted-types 'none'"
    )


def _digest(text: str) -> str:
    return "sha256-" + base64.b64encode(hashlib.sha256(text.encode()).digest()).decode("ascii")
