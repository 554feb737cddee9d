"""The report on a terminal: what matters first, at 80 columns, and nothing that a terminal would obey."""

from __future__ import annotations

from rich.cells import cell_len
from rich.console import Console
from rich.table import Table
from rich.text import Text

from sdtrace.model import Finding, Report, TraceReport
from sdtrace.report import charts, sections, summary, units
from sdtrace.report.names import code_spans, shorten, visible
from sdtrace.report.sections import Kind, Section

_PHASES = {
    "compile": "blue",
    "autotune": "yellow",
    "capture": "magenta",
    "warmup": "cyan",
    "steady": "green",
    "other": "bright_black",
}
_SEVERITIES = {"high": "bold red", "medium": "yellow", "low": "cyan", "info": "dim"}
_NARROWEST_NAME = 26
_WIDEST_NAME = 70
_GAP = 2
_INDENT = 3
_ASCII = str.maketrans(
    {"\u00b5": "u", "\u2013": "-", "\u2026": "~", "\u00d7": "x", "\u2192": ">", "\u201c": '"', "\u201d": '"'}
)


def render_terminal(report: Report, console: Console, top: int) -> None:
    """Print the report; `top` rows of each long table.

    Whether there are colours is the console's affair (`NO_COLOR`, pipes): they only repeat what the
    words say. What the console's encoding cannot write is spelled out.
    """
    page = _Page(console, top)
    standings = summary.standings(report)
    if standings:
        page.section(sections.comparison(report))
        for standing in standings:
            if standing.arithmetic:
                page.line(f"{standing.trace.name}: {standing.arithmetic}")
        console.print()
    for trace in report.traces:
        page.trace(trace)


def print_wrapped(text: Text, console: Console, indent: int = 0) -> None:
    """Print without the blanks at the ends of lines that would be copied along."""
    for line in text.wrap(console, console.width - indent):
        line.rstrip()
        console.print(Text(" " * indent).append_text(line), no_wrap=True)


class _Page:
    """A console, and the number of rows that a long table gets on it."""

    def __init__(self, console: Console, top: int) -> None:
        self.console = console
        self.top = top

    def trace(self, trace: TraceReport) -> None:
        self.line(trace.name, "bold underline")
        for caveat in summary.caveats(trace):
            self.line(f"! {caveat}", "yellow")
        self.line(summary.headline(trace))
        self.line("; ".join(summary.steady_details(trace)), "dim")
        self.console.print()
        self.strip(trace)
        tables = sections.sections(trace, self.top)
        for table in tables[:1]:
            self.section(table)
        for number, finding in enumerate(trace.findings, start=1):
            self.finding(number, finding)
        for table in tables[1:]:
            self.section(table)
        for note in filter(None, (summary.feeding(trace), *trace.notes)):
            self.line(note, "dim")
        self.console.print()

    def strip(self, trace: TraceReport) -> None:
        """The phases side by side, where there are colours to tell them apart."""
        if self.console.color_system is None or self.console.no_color:
            return
        strip = Text()
        for segment in charts.stack(summary.phase_shares(trace)):
            start, end = (round(self.console.width * x / 100) for x in (segment.x, segment.x + segment.width))
            strip.append(" " * (end - start), f"on {_PHASES[segment.style]}")
        self.console.print(strip, "", sep="\n")

    def finding(self, number: int, finding: Finding) -> None:
        title = self.text(f"{number}. {finding.severity}  ", _SEVERITIES[finding.severity])
        title.append_text(self.prose(finding.title, "bold"))
        print_wrapped(title, self.console)
        saving = "" if finding.saving_us is None else f"saves {units.duration(finding.saving_us)}, "
        below = [
            (finding.evidence, ""),
            (f"→ {finding.advice}", ""),
            (f"{saving}{finding.confidence}", "dim"),
        ]
        for text, style in below:
            print_wrapped(self.prose(text, style), self.console, _INDENT)
        self.console.print()

    def section(self, section: Section) -> None:
        fitting, name_width = self.fitted(section)
        table = Table(box=None, padding=(0, _GAP, 0, 0), pad_edge=False, header_style="dim")
        for column in fitting.columns:
            table.add_column(
                self.text(column.header),
                justify="right" if column.kind is Kind.NUMBER else "left",
                no_wrap=column.kind is not Kind.PROSE,
                overflow="fold" if column.kind is Kind.PROSE else "crop",
            )
        for row in fitting.rows:
            cells = zip(row, fitting.columns, strict=True)
            table.add_row(*(self.cell(cell, column.kind, name_width) for cell, column in cells))
        self.line(section.title, "bold")
        self.console.print(table)
        if section.left_out:
            self.line(f"{units.count(section.left_out)} more in report.json", "dim")
        self.console.print()

    def fitted(self, section: Section) -> tuple[Section, int]:
        """The section without the last columns that leave its names too little room; that room."""
        widths = [
            max(cell_len(self.plain(cell)) for cell in [column.header, *(row[index] for row in section.rows)])
            for index, column in enumerate(section.columns)
        ]
        names = [column.kind is Kind.NAME for column in section.columns]
        if not any(names):
            return section, self.console.width
        wanted = max(width for width, is_name in zip(widths, names, strict=True) if is_name)
        kept = len(widths)
        while True:
            others = [width for width, is_name in zip(widths[:kept], names, strict=False) if not is_name]
            room = self.console.width - sum(others) - _GAP * (kept - 1)
            if kept <= 2 or room >= min(wanted, _NARROWEST_NAME):
                break
            kept -= 1
        shown = section._replace(columns=section.columns[:kept], rows=[row[:kept] for row in section.rows])
        return shown, max(min(room, _WIDEST_NAME), 8)

    def cell(self, text: str, kind: Kind, name_width: int) -> Text:
        if kind is Kind.NAME:
            return self.text(shorten(visible(text), name_width))
        if kind is Kind.PHASE:
            return self.text(text, _PHASES[charts.phase_style(text)])
        return self.prose(text) if kind is Kind.PROSE else self.text(text)

    def line(self, text: str, style: str = "") -> None:
        print_wrapped(self.prose(text, style), self.console)

    def prose(self, text: str, style: str = "") -> Text:
        """A sentence, its backticks gone and what they held in bold."""
        line = Text(style=style)
        for is_code, piece in code_spans(self.plain(text)):
            line.append(piece, "bold" if is_code else None)
        return line

    def text(self, text: str, style: str = "") -> Text:
        """Text as it stands: never read as markup."""
        return Text(self.plain(text), style=style)

    def plain(self, text: str) -> str:
        """Text that a terminal only shows, in characters that its encoding has."""
        shown = visible(text).replace(units.NARROW_SPACE, " ")
        if self.console.options.ascii_only:
            shown = shown.translate(_ASCII)
        encoding = self.console.encoding
        return shown.encode(encoding, "backslashreplace").decode(encoding)
