"""Print the reference of every column: `python -m sdtrace.tables.reference > docs/columns.md`."""

from __future__ import annotations

import re
import sys
from typing import get_type_hints

from sdtrace.tables.catalog import TABLES
from sdtrace.tables.columns import DATA, HTML, MARKDOWN, TERMINAL, Column
from sdtrace.tables.frames import dtypes
from sdtrace.tables.job_tables import JOB_TABLES
from sdtrace.tables.table import Table

_HEAD = """# Every table and column

Made from the declaration of the tables (`sdtrace.tables`) by `python -m sdtrace.tables.reference`. `data` is
`report.json`, CSV, Parquet and frames: exact values under the field's name, times in microseconds with three
decimals (exact nanoseconds). Terminal (T), Markdown (M) and HTML (H) show three significant digits. A column
whose every value is 0 or empty is left out there. Tables with a row for each event (`events`, `launches`,
`memory`) are on the [page of the Python names](api.md#events). Tables whose name begins with `job_` are of
ranks of one job; in `report.json` they are fields of `job`, without `job_` ([several ranks](ranks.md)).
"""


def text() -> str:
    """The page as Markdown, with a newline at its end."""
    return "\n".join([_HEAD, *(_section(table) for table in (*TABLES, *JOB_TABLES))])


def _section(table: Table) -> str:
    types = {name: dtype.__name__ for name, dtype in dtypes(table).items()}
    fields = get_type_hints(table.record)
    rows = [_row(column, types.get(column.field, ""), column.field in fields) for column in table.columns]
    head = "| field | header | type | unit | shown in | meaning |\n|---|---|---|---|---|---|"
    return _linked(f"## `{table.id}`\n\n{table.help}\n\n{head}\n" + "\n".join(rows) + "\n")


def _linked(text: str) -> str:
    """Text with the pages of docs/ that it names as links, seen from there."""
    return re.sub(r"\bdocs/([\w-]+\.md)", r"[\1](\1)", text)


def _row(column: Column, dtype: str, is_field: bool) -> str:
    media = " ".join(letter for letter, medium in _LETTERS if medium in column.media)
    where = f"{media} data".strip() if DATA in column.media else media
    name = f"`{column.field}`" if is_field else "(computed)"
    header = column.header if media else ""
    return f"| {name} | {header} | {dtype} | {column.kind.unit} | {where} | {column.help} |"


_LETTERS = (("T", TERMINAL), ("M", MARKDOWN), ("H", HTML))


if __name__ == "__main__":
    sys.stdout.write(text())
