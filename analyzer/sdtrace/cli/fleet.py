"""`sdtrace fleet`: many traces into a store."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import click

from sdtrace.errors import UsageError
from sdtrace.safe_text import one_line, visible

if TYPE_CHECKING:
    from sdtrace.fleets.items import Item, Outcome
    from sdtrace.fleets.run import Filled

_SHOWN: Final = 5
"""Sources that could not be read, named one by one."""
_SAID: Final = {
    "known": "there before",
    "duplicate": "the same as another",
    "unreadable": "unreadable",
    "failed": "failed",
    "lost": "lost with their process",
}
FACTS = click.option(
    "--fact",
    "facts",
    multiple=True,
    metavar="NAME=VALUE",
    help="A fact of all these runs, such as host=gpu7; repeat for more.",
)
FROM_PATH = click.option(
    "--from-path",
    default="",
    metavar="REGEX",
    help="Facts in the path: '/(?P<host>[^/]+)/[^/]+$'.",
)


def given_facts(texts: Sequence[str]) -> dict[str, str]:
    """`NAME=VALUE`, several, as a dictionary. Raises UsageError for another form."""
    wrong = next((text for text in texts if "=" not in text), None)
    if wrong is not None:
        raise UsageError(f"{wrong!r} is no fact; write NAME=VALUE, such as host=gpu7")
    return dict(text.split("=", 1) for text in texts)


@click.command("fleet", short_help="Read many traces into a store, to ask and to judge.")
@click.argument("sources", nargs=-1, required=True, metavar="SOURCE...")
@click.option("-o", "--output", type=click.Path(path_type=Path), default=Path("store"), show_default=True)
@click.option("--resume", is_flag=True, help="Skip what the store has; try again what failed.")
@click.option("--partition", metavar="FACT", help="What divides a new store. [day]")
@FACTS
@FROM_PATH
@click.option("--workers", type=click.IntRange(min=1), help="Processes. [as processors and memory allow]")
@click.option("--dask", is_flag=True, help="Run on a Dask cluster of this machine.")
@click.option("--scheduler", default="", metavar="ADDRESS", help="Run on this Dask cluster: tcp://host:8786.")
def command(sources: tuple[str, ...], output: Path, facts: tuple[str, ...], dask: bool, **how: Any) -> int:
    """Read traces on all processors and keep small tables of each in a store.

    A SOURCE is a file, a folder with all below it, a pattern, @FILE with a source
    on each line, or a URL: s3://, gs://, abfs://, https://, sftp:// (these need
    pip install 'sdtrace[cluster]'). The same trace is kept once, whatever its
    name. A run that was killed goes on with --resume (docs/fleet.md).

    Facts are day, work, variant, model, card, torch, host, commit and job: what
    the trace tells of them, or --fact and --from-path.

    \b
    sdtrace fleet traces/ -o store
    sdtrace fleet @list.txt -o store --resume --fact host=gpu7
    """
    from sdtrace.api.fleet_store import HERE, Reading, read_into  # noqa: PLC0415  # keeps --help fast

    how["scheduler"] = how["scheduler"] or (HERE if dask else "")
    reading = Reading(facts=given_facts(facts), **how)
    with _progress() as (begin, show):
        filled = read_into(sources, output, reading, begin, show)
    _complain(filled, output)
    click.echo(_summary(filled, output))
    return 3 if filled.failed else 0


def _complain(filled: Filled, output: Path) -> None:
    for reason in filled.reasons[:_SHOWN]:
        click.echo(f"sdtrace: {one_line(reason)}", err=True)
    if rest := len(filled.reasons[_SHOWN:]):
        query = f'sdtrace query {output} "SELECT * FROM failures"'
        click.echo(f"sdtrace: {rest:,} more could not be read; see all: {visible(query)}", err=True)


def _summary(filled: Filled, output: Path) -> str:
    """What came of all sources, in a line."""
    counts = filled.counts
    parts = [f"{counts[status]:,} {said}" for status, said in _SAID.items() if counts.get(status)]
    read = sum(counts.values()) - counts.get("known", 0)
    rate = f", {read / filled.seconds:,.1f} traces/s" if read and filled.seconds else ""
    added = ", ".join([f"{counts.get('done', 0):,} added", *parts])
    return f"{visible(str(output))}: {added} ({filled.seconds:,.1f} s{rate})"


@contextmanager
def _progress() -> Iterator[tuple[Callable[[Sequence[Item]], None], Callable[[Outcome], None]]]:
    """What to call with all items at first, and with each outcome; shown on a terminal only."""
    if not sys.stderr.isatty():
        yield lambda _: None, lambda _: None
        return
    from rich import progress as bars  # noqa: PLC0415  # only on a terminal
    from rich.console import Console  # noqa: PLC0415  # as above

    columns = (
        bars.TextColumn("reading"),
        bars.BarColumn(),
        bars.MofNCompleteColumn(),
        bars.TimeElapsedColumn(),
        bars.TextColumn("left"),
        bars.TimeRemainingColumn(),
    )
    with bars.Progress(*columns, console=Console(stderr=True), transient=True) as progress:
        bar = progress.add_task("reading", total=None)
        yield (
            lambda items: progress.update(bar, total=len(items)),
            lambda _: progress.advance(bar),
        )
