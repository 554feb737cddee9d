"""The report's tables as CSV and Parquet: one file per table, every row of every trace."""

from __future__ import annotations

import io
import re
from collections.abc import Callable

import polars as pl

from sdtrace import model
from sdtrace.safe_text import visible
from sdtrace.tables.frames import frames

_FORMULA = re.compile(r"\s*[=+\-@\uff1d\uff0b\uff0d\uff20]|[\t\r]")
"""What a spreadsheet takes for a formula: after blanks too, and in letters of full width."""


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


def _files(
    report: model.Report, suffix: str, write: Callable[[pl.DataFrame, io.BytesIO], None]
) -> dict[str, bytes]:
    contents = {}
    for table, frame in frames(report).items():
        out = io.BytesIO()
        write(frame, out)
        contents[table + suffix] = out.getvalue()
    return contents
