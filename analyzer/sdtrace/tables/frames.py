"""The tables as polars frames, exact values under the records' own field names."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, get_args, get_origin, get_type_hints

import msgspec
import polars as pl

from sdtrace import model
from sdtrace.tables.catalog import TABLES
from sdtrace.tables.table import Table

_DTYPES: dict[object, type[pl.DataType]] = {
    int: pl.Int64,
    float: pl.Float64,
    bool: pl.Boolean,
    str: pl.String,
}


def frames(report: model.Report) -> dict[str, pl.DataFrame]:
    """Each table by id; the first column, `trace`, names the trace a row belongs to."""
    return {table.id: _frame(report, table) for table in TABLES}


def dtypes(table: Table) -> dict[str, type[pl.DataType]]:
    """The columns of a table's frame with their types, in the order of the record."""
    return {name: _dtype(hint) for name, hint in get_type_hints(table.record).items()}


def _frame(report: model.Report, table: Table) -> pl.DataFrame:
    schema = {"trace": pl.String} | dtypes(table)
    return pl.DataFrame(list(_rows(report, table)), schema=schema, orient="row")


def _rows(report: model.Report, table: Table) -> Iterator[tuple[Any, ...]]:
    for trace in report.traces:
        for row in getattr(trace, table.id):
            yield (trace.name, *msgspec.structs.astuple(row))


def _dtype(hint: object) -> type[pl.DataType]:
    """The column type of a field: `float | None` is a nullable float, a Literal of strings a string."""
    if hint in _DTYPES:
        return _DTYPES[hint]
    first = get_args(hint)[0]
    return _dtype(first if get_origin(hint) is not None and isinstance(first, type) else type(first))
