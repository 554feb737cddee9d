"""What `sdtrace hta` prints and writes."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence
from pathlib import Path
from typing import Final

import polars as pl

from sdtrace.atomic_files import write_all
from sdtrace.hta.results import Result, Table
from sdtrace.report.data_files import inert
from sdtrace.report.names import shorten
from sdtrace.safe_text import visible
from sdtrace.units import count

_WIDTH: Final = 80
_GAP: Final = 2
_LEAST_TEXT: Final = 12
_MISSING: Final = "-"


def as_text(result: Result, top: int) -> str:
    """The tables of a result, 80 columns wide and `top` rows long; else what the trace lacks, in one line."""
    if result.lacks:
        return f"{result.analysis}: {visible(result.lacks)}\n"
    return "\n".join(_table(table, top) for table in result.tables)


def write(results: Sequence[Result], folder: Path, *, force: bool) -> list[Path]:
    """Write tables as CSV and JSON, all rows, and traces. Raises OutputError as `write_all` does."""
    contents = {folder / name: content for result in results for name, content in result.files.items()}
    for table in (table for result in results for table in result.tables):
        contents[folder / f"hta_{table.name}.csv"] = inert(table.rows).write_csv().encode()
        contents[folder / f"hta_{table.name}.json"] = table.rows.write_json().encode() + b"\n"
    return write_all(contents, force=force)


def _table(table: Table, top: int) -> str:
    shown = table.rows.head(top)
    columns = [_cells(shown[name]) for name in shown.columns]
    numeric = [shown[name].dtype.is_numeric() for name in shown.columns]
    widths = _widths(columns, numeric)
    lines = [visible(shorten(table.title, _WIDTH))]
    for row in zip(*columns, strict=True):
        cells = (
            cell.rjust(width) if right else shorten(cell, width).ljust(width)
            for cell, width, right in zip(row, widths, numeric, strict=True)
        )
        lines.append((" " * _GAP).join(cells).rstrip())
    if table.rows.height > top:
        lines.append(f"{count(table.rows.height - top)} more rows: --top N, or -o FOLDER for all")
    lines += textwrap.wrap(visible(table.note), _WIDTH)
    return "\n".join(lines) + "\n"


def _cells(column: pl.Series) -> list[str]:
    """The header of a column and its values as text."""
    return [column.name, *(_cell(value) for value in column.to_list())]


def _cell(value: object) -> str:
    if value is None:
        return _MISSING
    if isinstance(value, float):
        return f"{value:,.3f}"
    return visible(str(value)) if isinstance(value, str) else str(value)


def _widths(columns: list[list[str]], numeric: list[bool]) -> list[int]:
    """The width of each column; those of text share what the numbers leave."""
    wanted = [max(map(len, cells)) for cells in columns]
    taken = sum(width for width, is_number in zip(wanted, numeric, strict=True) if is_number)
    room = _WIDTH - taken - _GAP * (len(columns) - 1)
    texts = sorted(width for width, is_number in zip(wanted, numeric, strict=True) if not is_number)
    limit = room
    for place, width in enumerate(texts):
        share = max(room // (len(texts) - place), _LEAST_TEXT)
        limit = share
        if width > share:
            break
        room -= width
    return [
        width if is_number else min(width, limit) for width, is_number in zip(wanted, numeric, strict=True)
    ]
