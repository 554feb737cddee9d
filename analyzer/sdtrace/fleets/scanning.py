"""How Parquet files are read lazily, by polars of any version that sdtrace runs with."""

from __future__ import annotations

from inspect import signature
from pathlib import Path
from typing import Any, Final

import polars as pl

_OTHER_COLUMNS: Final[dict[str, Any]] = (
    {"missing_columns": "insert", "extra_columns": "ignore"}
    if "missing_columns" in signature(pl.scan_parquet).parameters
    else {"allow_missing_columns": True}
)


def scan(paths: list[Path]) -> pl.LazyFrame:
    """The rows of files, given in the order in which they were written; older ones may lack columns."""
    # The newest first: its columns are those of the table.
    return pl.scan_parquet(paths[::-1], **_OTHER_COLUMNS)


def collected(frame: pl.LazyFrame) -> pl.DataFrame:
    """The rows, computed in pieces where this polars can."""
    try:
        return frame.collect(engine="streaming")
    except ValueError:  # before 1.23
        return frame.collect()
