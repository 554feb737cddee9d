"""The report's tables as CSV and Parquet: one file per table, every row of every trace."""

from __future__ import annotations

import io
from collections.abc import Callable

import polars as pl

from sdtrace import model
from sdtrace.tables.frames import frames


def csv_files(report: model.Report) -> dict[str, bytes]:
    """File name to CSV. Text that a spreadsheet would run as a formula is led by an apostrophe."""
    return _files(report, ".csv", lambda frame, out: _inert(frame).write_csv(out))


def parquet_files(report: model.Report) -> dict[str, bytes]:
    """File name to Parquet, names exactly as the trace has them."""
    return _files(report, ".parquet", lambda frame, out: frame.write_parquet(out))


def _files(
    report: model.Report, suffix: str, write: Callable[[pl.DataFrame, io.BytesIO], None]
) -> dict[str, bytes]:
    contents = {}
    for table, frame in frames(report).items():
        out = io.BytesIO()
        write(frame, out)
        contents[table + suffix] = out.getvalue()
    return contents


def _inert(frame: pl.DataFrame) -> pl.DataFrame:
    text = pl.col(pl.String)
    return frame.with_columns(
        pl.when(text.str.contains(r"^\s*[=+\-@\t\r]")).then("'" + text).otherwise(text).name.keep()
    )
