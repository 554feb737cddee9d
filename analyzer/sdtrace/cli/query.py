"""`sdtrace query`: SQL over traces, or over a store of them."""

from __future__ import annotations

import sys
from pathlib import Path
from shutil import get_terminal_size
from typing import TYPE_CHECKING

import click

from sdtrace.cli.inputs import CACHE, load, read_each
from sdtrace.errors import UsageError
from sdtrace.safe_text import visible

if TYPE_CHECKING:
    import polars as pl

    from sdtrace.fleets.store import Store

_ROWS = 50
_NAME_CHARS = 80
_FORMATS = ("table", "csv", "json", "parquet")


@click.command("query", short_help="Ask traces in SQL.")
@click.argument("words", nargs=-1, metavar='TRACE... "SELECT ..."')
@click.option("--tables", is_flag=True, help="List all tables and columns with their units.")
@click.option(
    "--format",
    "written",
    type=click.Choice(_FORMATS),
    default="table",
    show_default=True,
    help="csv, json and parquet give all rows, for pipes and files.",
)
@click.option("--csv", "as_csv", is_flag=True, hidden=True, help="The same as --format csv.")
@click.option("--rows", type=click.IntRange(min=1), default=_ROWS, show_default=True, help="Rows of a table.")
@CACHE
def command(words: tuple[str, ...], tables: bool, written: str, as_csv: bool, rows: int) -> int:
    """Run SQL on the tables of one or more traces; their first column, `trace`, names the trace.

    \b
    events    every event      launches  kernels, copies and fills by launch
    ops, kernels, categories, components, phases, iterations, steps, idle,
    compile_stages, devices, memory, findings     as in report.json

    A store that `sdtrace fleet` made has traces, ops, kernels, categories,
    components, iterations, findings, jobs, job_ranks and failures, with the
    facts of each run.

    \b
    sdtrace query X.json "SELECT category, sum(total_us) AS us
      FROM kernels GROUP BY category ORDER BY us DESC"
    sdtrace query A.json B.json "SELECT trace, step, sum(dur_ns) AS ns
      FROM launches WHERE component = 'unet' GROUP BY trace, step"
    """
    from sdtrace.cli import query_output  # noqa: PLC0415  # keeps --help fast

    if tables:
        click.echo(query_output.tables())
        return 0
    if len(words) < 2:
        raise UsageError('give a trace and a query: sdtrace query X.json "SELECT * FROM kernels"')
    from sdtrace.api.sql import query  # noqa: PLC0415  # as above

    *traces, sql = words
    written = "csv" if as_csv else written
    if (store := _store(traces)) is not None:
        from sdtrace.api.sql import query_store  # noqa: PLC0415  # as above

        _show(query_store(store, sql), written, rows)
        return 0
    analyses, failures = read_each(traces, load)
    if analyses:
        _show(query(analyses, sql), written, rows)
    return 3 if failures else 0


def _store(names: list[str]) -> Store | None:
    """The store that is asked, if it is one; it is asked alone."""
    from sdtrace.fleets.store import is_store, open_store  # noqa: PLC0415  # as above

    stores = [name for name in names if is_store(Path(name))]
    if stores and len(names) > 1:
        raise UsageError(f"{stores[0]}: a store is asked alone, without other stores and traces")
    return open_store(Path(stores[0])) if stores else None


def _show(result: pl.DataFrame, written: str, rows: int) -> None:
    from sdtrace.cli import query_output  # noqa: PLC0415  # as above

    if written == "table":
        _print(result, rows)
    else:
        sys.stdout.flush()
        sys.stdout.buffer.write(query_output.written(result, written))


def _print(result: pl.DataFrame, rows: int) -> None:
    import polars as pl  # noqa: PLC0415  # as above

    with pl.Config(
        tbl_rows=-1,
        tbl_cols=-1,
        tbl_width_chars=get_terminal_size().columns,
        tbl_hide_column_data_types=True,
        tbl_hide_dataframe_shape=True,
        fmt_str_lengths=_NAME_CHARS,
    ):
        click.echo("\n".join(map(visible, str(result.head(rows)).splitlines())))
    if result.height > rows:
        click.echo(f"{result.height - rows:,} more rows: --rows N, or --format csv for all", err=True)
