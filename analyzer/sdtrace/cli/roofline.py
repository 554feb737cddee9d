"""`sdtrace roofline`: device work held against what the card could do."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from sdtrace.cli.environment import reader_may_leave
from sdtrace.cli.inputs import CACHE, ONE_TRACE, load, one_file

if TYPE_CHECKING:
    from sdtrace.model import TraceReport

_TOP = 20


@click.command("roofline", short_help="Hold GPU work against what the card could do.")
@ONE_TRACE
@click.option("--peaks", type=click.Path(path_type=Path), help="A TOML file with the card's peaks.")
@click.option("--phase", help="Only work of one phase, such as steady.")
@click.option("--top", type=click.IntRange(min=1), default=_TOP, show_default=True, help="Rows of work.")
@CACHE
def command(trace: str, peaks: Path | None, phase: str | None, top: int) -> int:
    """Say how long the work of TRACE would take at the card's peaks, and where the rest goes.

    Needs shapes (record_shapes=True). The peaks are those measured when the trace was collected, else the
    makers'. `sdtrace peaks` measures them. docs/roofline.md says what is counted, docs/peaks.md has cards.

    \b
    sdtrace roofline run.json
    sdtrace roofline run.json --phase steady --top 5
    """
    from sdtrace import Options  # noqa: PLC0415  # keeps --help fast

    report = load(one_file(trace), Options.of(phase=phase, peaks=peaks)).report
    with reader_may_leave():
        _show(report, top)
    return 0


def _show(report: TraceReport, top: int) -> None:
    from rich.console import Console  # noqa: PLC0415  # as above

    from sdtrace.report.roofline_text import render_roofline  # noqa: PLC0415  # as above

    render_roofline(report, Console(), top)
