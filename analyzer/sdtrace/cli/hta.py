"""`sdtrace hta`: HolisticTraceAnalysis on a trace, without its loader."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import click

from sdtrace.cli.inputs import CACHE, TRACES, chosen_formats, load, read_each
from sdtrace.safe_text import visible

if TYPE_CHECKING:
    from sdtrace import Analysis
    from sdtrace.hta.exact import ExactAnalysis

_NAMES: Final = (
    *("temporal", "idle", "kernels", "overlap", "annotations", "bandwidth"),
    *("launches", "queue", "full-queue", "ops", "sequences"),
    *("steps", "stragglers", "counters", "critical-path", "tracks"),
)
"""Those of `sdtrace.hta.results.ANALYSES`, which needs HTA."""
_TRACKS: Final = "tracks"
"""The one that writes traces."""


@click.command("hta", short_help="Run HolisticTraceAnalysis on a trace, exactly.")
@TRACES
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
@click.option("--job", "is_job", is_flag=True, help="All traces are ranks of one job: analyze them together.")
@CACHE
@click.option("--force", is_flag=True, help="Replace files that exist.")
def command(
    traces: tuple[str, ...],
    is_job: bool,
    only: str | None,
    top: int,
    output: Path | None,
    force: bool,
    **asked: Any,
) -> int:
    """Print HTA's analyses of each TRACE, with times exact to the nanosecond.

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
    stragglers     ranks that are late; needs several, with --job
    counters       performance counters (CUPTI) by kernel and op
    critical-path  what the time of an annotation depends on
    tracks         traces with counters and the critical path; needs -o

    HTA's own loader does not run: it drops nanoseconds and the last step.
    Needs pip install 'sdtrace[hta]'.

    \b
    sdtrace hta run.json
    sdtrace hta A.json B.json --only temporal,idle -o hta
    """
    names = _chosen(only, output)
    from sdtrace.hta import need_hta  # noqa: PLC0415  # keeps --help fast

    need_hta()
    from sdtrace.cli import hta_output  # noqa: PLC0415  # as above, and needs HTA
    from sdtrace.hta.results import Asked, run  # noqa: PLC0415  # as above

    wanted = Asked(**asked)
    analyses, failures = read_each(traces, load)
    for label, hta in _together(analyses) if is_job and analyses else _apart(analyses):
        if len(analyses) > 1:
            click.echo(f"{visible(label)}\n")
        results = []
        for name in names:
            results.append(run(hta, name, wanted))
            if text := hta_output.as_text(results[-1], top):
                click.echo(text)
        if output is not None:
            folder = output / label if len(analyses) > 1 else output
            for path in hta_output.write(results, folder, force=force):
                click.echo(f"wrote {path}")
    return 3 if failures else 0


def _labelled(analyses: Sequence[Analysis]) -> Iterator[tuple[str, Analysis]]:
    """Each trace with a name of its own: `x`, and `x (2)` where several are called so."""
    seen: Counter[str] = Counter()
    for analysis in analyses:
        seen[analysis.name] += 1
        again = seen[analysis.name]
        yield (f"{analysis.name} ({again})" if again > 1 else analysis.name), analysis


def _apart(analyses: Sequence[Analysis]) -> Iterator[tuple[str, ExactAnalysis]]:
    """Each trace by itself."""
    for label, analysis in _labelled(analyses):
        yield label, analysis.hta()


def _together(analyses: Sequence[Analysis]) -> Iterator[tuple[str, ExactAnalysis]]:
    """All traces as one job."""
    from sdtrace import load_job  # noqa: PLC0415  # as above

    yield "job", load_job(*analyses).hta()


def _chosen(only: str | None, output: Path | None) -> list[str]:
    """The analyses to run: those that were asked for, else all that can write what they make."""
    if only is None:
        return [name for name in _NAMES if name != _TRACKS or output is not None]
    names = chosen_formats(only, _NAMES, "--only")
    if _TRACKS in names and output is None:
        raise click.BadParameter("tracks writes traces; say where with -o FOLDER", param_hint="--only")
    return names
