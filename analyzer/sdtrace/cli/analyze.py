"""`sdtrace analyze`: reports on one or more traces."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from sdtrace import own_files
from sdtrace.cli.environment import reader_may_leave
from sdtrace.cli.inputs import CACHE, TRACES, chosen_formats, load, read_each
from sdtrace.safe_text import visible

if TYPE_CHECKING:
    from sdtrace.analysis.story import Side
    from sdtrace.job.rank import Rank
    from sdtrace.model import Report, TraceReport
    from sdtrace.report.exploration import Exploration

_FORMATS = ("html", "md", "json", "csv", "parquet", "terminal")
_TOP_FILE, _TOP_TERMINAL = 25, 8


@click.command("analyze", short_help="Say where the time of each trace went; write reports.")
@TRACES
@click.option("-o", "--output", type=click.Path(path_type=Path), default=Path("report"), show_default=True)
@click.option(
    "--format",
    "formats",
    default="html,md,json",
    show_default=True,
    help=f"Any of {', '.join(_FORMATS)}; terminal writes no files.",
)
@click.option("--phase", help="Limit ops, kernels and categories to one phase, such as steady.")
@click.option(
    "--op-times",
    type=click.Choice(["true", "torch"]),
    default="true",
    show_default=True,
    help="Count each kernel once, for the op that launched it; or as torch's own table does.",
)
@click.option(
    "--top", type=click.IntRange(min=1), help=f"Rows of long tables. [{_TOP_FILE}; terminal {_TOP_TERMINAL}]"
)
@click.option("--full", is_flag=True, help="Print every table too, not just what fits a screen.")
@click.option("--rules", type=click.Path(path_type=Path), help="A TOML file with categories of your own.")
@click.option("--peaks", type=click.Path(path_type=Path), help="A TOML file with what the card can do.")
@click.option("--baseline", help="The trace that others are compared with, by name. [the slowest]")
@click.option("--job", "is_job", is_flag=True, help="All traces are ranks of one job, whatever they tell.")
@CACHE
@click.option("--hta", is_flag=True, help="Add HTA's analyses beside ours (needs 'sdtrace[hta]').")
@click.option("--force", is_flag=True, help="Replace also what is no report of sdtrace, or was edited.")
def command(
    traces: tuple[str, ...],
    output: Path,
    formats: str,
    force: bool,
    top: int | None,
    full: bool,
    is_job: bool,
    **options: Any,
) -> int:
    """Read traces (files, folders, patterns, - for stdin) and say where the time went.

    Prints what fits a screen (--full: everything) and writes report.html, report.md and report.json.
    Traces of one job's ranks are recognised: who is late, and why (docs/ranks.md).

    \b
    sdtrace analyze traces/*.json
    sdtrace analyze run.json.gz --phase steady --format terminal
    """
    from sdtrace import Options  # noqa: PLC0415  # keeps --help fast
    from sdtrace.job.in_report import report_of_all  # noqa: PLC0415  # as above
    from sdtrace.job.rank import ranks_of  # noqa: PLC0415  # as above
    from sdtrace.reader import resolve  # noqa: PLC0415  # as above

    chosen = chosen_formats(formats, _FORMATS)
    if options["hta"]:
        from sdtrace.hta import need_hta  # noqa: PLC0415  # as above

        need_hta()
    files = [name for name in chosen if name != "terminal"]
    full = full or options["hta"] or (not files and any((top, options["phase"])))  # asked for tables
    baseline = options.pop("baseline")
    asked = Options.of(**options)
    if files:
        from sdtrace.report.write import report_files  # noqa: PLC0415  # as above

        own_files.check(report_files(output, files), force=force)

    is_compared = len(resolve(traces)) > 1

    def read(path: Path) -> tuple[TraceReport, list[Rank], Side, list[Exploration]]:
        from sdtrace.api.page import pages_of, side_of_one  # noqa: PLC0415  # as above

        one = load(path, asked)
        pages = pages_of([one], files)
        side = side_of_one(one, is_matched=is_compared)
        return one.report, ranks_of(one.study, asked.rules), side, pages

    found, failures = read_each(traces, read)
    if found:
        report = report_of_all(
            [report for report, *_ in found],
            [ranks for _, ranks, *_ in found],
            baseline,
            is_job=is_job,
            sides=[side for _, _, side, _ in found],
        )
        if files:
            from sdtrace.report.write import write_reports  # noqa: PLC0415  # as above

            # Before anything is printed: whoever reads the output may stop reading.
            pages = [page for *_, pages in found for page in pages]
            written = write_reports(report, output, files, top=top or _TOP_FILE, force=force, pages=pages)
            click.echo(f"Wrote {', '.join(visible(str(path)) for path in written)}", err=True)
        with reader_may_leave():
            _show(report, (top or _TOP_TERMINAL) if full else None, _elsewhere(output, files))
    return 3 if failures else 0


def _elsewhere(output: Path, files: list[str]) -> str:
    """Where to find what a screen has no room for."""
    every = "--full prints every table here"
    if "html" not in files:
        return f"{every}."
    return f"Everything else is in {visible(str(output / 'report.html'))}; {every}."


def _show(report: Report, top: int | None, elsewhere: str) -> None:
    """The whole report with `top` rows of long tables; without it what fits a screen."""
    from rich.console import Console  # noqa: PLC0415  # as above

    from sdtrace.report.terminal import render_terminal  # noqa: PLC0415  # as above
    from sdtrace.report.terminal_brief import render_brief  # noqa: PLC0415  # as above

    if top is None:
        render_brief(report, Console(), elsewhere)
    else:
        render_terminal(report, Console(), top)
