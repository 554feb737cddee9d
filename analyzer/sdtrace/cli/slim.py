"""`sdtrace slim`: a part of a trace, to keep or to share."""

from __future__ import annotations

import re
from decimal import Decimal
from pathlib import Path
from typing import Any, Final

import click

from sdtrace.cli.inputs import ONE_TRACE, one_file, stem
from sdtrace.errors import UsageError
from sdtrace.safe_text import visible
from sdtrace.units import count, size

_UNITS: Final = {"us": 1_000, "ms": 1_000_000, "s": 1_000_000_000, "": 1_000_000_000}
_NUMBER: Final = re.compile(r"\d{1,9}(?:\.\d{0,12})?|\.\d{1,12}", re.ASCII)


class _Instant(click.ParamType):  # type: ignore[type-arg]  # generic since click 8.2 only
    """A time since the first event, as nanoseconds."""

    name = "TIME"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int:
        if isinstance(value, int):
            return value
        text = str(value).strip()
        unit = next(unit for unit in _UNITS if text.endswith(unit))
        number = text.removesuffix(unit).strip()
        if not _NUMBER.fullmatch(number):
            self.fail(f"{text!r} is no time; write seconds, or 1.5s, 300ms, 20us", param, ctx)
        return round(Decimal(number) * _UNITS[unit])


@click.command("slim", short_help="Write a part of a trace, to keep or share.")
@ONE_TRACE
@click.option(
    "-o",
    "--output",
    metavar="OUT",
    type=click.Path(path_type=Path),
    required=True,
    help="A file (.gz compresses) or a folder, for NAME.slim.json.gz.",
)
@click.option("--from", "from_ns", type=_Instant(), help="Keep what starts at this time or later.")
@click.option("--to", "to_ns", type=_Instant(), help="Keep what starts before this time.")
@click.option(
    "--iteration", metavar="N", type=click.IntRange(min=0), help="Keep one iteration; 0 is the first."
)
@click.option("--phase", help="Keep what ran or was launched in one phase, such as steady.")
@click.option("--drop-python", is_flag=True, help="Leave out Python functions and stacks.")
@click.option("--anonymize", is_flag=True, help="Replace paths, users, hosts, prompts, names.")
@click.option("--force", is_flag=True, help="Replace a file that exists.")
def command(
    trace: str,
    output: Path,
    drop_python: bool,
    anonymize: bool,
    force: bool,
    **selection: Any,
) -> None:
    """Write what you choose of TRACE to OUT: a smaller trace, with equal times.

    \b
    sdtrace slim run.json --iteration 1 -o second.json.gz
    sdtrace slim run.json --phase steady --drop-python --anonymize -o share.json

    A TIME is in seconds since the first event of the trace; 1.5s, 300ms and 20us
    say their unit. Iterations have the numbers of the report, from 0. Options
    combine: what lies in all parts is kept.

    A part holds what the CPU started within it and all GPU work launched by
    that, also where it runs on after the end. Annotations around the whole part
    are cut to it.

    --anonymize keeps what an analysis needs: ops, kernels, shapes, classes and
    function names. Look at the result before you share it.
    """
    from sdtrace.analysis import Options  # noqa: PLC0415  # keeps --help fast
    from sdtrace.export.part import Selection  # noqa: PLC0415  # as above
    from sdtrace.export.slim import write_slim  # noqa: PLC0415  # as above

    Options.of(phase=selection["phase"])
    path = one_file(trace)
    if trace == "-":
        raise UsageError("standard input can be read only once; give a file")
    target = output / f"{stem(path)}.slim.json.gz" if output.is_dir() else output
    done = write_slim(
        path, target, Selection(**selection), drop_python=drop_python, anonymize=anonymize, force=force
    )
    click.echo(
        f"Wrote {visible(str(target))}: {count(done.kept)} of {count(done.events)} events; "
        f"{size(done.bytes_before)} before, {size(done.bytes_after)} after",
        err=True,
    )
