"""`sdtrace table`: torch's own op table."""

from __future__ import annotations

import click

from sdtrace.cli.inputs import CACHE, ONE_TRACE, load, one_file


@click.command("table", short_help="Print torch's own op table, rebuilt from the file.")
@ONE_TRACE
@click.option("--sort-by", metavar="KEY", help="Such as self_cuda_time_total; unsorted as in torch.")
@click.option("--row-limit", type=int, default=100, show_default=True, help="-1 prints all.")
@click.option("--max-name-column-width", type=click.IntRange(min=4), default=55, show_default=True)
@click.option(
    "--op-times",
    type=click.Choice(["torch", "true"]),
    default="torch",
    show_default=True,
    help="As torch counts, double counting included; or each kernel once.",
)
@click.option("--phase", help="Only what ran or was launched in one phase, such as steady.")
@CACHE
def command(
    trace: str,
    sort_by: str | None,
    row_limit: int,
    max_name_column_width: int,
    op_times: str,
    phase: str | None,
) -> None:
    """Print what `key_averages().table()` printed where TRACE was made: every row, to the nanosecond.

    \b
    sdtrace table run.json --sort-by self_cuda_time_total --row-limit 20
    sdtrace table run.json --phase steady --op-times true
    """
    from sdtrace import Options  # noqa: PLC0415  # keeps --help fast

    options = Options.of(phase=phase)
    chosen = load(one_file(trace), options)
    click.echo(chosen.table(sort_by, row_limit, max_name_column_width, op_times), nl=False)
