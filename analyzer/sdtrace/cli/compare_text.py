"""A comparison in words and tables: once for the terminal, once as Markdown."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, Final

from rich.console import Console

from sdtrace import units
from sdtrace.analysis.conditions import METRICS
from sdtrace.analysis.regression import Difference, Measure, Mover, Regression, Verdict
from sdtrace.breakdowns.short_names import short_name
from sdtrace.report.console import Page
from sdtrace.report.markdown import escaped
from sdtrace.report.markup import line, plain
from sdtrace.report.names import shorten
from sdtrace.report.story import MATCHES, WATERFALL, sentences, signed
from sdtrace.tables import MARKDOWN, TERMINAL, Column, Filled, Kind, Table, fill

_LABELS: Final = {
    "steady_ms": "steady iteration",
    "gpu_ms": "GPU time in it",
    "launches": "launches in it",
    "paid_ms": "one-time cost",
    "before_profile_ms": "  before the profile",
    "overhead_ms": "  in the trace",
    "compile_ms": "    compile",
    "autotune_ms": "    autotune",
    "capture_ms": "    capture",
    "warmup_ms": "    warmup",
    "peak_memory_mib": "peak GPU memory",
}
_IN_SHORT: Final = frozenset({"measures", "compare_waterfall"})
"""Tables that are printed without being asked for."""
_MINUS: Final = "\u2212"
_HEADER_WIDTH: Final = 22
_ELSEWHERE: Final = "compare.json (--format json), or with --top"


def _value(metric: str, value: float | None) -> str:
    if value is None:
        return units.MISSING
    if metric.endswith("_ms"):
        return units.duration(value * 1000)
    return units.size(value * 2**20) if metric.endswith("_mib") else units.count(value)


def _change(measure: Measure) -> str:
    change = measure.change_pct
    return units.MISSING if change is None else f"{_sign(change)}{abs(change):.1f} %"


def _moved(mover: Mover) -> str:
    word = {"appeared": "new ", "disappeared": "gone ", "moved": ""}[mover.state]
    return f"{word}{signed(mover.change_us)}"


def _calls(mover: Mover) -> str:
    before, after = (units.count(round(calls, 1)) for calls in (mover.base_calls, mover.candidate_calls))
    return f"{before} → {after}"


def _sign(change: float) -> str:
    return "+" if change >= 0 else _MINUS


def _figures(found: Difference) -> str:
    how = "without" if found.story is not None and found.story.is_unprofiled else "with"
    return f"Figures, the iteration {how} the profiler"


_MEASURES: Final = Table(
    id="measures",
    title=_figures,
    record=Measure,
    rows=lambda found: [measure for measure in found.measures if measure.base or measure.candidate],
    help="Each metric of base and candidate.",
    columns=(
        Column("metric", "", Kind.TEXT, "; ".join(METRICS.values()), value=lambda row: _LABELS[row.metric]),
        Column("base", "Base", Kind.FIGURE, "The base.", value=lambda row: _value(row.metric, row.base)),
        Column(
            "candidate",
            "Candidate",
            Kind.FIGURE,
            "The candidate.",
            value=lambda row: _value(row.metric, row.candidate),
        ),
        Column("change", "Change", Kind.FIGURE, "Against the base.", value=_change),
    ),
)


def _movers(what: str, kind: Kind, name: Any, title: str = "") -> Table:
    return Table(
        id=what,
        title=title or f"{what.capitalize()} that moved most",
        record=Mover,
        rows=lambda found: getattr(found, what),
        help="GPU work per steady iteration on both sides.",
        is_long=True,
        columns=(
            Column("name", "Per steady iteration", kind, "The work.", value=lambda row: name(row.name)),
            Column("base_us", "GPU before", Kind.TIME, "GPU time in the base."),
            Column("candidate_us", "after", Kind.TIME, "GPU time in the candidate."),
            Column("change_us", "Change", Kind.FIGURE, "The difference.", value=_moved),
            Column("calls", "Calls", Kind.FIGURE, "Calls before and after.", value=_calls),
        ),
    )


_KERNELS: Final = _movers("kernels", Kind.NAME, short_name)
_SLOWER: Final = _movers(
    "slower", Kind.NAME, str, "Same work, slower: this layout, fusion or kernel did not pay"
)


def filled_tables(found: Difference, base: str, medium: str, top: int) -> list[Filled]:
    """The tables of one candidate: measures, waterfall, matched work, kernels, what got slower.

    `top` rows of the last three."""
    tables = [fill(table, found, medium, top) for table in (_MEASURES, MATCHES, _KERNELS, _SLOWER)]
    if found.story is not None:
        tables.insert(1, fill(WATERFALL, found.story, medium))
    measures = tables[0]
    names = (base, found.name)
    headers = [
        replace(c, header=shorten(name, _HEADER_WIDTH))
        for c, name in zip(measures.columns[1:3], names, strict=True)
    ]
    columns = [measures.columns[0], *headers, measures.columns[3]]
    tables[0] = measures._replace(columns=columns)
    return [table for table in tables if table.records]


def render_terminal(comparison: Regression, console: Console, top: int, *, is_full: bool = True) -> None:
    """Print the comparison; names give way where the terminal is narrow.

    Without `is_full` the story, the figures and the waterfall alone.
    """
    page = Page(console)
    for found in comparison.differences:
        page.line(f"{found.name} against {comparison.base}", "bold underline")
        for number, sentence in enumerate(told(found)):
            page.line(sentence, "bold" if number < 2 else "")
        console.print()
        for filled in filled_tables(found, comparison.base, TERMINAL, top):
            if is_full or filled.table.id in _IN_SHORT:
                page.table(filled, _ELSEWHERE)
    if not is_full:
        page.line("--full prints which work and which kernels changed.", "dim")
    for verdict in comparison.verdicts:
        page.line(verdict_line(verdict), "bold red" if verdict.is_met else "green")


def render_markdown(comparison: Regression, top: int) -> str:
    """The comparison as GitHub-flavoured Markdown."""
    parts = [f"# Compared with {plain(comparison.base)}"]
    parts += [f"- {line(verdict_line(verdict))}" for verdict in comparison.verdicts]
    for found in comparison.differences:
        parts += [f"## {plain(found.name)} against {plain(comparison.base)}"]
        parts += ["\n".join(f"- {line(sentence)}" for sentence in told(found))]
        parts += [_markdown(filled) for filled in filled_tables(found, comparison.base, MARKDOWN, top)]
    return units.unbroken("\n\n".join(parts) + "\n")


def told(found: Difference) -> list[str]:
    """The story of a candidate, and what must be known before it is believed."""
    return [*([] if found.story is None else sentences(found.story)), *found.notes]


def verdict_line(verdict: Verdict) -> str:
    """A condition, and the figures that decided."""
    base = "" if verdict.base is None else f"base {verdict.base:.6g}, "
    figures = f"{verdict.metric} of {verdict.name} is {verdict.candidate:.6g}"
    state = "FAIL" if verdict.is_met else "ok"
    return f"{state} `{verdict.condition}`: {figures} ({base}limit {verdict.limit:.6g})"


def _markdown(filled: Filled) -> str:
    table = escaped(filled)
    rows = "\n".join(f"| {' | '.join(cells)} |" for cells in (table.headers, table.rule, *table.rows))
    left_out = f"\n\n{table.left_out} more in compare.json" if table.left_out else ""
    return f"### {table.title}\n\n{rows}{left_out}"
