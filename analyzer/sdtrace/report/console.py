"""Texts and tables on a terminal: fitted to its width, and nothing in them that a terminal would obey."""

from __future__ import annotations

from rich.cells import cell_len
from rich.console import Console
from rich.table import Table as RichTable
from rich.text import Text

from sdtrace import units
from sdtrace.model import Verdict
from sdtrace.report.charts import phase_style
from sdtrace.report.names import code_spans, shorten, visible
from sdtrace.tables import Filled, Kind

PHASE_COLOURS = {
    "compile": "blue",
    "autotune": "yellow",
    "capture": "magenta",
    "warmup": "cyan",
    "steady": "green",
    "other": "bright_black",
}
SEVERITIES = {"high": "bold red", "medium": "yellow", "low": "cyan", "info": "dim"}
_NARROWEST_NAME = 26
_WIDEST_NAME = 70
_LEAST_NAME = 8
_GAP = 2
_GLUE = "\ue000"
"""Stands for the space between a figure and its unit while lines are broken: no blank, one cell wide."""
_LABEL_WIDTH = 10
"""Of the labels of a verdict, with the gap behind them."""
_ASCII = str.maketrans(
    {"\u00b5": "u", "\u2013": "-", "\u2026": "~", "\u00d7": "x", "\u2192": ">", "\u201c": '"', "\u201d": '"'}
    | {"\u2212": "-"}
)


class Page:
    """A console that prints sentences and tables."""

    def __init__(self, console: Console) -> None:
        self.console = console

    def line(self, text: str, style: str = "", indent: int = 0) -> None:
        """A sentence, wrapped, what stands in backticks in bold."""
        self.wrapped(self.prose(text, style), indent)

    def wrapped(self, text: Text, indent: int = 0) -> None:
        """Print without the blanks at the ends of lines that would be copied along."""
        for line in self.broken(text, indent):
            self.console.print(line, no_wrap=True)

    def lines(self, text: str, style: str = "", indent: int = 0) -> list[Text]:
        """The lines that `line` prints."""
        return self.broken(self.prose(text, style), indent)

    def broken(self, text: Text, indent: int = 0) -> list[Text]:
        """The lines that `wrapped` prints."""
        glued = text.copy()
        glued.plain = units.unbroken(text.plain, _GLUE)
        lines = glued.wrap(self.console, self.console.width - indent)
        for line in lines:
            line.plain = line.plain.replace(_GLUE, " ")
            line.rstrip()
        return [Text(" " * indent).append_text(line) for line in lines]

    def table(self, filled: Filled, elsewhere: str = "report.json") -> None:
        """A table with its title; how many rows are left out, and where they are."""
        fitting, name_width = self._fitted(filled)
        table = RichTable(box=None, padding=(0, _GAP, 0, 0), pad_edge=False, header_style="dim")
        for column in fitting.columns:
            is_prose = column.kind is Kind.PROSE
            table.add_column(
                self.text(column.header),
                justify="right" if column.kind.is_number else "left",
                no_wrap=not is_prose,
                overflow="fold" if is_prose else "crop",
            )
        for row in fitting.cells:
            pairs = zip(row, fitting.columns, strict=True)
            table.add_row(*(self._cell(cell.text, column.kind, name_width) for cell, column in pairs))
        self.line(filled.title, "bold")
        self.console.print(table)
        if filled.left_out:
            self.line(f"{units.count(filled.left_out)} more in {elsewhere}", "dim")
        if filled.note and not filled.table.is_long:
            self.line(filled.note, "dim")
        self.console.print()

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
        shown = visible(text)
        if self.console.options.ascii_only:
            shown = shown.translate(_ASCII)
        encoding = self.console.encoding
        return shown.encode(encoding, "backslashreplace").decode(encoding)

    def _fitted(self, filled: Filled) -> tuple[Filled, int]:
        """The table without the last columns that leave its names too little room; that room."""
        widths = [
            max(
                cell_len(self.plain(text)) for text in (column.header, *(row[i].text for row in filled.cells))
            )
            for i, column in enumerate(filled.columns)
        ]
        names = [column.kind is Kind.NAME for column in filled.columns]
        if not any(names):
            return filled, self.console.width
        wanted = max(width for width, is_name in zip(widths, names, strict=True) if is_name)
        for kept in range(len(widths), 0, -1):
            others = [width for width, is_name in zip(widths[:kept], names, strict=False) if not is_name]
            room = self.console.width - sum(others) - _GAP * (kept - 1)
            if kept <= 2 or room >= min(wanted, _NARROWEST_NAME):
                break
        shown = filled._replace(columns=filled.columns[:kept], cells=[row[:kept] for row in filled.cells])
        return shown, max(min(room, _WIDEST_NAME), _LEAST_NAME)

    def _cell(self, text: str, kind: Kind, name_width: int) -> Text:
        if kind is Kind.NAME:
            return self.text(shorten(visible(text), name_width))
        if kind is Kind.PHASE:
            return self.text(text, PHASE_COLOURS[phase_style(text)])
        return self.prose(text) if kind is Kind.PROSE else self.text(text)


def verdict_lines(page: Page, verdict: Verdict) -> list[Text]:
    """A verdict line by line: its labels in a column of their own, the answers in bold."""
    lines: list[Text] = []
    for line in verdict.lines:
        lead, rest = page.plain(line.lead), page.plain(line.rest)
        told = Text.assemble((lead, "bold"), " " if lead and rest else "", rest)
        first, *others = page.broken(told, _LABEL_WIDTH)
        head = Text.assemble((f"{line.label:<{_LABEL_WIDTH}}", "dim"), first[_LABEL_WIDTH:])
        lines += [head, *others]
    return lines
