"""The report's tables as CSV and Parquet: one file per table, every row of every trace."""

from __future__ import annotations

import io
import re
from collections.abc import Callable, Iterator
from typing import Any, get_args, get_origin, get_type_hints

import msgspec
import polars as pl

from sdtrace import model
from sdtrace.safe_text import visible

TABLES: dict[str, type[model.Struct]] = {
    "ops": model.Op,
    "kernels": model.Kernel,
    "categories": model.Category,
    "phases": model.Phase,
    "iterations": model.Iteration,
    "idle": model.IdleCause,
    "compile": model.CompileStage,
    "components": model.Component,
    "findings": model.Finding,
}
"""The tables by file name, which is also the field of `TraceReport` they come from."""

_DTYPES: dict[object, type[pl.DataType]] = {
    int: pl.Int64,
    float: pl.Float64,
    bool: pl.Boolean,
    str: pl.String,
}
_FORMULA = re.compile(r"\s*[=+\-@\uff1d\uff0b\uff0d\uff20]|[\t\r]")
"""What a spreadsheet takes for a formula: after blanks too, and in letters of full width."""


def frames(report: model.Report) -> dict[str, pl.DataFrame]:
    """Each table as a frame; the first column, `trace`, names the trace a row belongs to."""
    return {table: _frame(report, table, row) for table, row in TABLES.items()}


def csv_files(report: model.Report) -> dict[str, bytes]:
    """File name to CSV; text as `inert` makes it."""
    return _files(report, ".csv", lambda frame, out: inert(frame).write_csv(out))


def parquet_files(report: model.Report) -> dict[str, bytes]:
    """File name to Parquet, names exactly as the trace has them."""
    return _files(report, ".parquet", lambda frame, out: frame.write_parquet(out))


def inert(frame: pl.DataFrame) -> pl.DataFrame:
    """The frame with text that neither a spreadsheet nor a terminal obeys.

    What begins like a formula is led by an apostrophe; controls are spelled out, but for the ends of lines.
    """
    columns = [name for name, dtype in frame.schema.items() if dtype in (pl.String, pl.Categorical, pl.Enum)]
    return frame.with_columns(_inert(frame[name].cast(pl.String)) for name in columns)


def _inert(column: pl.Series) -> pl.Series:
    texts = [text for text in column.unique().to_list() if text is not None]
    acting = {text: shown for text in texts if (shown := _inert_text(text)) != text}
    return column.replace(acting) if acting else column


def _inert_text(text: str) -> str:
    shown = "\n".join(map(visible, text.split("\n")))
    return f"'{shown}" if _FORMULA.match(text) else shown


def _frame(report: model.Report, table: str, row: type[model.Struct]) -> pl.DataFrame:
    schema = {"trace": pl.String} | {name: _dtype(hint) for name, hint in get_type_hints(row).items()}
    return pl.DataFrame(list(_rows(report, table)), schema=schema, orient="row")


def _rows(report: model.Report, table: str) -> Iterator[tuple[Any, ...]]:
    for trace in report.traces:
        for row in getattr(trace, table):
            yield (trace.name, *msgspec.structs.astuple(row))


def _dtype(hint: object) -> type[pl.DataType]:
    """The column type of a field: `float | None` is a nullable float, a Literal of strings a string."""
    if hint in _DTYPES:
        return _DTYPES[hint]
    first = get_args(hint)[0]
    return _dtype(first if get_origin(hint) is not None and isinstance(first, type) else type(first))


def _files(
    report: model.Report, suffix: str, write: Callable[[pl.DataFrame, io.BytesIO], None]
) -> dict[str, bytes]:
    contents = {}
    for table, frame in frames(report).items():
        out = io.BytesIO()
        write(frame, out)
        contents[table + suffix] = out.getvalue()
    return contents
