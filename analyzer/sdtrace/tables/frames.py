"""The tables as polars frames, exact values under the records' own field names."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal, get_args, get_origin, get_type_hints

import polars as pl

from sdtrace import model
from sdtrace.model.struct import Struct
from sdtrace.tables.catalog import TABLES
from sdtrace.tables.job_tables import JOB_TABLES, field_of
from sdtrace.tables.table import Table

_DTYPES: dict[object, type[pl.DataType]] = {
    int: pl.Int64,
    float: pl.Float64,
    bool: pl.Boolean,
    str: pl.String,
}
_BY_ID = {table.id: table for table in (*TABLES, *JOB_TABLES)}


def frames(report: model.Report) -> dict[str, pl.DataFrame]:
    """Each table by id; a first column `trace` names the trace of a row, but for tables of a job."""
    of_traces = {table.id: _of_all(report, table) for table in TABLES}
    return of_traces | {table.id: _of_job(report.job, table) for table in JOB_TABLES}


def frame(table: str, records: Sequence[Any]) -> pl.DataFrame:
    """The rows of one table, by its id."""
    columns = dtypes(_BY_ID[table])
    rows = [[getattr(record, name) for name in columns] for record in records]
    return pl.DataFrame(rows, schema=columns, orient="row")


def dtypes(table: Table) -> dict[str, type[pl.DataType]]:
    """The columns of a table's frame with their types, in the order of the record.

    Lists and records in it are in no frame.
    """
    hints = get_type_hints(table.record).items()
    return {name: _dtype(hint) for name, hint in hints if not _is_nested(hint)}


def _is_nested(hint: object) -> bool:
    parts = (hint, *get_args(hint))
    return get_origin(hint) is list or any(
        isinstance(part, type) and issubclass(part, Struct) for part in parts
    )


def _of_all(report: model.Report, table: Table) -> pl.DataFrame:
    none = pl.DataFrame(schema={"trace": pl.String, **dtypes(table)})
    return pl.concat([none, *(_of_trace(trace, table) for trace in report.traces)])


def _of_job(job: model.Job | None, table: Table) -> pl.DataFrame:
    return frame(table.id, getattr(job, field_of(table)) if job else [])


def _of_trace(trace: model.TraceReport, table: Table) -> pl.DataFrame:
    rows = frame(table.id, getattr(trace, table.id))
    return rows.select(pl.lit(trace.name, pl.String).alias("trace"), pl.all())


def _dtype(hint: object) -> type[pl.DataType]:
    """The column type of a field: `float | None` is a nullable float, a Literal of strings a string."""
    if hint in _DTYPES:
        return _DTYPES[hint]
    first = get_args(hint)[0]
    return _dtype(type(first) if get_origin(hint) is Literal else first)
