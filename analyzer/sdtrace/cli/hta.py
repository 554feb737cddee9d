"""`sdtrace hta`: HolisticTraceAnalysis on a trace, without its loader."""

from __future__ import annotations

from pathlib import Path
from typing import Final

import click

from sdtrace.cli.inputs import CACHE, ONE_TRACE, chosen_formats, load, one_file

_NAMES: Final = (
    "temporal",
    "idle",
    "kernels",
    "overlap",
    "launches",
    "queue",
    "sequences",
    "critical-path",
)
"""Those of `sdtrace.hta.results.ANALYSES`, which needs HTA."""


@click.command("hta", short_help="Run HolisticTraceAnalysis on a trace, exactly.")
@ONE_TRACE
@click.option("--only", metavar="NAMES", default=",".join(_NAMES), help="Some of these, with commas.")
@click.option(
    "--operator", metavar="OP", help="Whose kernel sequences; by default the op with most GPU time."
)
@click.option("--annotation", metavar="NAME", help="Whose critical path; '' is the whole trace.")
@click.option("--instance", metavar="N", type=click.IntRange(min=0), help="Which one of these, from 0.")
@click.option("--top", type=click.IntRange(min=1), default=10, show_default=True, help="Rows of a table.")
@click.option(
    "-o", "--output", metavar="FOLDER", type=click.Path(path_type=Path), help="Write CSV and JSON there too."
)
@CACHE
@click.option("--force", is_flag=True, help="Replace files that exist.")
def command(
    trace: str,
    only: str,
    operator: str | None,
    annotation: str | None,
    instance: int | None,
    top: int,
    output: Path | None,
    force: bool,
) -> None:
    """Print HTA's analyses of TRACE, with times exact to the nanosecond.

    \b
    temporal       how long the GPU was busy and idle
    idle           why each stream was idle
    kernels        GPU time by kind of work and by kernel
    overlap        how much communication overlaps computation
    launches       time of the call, of the GPU work, and between them
    queue          how many kernels wait in the launch queue
    sequences      kernel sequences that an op launches again and again
    critical-path  what the time of an annotation depends on

    HTA's own loader does not run: it drops nanoseconds and the last step.
    Needs pip install 'sdtrace[hta]'.

    \b
    sdtrace hta run.json
    sdtrace hta run.json.gz --only temporal,idle -o hta
    """
    names = chosen_formats(only, _NAMES, "--only")
    hta = load(one_file(trace)).hta()
    from sdtrace.cli import hta_output  # noqa: PLC0415  # as above, and needs HTA
    from sdtrace.hta.results import Asked, run  # noqa: PLC0415  # as above

    asked = Asked(operator, annotation, instance)
    results = []
    for name in names:
        results.append(run(hta, name, asked))
        click.echo(hta_output.as_text(results[-1], top))
    if output is not None:
        for path in hta_output.write(results, output, force=force):
            click.echo(f"wrote {path}")
