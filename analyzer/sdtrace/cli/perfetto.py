"""`sdtrace perfetto`: a copy of a trace with phases, steps and idle causes as tracks."""

from __future__ import annotations

from pathlib import Path
from shlex import quote

import click

from sdtrace.cli.inputs import ONE_TRACE, one_file, stem
from sdtrace.errors import UsageError
from sdtrace.safe_text import visible


@click.command("perfetto", short_help="Write a trace with phases, for Perfetto.")
@ONE_TRACE
@click.option(
    "-o",
    "--output",
    type=click.Path(path_type=Path),
    help="A file (.gz compresses, .pftrace is Perfetto's own format) or a folder. [./NAME.perfetto.json.gz]",
)
@click.option("--force", is_flag=True, help="Replace a file that exists.")
def command(trace: str, output: Path | None, force: bool) -> None:
    """Write a copy of TRACE that Perfetto loads without errors, with tracks added.

    They show phases, iterations, denoising steps, components, why the GPU was idle and how busy it was.
    Every event of TRACE is kept; those that overlap others on their track move beside it, because
    Perfetto would drop them. A name that ends in .pftrace makes a file in Perfetto's own format: a fraction
    of the size, without stacks and launch settings of kernels.

    \b
    sdtrace perfetto run.json
    sdtrace perfetto run.json.gz -o seen.pftrace
    """
    from sdtrace.export import write_perfetto, write_pftrace  # noqa: PLC0415  # keeps --help fast

    path = one_file(trace)
    if trace == "-":
        raise UsageError("standard input can be read only once; give a file")
    name = f"{stem(path)}.perfetto.json.gz"
    target = Path(name) if output is None else output / name if output.is_dir() else output
    shown = visible(str(target))
    if target.suffix == ".pftrace":
        slices = write_pftrace(path, target, force=force)
        click.echo(f"Wrote {shown}: {slices:,} slices", err=True)
        click.echo(f"To see it: sdtrace open {quote(shown)}", err=True)
        return
    written = write_perfetto(path, target, force=force)
    moved = f", {written.moved:,} overlapping ones moved beside their track" if written.moved else ""
    click.echo(f"Wrote {shown}: {written.added:,} events added{moved}", err=True)
    click.echo(f"To see it: sdtrace open {quote(shown)}", err=True)
