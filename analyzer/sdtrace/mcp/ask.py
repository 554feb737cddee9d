"""The tables of a trace, and SQL over them."""

from __future__ import annotations

from typing import Final

from sdtrace import units
from sdtrace.api import Analysis
from sdtrace.api.query_tables import about, columns
from sdtrace.api.sql import TABLES
from sdtrace.api.sql import query as run_query
from sdtrace.errors import UsageError
from sdtrace.mcp.text import table as written
from sdtrace.suggestions import did_you_mean

ROWS: Final = 20
"""Rows of an answer, unless more are asked for."""
_TRACE: Final = "trace"


def tables(name: str | None = None) -> str:
    """Every table with its columns; of the table `name` what each column means, in which unit.

    Raises UsageError when there is no such table.
    """
    if name is None:
        lines = [f"{each}: {', '.join(columns(each))}" for each in TABLES]
        units_told = "Names that end in _us are microseconds, in _ns nanoseconds, in _bytes bytes."
        return "\n".join([*lines, f"{units_told} tables(name) says what each column means."])
    if name not in TABLES:
        raise UsageError(f"no table {name!r}{did_you_mean(name, TABLES)}; there are {', '.join(TABLES)}")
    held = columns(name)
    lines = [f"{column}: {each.unit + '. ' if each.unit else ''}{each.help}" for column, each in held.items()]
    return "\n".join([f"{name}: {about(name)}", *lines])


def query(one: Analysis, sql: str, limit: int = ROWS, *, whole: bool = False) -> str:
    """The first `limit` rows that `sql` selects; long texts are cut unless they are to be `whole`.

    Raises UsageError when the query is wrong, or reads anything but the trace.
    """
    found = run_query([one], sql)
    if found.width > 1 and found.columns[0] == _TRACE:
        found = found.drop(_TRACE)  # the same in every row
    shown = found.head(max(1, limit))
    said = units.counted(found.height, "row")
    head = said if shown.height == found.height else f"{said}, the first {shown.height}"
    return f"{head}\n{written(shown.columns, shown.iter_rows(), whole=whole)}"
