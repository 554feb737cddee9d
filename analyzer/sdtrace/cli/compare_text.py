"""A comparison in words and tables: once for the terminal, once as Markdown."""

from __future__ import annotations

from rich.console import Console
from rich.table import Table
from rich.text import Text

from sdtrace.analysis.regression import Difference, Measure, Mover, Regression, Verdict
from sdtrace.breakdowns.short_names import short_name
from sdtrace.report import units
from sdtrace.report.markup import code, line, plain, prose
from sdtrace.report.names import shorten, visible
from sdtrace.report.sections import Column, Kind, Section
from sdtrace.report.terminal import print_wrapped

_MEASURES = {
    "steady_ms": "steady iteration",
    "gpu_ms": "GPU time in it",
    "launches": "launches in it",
    "overhead_ms": "paid once in the trace",
    "compile_ms": "  compile",
    "autotune_ms": "  autotune",
    "capture_ms": "  capture",
    "warmup_ms": "  warmup",
    "peak_memory_mib": "peak device memory",
}
_MINUS = "\u2212"
_NAME_WIDTH = 34


def sections(found: Difference, base: str, top: int) -> list[Section]:
    """The tables of one candidate: measures, then movers; `top` rows of each of these."""
    measures = [_measure_cells(measure) for measure in found.measures if measure.base or measure.candidate]
    columns = [Column("", Kind.TEXT), *(Column(name, Kind.NUMBER) for name in (base, found.name, "Change"))]
    tables = [Section(f"{found.name} against {base}", columns, measures, 0)]
    for title, kind, movers in (
        ("Categories that moved most", Kind.TEXT, found.categories),
        ("Kernels that moved most", Kind.NAME, found.kernels),
    ):
        name = short_name if movers is found.kernels else str
        rows = [_mover_cells(name(mover.name), mover) for mover in movers[:top]]
        header = [Column("Per steady iteration", kind)]
        header += [Column(name, Kind.NUMBER) for name in ("GPU before", "after", "Change", "Calls")]
        tables.append(Section(title, header, rows, len(movers) - len(rows)))
    return [table for table in tables if table.rows]


def render_terminal(comparison: Regression, console: Console, top: int) -> None:
    """Print the comparison; names give way where the terminal is narrow."""
    for found in comparison.differences:
        for table in sections(found, comparison.base, top):
            _print_section(table, console)
        for sentence in sentences(found, comparison):
            print_wrapped(Text(_printable(sentence.replace("`", ""), console), "dim"), console)
        console.print()
    for verdict in comparison.verdicts:
        style = "bold red" if verdict.is_met else "green"
        console.print(Text(_printable(verdict_line(verdict).replace("`", ""), console), style))


def render_markdown(comparison: Regression, top: int) -> str:
    """The comparison as GitHub-flavoured Markdown."""
    parts = [f"# {plain(comparison.base)} and what came after"]
    parts += [f"- {line(verdict_line(verdict))}" for verdict in comparison.verdicts]
    for found in comparison.differences:
        parts += [_markdown_table(table) for table in sections(found, comparison.base, top)]
        parts += [line(sentence) for sentence in sentences(found, comparison)]
    return "\n\n".join(parts) + "\n"


def sentences(found: Difference, comparison: Regression) -> list[str]:
    """What the tables must be read with."""
    how = "without the profiler" if comparison.is_unprofiled else "under the profiler, which slows the host"
    told = [f"Steady iterations were timed {how}.", *found.notes]
    return [*told, f"{found.break_even}."] if found.break_even else told


def verdict_line(verdict: Verdict) -> str:
    """A condition, and the figures that decided."""
    base = "" if verdict.base is None else f"base {verdict.base:.6g}, "
    figures = f"{verdict.metric} of {verdict.name} is {verdict.candidate:.6g}"
    state = "FAIL" if verdict.is_met else "ok"
    return f"{state} `{verdict.condition}`: {figures} ({base}limit {verdict.limit:.6g})"


def _measure_cells(measure: Measure) -> list[str]:
    name = _MEASURES[measure.metric]
    values = [_value(measure.metric, value) for value in (measure.base, measure.candidate)]
    return [name, *values, _percent(measure.change_pct)]


def _value(metric: str, value: float | None) -> str:
    if value is None:
        return units.MISSING
    if metric.endswith("_ms"):
        return units.duration(value * 1000)
    return units.size(value * 2**20) if metric.endswith("_mib") else units.count(value)


def _percent(change: float | None) -> str:
    if change is None:
        return units.MISSING
    return f"{'+' if change >= 0 else _MINUS}{abs(change):.1f}{units.NARROW_SPACE}%"


def _mover_cells(name: str, mover: Mover) -> list[str]:
    sign = "+" if mover.change_us >= 0 else _MINUS
    calls = f"{units.count(round(mover.base_calls, 1))} → {units.count(round(mover.candidate_calls, 1))}"
    changes = {"appeared": "new", "disappeared": "gone", "moved": ""}
    change = f"{changes[mover.state]} {sign}{units.duration(abs(mover.change_us))}".strip()
    return [name, units.duration(mover.base_us), units.duration(mover.candidate_us), change, calls]


def _print_section(section: Section, console: Console) -> None:
    table = Table(box=None, padding=(0, 2, 0, 0), pad_edge=False, header_style="dim")
    for column in section.columns:
        header = _printable(shorten(column.header, 22), console)
        is_number = column.kind is Kind.NUMBER
        table.add_column(
            Text(header), justify="right" if is_number else "left", no_wrap=True, overflow="ellipsis"
        )
    width = max(_NAME_WIDTH, console.width - 46)
    for row in section.rows:
        table.add_row(*(Text(_printable(shorten(visible(cell), width), console)) for cell in row))
    console.print(Text(_printable(section.title, console), "bold"))
    console.print(table)
    if section.left_out:
        console.print(Text(f"{section.left_out} more with --top or --format json", "dim"))
    console.print()


def _printable(text: str, console: Console) -> str:
    """Text that a terminal only shows, in characters that its encoding has."""
    shown = visible(text).replace(units.NARROW_SPACE, " ")
    return shown.encode(console.encoding, "replace").decode(console.encoding)


def _markdown_table(section: Section) -> str:
    kinds = [column.kind for column in section.columns]
    head = [plain(column.header) for column in section.columns]
    rule = ["---:" if kind is Kind.NUMBER else "---" for kind in kinds]
    rows = [
        [code(cell) if kind is Kind.NAME else prose(cell) for cell, kind in zip(row, kinds, strict=True)]
        for row in section.rows
    ]
    table = "\n".join(f"| {' | '.join(cells)} |" for cells in (head, rule, *rows))
    left_out = f"\n\n{section.left_out} more in compare.json" if section.left_out else ""
    return f"## {plain(section.title)}\n\n{table}{left_out}"
