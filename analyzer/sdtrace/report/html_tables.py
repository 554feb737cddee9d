"""A filled table as an HTML page shows it: headers, cells, bars; long ones also packed for the script."""

from __future__ import annotations

import base64
import json
import zlib
from collections.abc import Mapping
from typing import Any, NamedTuple

from sdtrace.report.charts import BarShape, bars
from sdtrace.report.names import shorten, visible
from sdtrace.tables import Cell, Column, Filled, Kind, full_name
from sdtrace.units import unbroken

_SHORT = 68
_LONGEST_NAME = 400
"""Template arguments run to thousands of characters; the whole name is in report.json."""


class HtmlCell(NamedTuple):
    """What is shown; `full` is the whole of a shortened name, or the identifier behind words."""

    text: str
    full: str
    kind: str


class HtmlRow(NamedTuple):
    """The cells of a row, the first its header, with its bar if the table has any."""

    cells: list[HtmlCell]
    bar: BarShape | None


class HtmlTable(NamedTuple):
    """A table of the page."""

    anchor: str
    filled: Filled
    rows: list[HtmlRow]
    sorted_by: int
    has_bars: bool
    has_cut_bars: bool

    @property
    def sort_header(self) -> str:
        """The column that decides which rows are here."""
        return self.filled.columns[self.sorted_by].header


def html_table(filled: Filled, anchor: str) -> HtmlTable:
    """The table with texts that a page may show."""
    shapes = bars(filled)
    rows = [
        HtmlRow(_cells(filled, number), shapes[number] if shapes else None)
        for number in range(len(filled.records))
    ]
    return HtmlTable(
        anchor=anchor,
        filled=filled,
        rows=rows,
        sorted_by=filled.place(filled.table.sorted_by),
        has_bars=bool(shapes),
        has_cut_bars=any(shape.cut for shape in shapes),
    )


def fitted(tables: Mapping[str, Filled], room: int) -> tuple[dict[str, Filled], str]:
    """The tables, every one cut to the same number of rows, so that they pack into `room` characters.

    And what they pack into.
    """
    most = max((len(filled.records) for filled in tables.values()), default=0)
    kept = dict(tables)
    while len(data := packed(kept)) > room and most > 1:
        most //= 2
        kept = {anchor: _cut(filled, most) for anchor, filled in kept.items()}
    return kept, data


def packed(tables: dict[str, Filled]) -> str:
    """All rows of the tables, by anchor, for the page's script: JSON, deflated, in base64.

    A row is [full name, short name, keys to sort by, texts of the other cells]. Names come once however
    many rows and traces share them, and base64 has no character that could end the element it stands in.
    """
    names: dict[str, int] = {}

    def number(name: str) -> int:
        return names.setdefault(name, len(names))

    content = {
        anchor: [
            [number(first.full), number(first.text), _keys(filled, row), [cell.text for cell in others]]
            for row in range(len(filled.records))
            for first, *others in (_cells(filled, row),)
        ]
        for anchor, filled in tables.items()
    }
    text = json.dumps({"names": list(names), "tables": content}, ensure_ascii=False, separators=(",", ":"))
    return base64.b64encode(zlib.compress(text.encode(), 6)).decode("ascii")


def _cut(filled: Filled, most: int) -> Filled:
    return filled._replace(
        records=filled.records[:most],
        cells=filled.cells[:most],
        left_out=filled.left_out + max(0, len(filled.records) - most),
    )


def _keys(filled: Filled, row: int) -> list[Any]:
    """What the cells after the first are sorted by: their value, or their text where that is no number."""
    pairs = zip(filled.columns[1:], filled.cells[row][1:], strict=True)
    return [_key(column, cell, filled.records[row]) for column, cell in pairs]


def _key(column: Column, cell: Cell, record: Any) -> Any:
    if column.unranked is not None and column.unranked(record):
        return None
    return cell.value if column.kind.is_number else cell.text


def _cells(filled: Filled, row: int) -> list[HtmlCell]:
    short, full = full_name(filled, row)
    first, *others = zip(filled.columns, filled.cells[row], strict=True)
    return [_first(first[0], first[1], short, full), *(_cell(column, cell) for column, cell in others)]


def _first(column: Column, cell: Cell, short: str, full: str) -> HtmlCell:
    if column.kind is not Kind.NAME:
        return _cell(column, cell)
    shown = shorten(visible(short), _SHORT)
    return HtmlCell(shown, shorten(visible(full), _LONGEST_NAME), column.kind.value)


def _cell(column: Column, cell: Cell) -> HtmlCell:
    text = unbroken(cell.text) if column.kind.is_number else visible(cell.text)
    full = str(cell.value) if column.labels else text
    return HtmlCell(text, full, "number" if column.kind.is_number else column.kind.value)
