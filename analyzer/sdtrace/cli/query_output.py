"""What `sdtrace query` writes: results for other programs, and the list of tables."""

from __future__ import annotations

import io
from collections.abc import Iterator
from textwrap import wrap

import polars as pl

from sdtrace.api.event_columns import About
from sdtrace.api.query_tables import columns
from sdtrace.api.sql import TABLES as QUERIED
from sdtrace.report.data_files import inert

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
    return "\n\n".join("\n".join([name, *_lines(columns(name))]) for name in QUERIED)


def _lines(held: dict[str, About]) -> Iterator[str]:
    for name, about in held.items():
        unit = f"{about.unit}. " if about.unit else ""
        first, *rest = wrap(unit + about.help, _WIDTH - _NAME_WIDTH - 2)
        yield f"  {name:<{_NAME_WIDTH - 2}}  {first}"
        yield from (" " * (_NAME_WIDTH + 2) + line for line in rest)
