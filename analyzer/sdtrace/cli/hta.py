"""`sdtrace hta`: HolisticTraceAnalysis on a trace, without its loader."""

from __future__ import annotations

from pathlib import Path
from typing import Final

import click

from sdtrace.cli.inputs import CACHE, ONE_TRACE, chosen_formats, load, one_file

_NAMES: Final = (
    *("temporal", "idle", "kernels", "overlap", "annotations", "bandwidth"),
    *("launches", "queue", "full-queue", "ops", "sequences"),
    *("steps", "stragglers", "counters", "critical-path", "tracks"),
)
"""Those of `sdtrace.hta.results.ANALYSES`, which needs HTA."""
_TRACKS: Final = "tracks"
"""The one that writes traces."""


@click.command("hta", short_help="Run HolisticTraceAnalysis on a trace, exactly.")
@ONE_TRACE
@click.option("--only", metavar="NAMES", help="Some of these, with commas. [all]")
@click.option(
    "--operator", metavar="OP", help="Whose kernel sequences; by default the op with most GPU time."
)
@click.option("--annotation", metavar="NAME", help="Whose critical path; '' is the whole trace.")
@click.option("--instance", metavar="N", type=click.IntRange(min=0), help="Which one of these, from 0.")
@click.option("--top", type=click.IntRange(min=1), default=10, show_default=True, help="Rows of a table.")
@click.option(
    "-o",
    "--output",
    metavar="FOLDER",
    type=click.Path(path_type=Path),
    help="Write CSV, JSON and traces there too.",
)
@CACHE
@click.option("--force", is_flag=True, help="Replace files that exist.")
def command(
    trace: str,
    only: str | None,
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
    annotations    ranges of annotations on the GPU, and the work in them
    bandwidth      how fast copies and fills are
    launches       time of the call, of the GPU work, and between them
    queue          how many kernels wait in the launch queue
    full-queue     how long the launch queue was full
    ops            the kernels that each op launches, and the delays
    sequences      kernel sequences that an op launches again and again
    steps          numbers of the profiler's steps
    stragglers     ranks that are late; needs a trace of several
    counters       performance counters (CUPTI) by kernel and op
    critical-path  what the time of an annotation depends on
    tracks         traces with counters and the critical path; needs -o

    HTA's own loader does not run: it drops nanoseconds and the last step.
    Needs pip install 'sdtrace[hta]'.

    \b
    sdtrace hta run.json
    sdtrace hta run.json.gz --only temporal,idle -o hta
    """
    names = _chosen(only, output)
    from sdtrace.hta import need_hta  # noqa: PLC0415  # keeps --help fast

    need_hta()
    hta = load(one_file(trace)).hta()
    from sdtrace.cli import hta_output  # noqa: PLC0415  # as above, and needs HTA
    from sdtrace.hta.results import Asked, run  # noqa: PLC0415  # as above

    asked = Asked(operator, annotation, instance)
    results = []
    for name in names:
        results.append(run(hta, name, asked))
        if text := hta_output.as_text(results[-1], top):
            click.echo(text)
    if output is not None:
        for path in hta_output.write(results, output, force=force):
            click.echo(f"wrote {path}")


def _chosen(only: str | None, output: Path | None) -> list[str]:
    """The analyses to run: those that were asked for, else all that can write what they make."""
    if only is None:
        return [name for name in _NAMES if name != _TRACKS or output is not None]
    names = chosen_formats(only, _NAMES, "--only")
    if _TRACKS in names and output is None:
        raise click.BadParameter("tracks writes traces; say where with -o FOLDER", param_hint="--only")
    return names
