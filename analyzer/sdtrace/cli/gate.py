"""`sdtrace gate`: a trace against earlier runs in a store."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from sdtrace.cli.environment import reader_may_leave
from sdtrace.cli.fleet import FACTS, FROM_PATH, given_facts
from sdtrace.safe_text import visible

if TYPE_CHECKING:
    from sdtrace.fleets.record import Gate

_LEARN = ("no", "good", "always")


@click.command("gate", short_help="Hold a trace against earlier runs; fail when it is worse.")
@click.argument("trace")
@click.option("--store", type=click.Path(path_type=Path), required=True, help="What sdtrace fleet made.")
@click.option("--mads", type=click.FloatRange(min=0), default=4.0, show_default=True, help="MADS.")
@click.option("--least", type=click.FloatRange(min=0), default=5.0, show_default=True, help="LEAST percent.")
@click.option("--runs", type=click.IntRange(min=2), default=5, show_default=True, help="Earlier runs needed.")
@click.option(
    "--last", type=click.IntRange(min=2), default=50, show_default=True, help="Of more, the latest."
)
@click.option(
    "--learn",
    type=click.Choice(_LEARN),
    default="no",
    show_default=True,
    help="Add the trace to the store: where nothing is worse, or always.",
)
@click.option("--need-runs", is_flag=True, help="End with 4 where there are too few earlier runs.")
@click.option(
    "--format",
    "written",
    type=click.Choice(["terminal", "json"]),
    default="terminal",
    show_default=True,
    help="json has schema sdtrace.gate/1.",
)
@FACTS
@FROM_PATH
def command(  # noqa: PLR0913, PLR0917  # the options of the command
    trace: str,
    store: Path,
    mads: float,
    least: float,
    runs: int,
    last: int,
    learn: str,
    need_runs: bool,
    written: str,
    facts: tuple[str, ...],
    from_path: str,
) -> int:
    """Fail where TRACE is worse than earlier runs of the same work on the same card.

    \b
    It holds steady time, GPU time in all and of each component, and one-time cost
    against the median of earlier runs. Worse is more than
      median + max(MADS x 1.4826 x MAD, LEAST percent of the median)
    where MAD is the median distance from the median: odd runs do not move it.

    Ends with 1 where something is worse, with 0 else; also where there are too few
    earlier runs, unless --need-runs.

    \b
    sdtrace gate now.json --store store --learn good
    sdtrace gate now.json --store store --mads 6 --least 10
    """
    from sdtrace.fleets import gate  # noqa: PLC0415  # keeps --help fast
    from sdtrace.fleets.store import open_store  # noqa: PLC0415  # as above

    held = open_store(store)
    outcome = gate.read(gate.task_of(trace, given_facts(facts), from_path))
    found = gate.judge_trace(held, outcome, gate.Limits(mads, least, runs, last))
    if learn == "always" or (learn == "good" and not found.is_worse):
        gate.learn(held, outcome)
    with reader_may_leave():
        _show(found, written)
    if found.note and need_runs:
        return 4
    return 1 if found.is_worse else 0


def _show(found: Gate, written: str) -> None:
    if written == "json":
        import msgspec  # noqa: PLC0415  # as above

        click.echo(msgspec.json.format(msgspec.json.encode(found), indent=1).decode())
        return
    from sdtrace import units  # noqa: PLC0415  # as above

    what = ", ".join(part for part in (found.work, found.variant, found.card) if part)
    click.echo(visible(f"{found.trace}: {what}; {units.counted(found.runs, 'earlier run')}"))
    if found.note:
        click.echo(found.note)
    for row in found.rows:
        sign = {"worse": "FAIL", "usual": "ok", "better": "ok, better"}[row.state]
        click.echo(visible(f"{sign}: {row.measure} {units.duration(row.us)}; limit {row.arithmetic}"))
