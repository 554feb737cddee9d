"""What `sdtrace query` writes: results for other programs, and the list of tables."""

from __future__ import annotations

import io
from collections.abc import Iterator
from textwrap import wrap

import polars as pl

from sdtrace.api.event_columns import EVENTS, LAUNCHES, MEMORY, About
from sdtrace.api.sql import TABLES as QUERIED
from sdtrace.report.data_files import inert
from sdtrace.tables import DATA, TABLES

_OTHER_NAMES = {"compile_stages": "compile"}
_NAME_WIDTH, _WIDTH = 26, 79


def written(result: pl.DataFrame, name: str) -> bytes:
    """All rows as `csv`, `json` (a list of objects) or `parquet`."""
    if name == "csv":
        return inert(result).write_csv().encode()
    if name == "json":
        return result.write_json().encode() + b"\n"
    file = io.BytesIO()
    result.write_parquet(file)
    return file.getvalue()


def tables() -> str:
    """Every table with its columns, 80 characters wide."""
    return "\n\n".join("\n".join([name, *_lines(_columns(name))]) for name in QUERIED)


def _columns(name: str) -> dict[str, About]:
    own = {"events": EVENTS, "launches": LAUNCHES, "memory": MEMORY}
    if name in own:
        return own[name]
    table = next(table for table in TABLES if table.id == _OTHER_NAMES.get(name, name))
    held = [column for column in table.columns if DATA in column.media]
    return {column.field: About(column.kind.unit, column.help) for column in held}


def _lines(columns: dict[str, About]) -> Iterator[str]:
    for name, about in columns.items():
        unit = f"{about.unit}. " if about.unit else ""
        first, *rest = wrap(unit + about.help, _WIDTH - _NAME_WIDTH - 2)
        yield f"  {name:<{_NAME_WIDTH - 2}}  {first}"
        yield from (" " * (_NAME_WIDTH + 2) + line for line in rest)
