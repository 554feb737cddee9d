"""`sdtrace query`: SQL over the events of a trace."""

from __future__ import annotations

import sys
from shutil import get_terminal_size

import click

from sdtrace.cli.inputs import ONE_TRACE, one_file
from sdtrace.safe_text import visible

_ROWS = 50
_NAME_CHARS = 80


@click.command("query", short_help="Ask a trace in SQL.")
@ONE_TRACE
@click.argument("sql")
@click.option("--csv", "as_csv", is_flag=True, help="All rows as CSV, for pipes.")
@click.option("--rows", type=click.IntRange(min=1), default=_ROWS, show_default=True, help="Rows to print.")
def command(trace: str, sql: str, as_csv: bool, rows: int) -> None:
    """Run SQL on the table `events` of TRACE.

    Columns: name, category, thread, start_ns, dur_ns (integer nanoseconds since the first event),
    external_id, correlation, nbytes, phase (of the launch, for device work).

    \b
    sdtrace query X.json "SELECT name, count(*) n, sum(dur_ns) ns
      FROM events WHERE category = 'kernel' AND phase = 'steady'
      GROUP BY name ORDER BY ns DESC"
    """
    import polars as pl  # noqa: PLC0415  # keeps --help fast

    from sdtrace.analysis import events_frame  # noqa: PLC0415  # as above
    from sdtrace.cli.sql import run_sql  # noqa: PLC0415  # as above

    result = run_sql(events_frame(one_file(trace)), sql)
    if as_csv:
        from sdtrace.report.data_files import inert  # noqa: PLC0415  # as above

        sys.stdout.write(inert(result).write_csv())
        return
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
        click.echo(f"{result.height - rows:,} more rows: --rows N, or --csv for all", err=True)
