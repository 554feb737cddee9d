"""`sdtrace fleet report`: what the traces of a store say together."""

from __future__ import annotations

from pathlib import Path

import click

from sdtrace.atomic_files import check_targets
from sdtrace.cli.environment import reader_may_leave
from sdtrace.cli.inputs import chosen_formats
from sdtrace.safe_text import visible

_FORMATS = ("html", "md", "json", "terminal")


@click.command("fleet report", short_help="Report on a store: trends, regressions, hosts.")
@click.argument("store", type=click.Path(path_type=Path))
@click.option("-o", "--output", type=click.Path(path_type=Path), default=Path("report"), show_default=True)
@click.option(
    "--format",
    "formats",
    default="html,md,json",
    show_default=True,
    help=f"Any of {', '.join(_FORMATS)}; terminal writes no files.",
)
@click.option(
    "--hours",
    type=click.FloatRange(min=0, min_open=True),
    default=1000.0,
    show_default=True,
    help="GPU hours that savings are counted in.",
)
@click.option("--force", is_flag=True, help="Replace reports that exist.")
def command(store: Path, output: Path, formats: str, hours: float, force: bool) -> int:
    """Report on the traces that sdtrace fleet read into STORE.

    \b
    what changed  the same work on the same card is slower from one trace on
    slow hosts    hosts that take longer than others with the same work
    jobs          of several ranks: who keeps the others waiting, on which host
    what to fix   findings by the GPU hours that they would save
    outliers      single runs far from those around them
    trends        by model, card, torch and host

    \b
    sdtrace fleet report store
    sdtrace fleet report store --hours 250000 --format md -o weekly
    """
    chosen = chosen_formats(formats, _FORMATS)
    written = [name for name in chosen if name != "terminal"]
    check_targets([output / f"fleet.{name}" for name in written], force=force)
    from sdtrace.fleets import render  # noqa: PLC0415  # keeps --help fast
    from sdtrace.fleets.judge import judge  # noqa: PLC0415  # as above
    from sdtrace.fleets.store import open_store  # noqa: PLC0415  # as above

    report = judge(open_store(store), hours)
    if written:
        paths = render.write(report, output, written, force=force)
        click.echo(f"Wrote {', '.join(visible(str(path)) for path in paths)}", err=True)
    with reader_may_leave():
        click.echo(visible(report.summary))
        for change in report.changes:
            change_pct = f"{change.change_pct:+.1f} %"
            click.echo(
                visible(f"{change_pct} {change.measure} from {change.first_source} ({change.first_day})")
            )
    return 0
