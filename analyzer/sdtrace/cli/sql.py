"""SQL over a trace, and over nothing else: polars could read any file by the name of a function."""

from __future__ import annotations

import re
from typing import Final

import polars as pl

from sdtrace.errors import UsageError

_READERS: Final = re.compile(r"(?<!\w)read_(?:csv|parquet|ipc|json|ndjson)(?!\w)", re.IGNORECASE)
"""Polars' table functions. They are refused anywhere, in texts and comments too: only polars' parser
knows for sure what is a text or a comment."""
_SCAN: Final = re.compile(r"^\s*(?!DF\b)\w+ SCAN\b", re.MULTILINE)
"""A file in a plan of polars, should a later version have more of these functions."""


def run_sql(events: pl.DataFrame, sql: str) -> pl.DataFrame:
    """The rows that `sql` selects from the table `events`.

    Raises UsageError when it is wrong, asks for nothing, or reads anything but `events`.
    """
    if _READERS.search(sql):
        raise _other_table()
    try:
        plan = pl.SQLContext(events=events).execute(sql, eager=False)
        if _SCAN.search(plan.explain(optimized=False)):
            raise _other_table()
        result = plan.collect()
    except pl.exceptions.PolarsError as error:
        reason = (str(error).splitlines() or ["no reason given"])[0]
        raise UsageError(f"the query failed: {reason}; columns: {', '.join(events.columns)}") from error
    if not result.columns:
        raise UsageError("the query asks for nothing; write SELECT ... FROM events")
    return result


def _other_table() -> UsageError:
    return UsageError("a query reads only the trace, no other files; write SELECT ... FROM events")
