"""`sdtrace compare`: candidates against a baseline, with conditions to fail on."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from sdtrace.atomic_files import check_targets, write_all
from sdtrace.cli.environment import reader_may_leave
from sdtrace.cli.inputs import chosen_formats, one_file, read_each
from sdtrace.errors import UsageError
from sdtrace.safe_text import visible

if TYPE_CHECKING:
    from sdtrace.analysis.regression import Regression
    from sdtrace.model import TraceReport

_FORMATS = ("terminal", "md", "json")
_TOP = 8


@click.command("compare", short_help="Compare traces with a baseline; fail on a regression.")
@click.argument("base")
@click.argument("candidates", nargs=-1, required=True, metavar="CANDIDATE...")
@click.option(
    "--fail-on",
    "conditions",
    multiple=True,
    metavar="CONDITION",
    help="Exit with 1 when met, such as 'steady_ms>+5%' or 'launches>=2000'; repeat for more.",
)
@click.option(
    "--format",
    "formats",
    default="terminal",
    show_default=True,
    help=f"Any of {', '.join(_FORMATS)}; terminal writes no files.",
)
@click.option("-o", "--output", type=click.Path(path_type=Path), default=Path("report"), show_default=True)
@click.option("--top", type=click.IntRange(min=1), default=_TOP, show_default=True, help="Rows of movers.")
@click.option("--force", is_flag=True, help="Replace files that exist.")
def command(
    base: str,
    candidates: tuple[str, ...],
    conditions: tuple[str, ...],
    formats: str,
    output: Path,
    top: int,
    force: bool,
) -> int:
    """Compare each CANDIDATE with BASE by steady iteration: time, launches, memory, and which work moved.

    \b
    A condition is METRIC OP VALUE. OP is one of > < >= <=. VALUE is absolute, or
    a change from BASE with a sign: +5% or -3%. METRIC is one of
      steady_ms        wall of a steady iteration, without the profiler where
                       all traces have it, else with it
      gpu_ms           device time of a steady iteration
      launches         launches in a steady iteration
      overhead_ms      paid once in the trace; in parts: compile_ms,
                       autotune_ms, capture_ms, warmup_ms
      peak_memory_mib  most device memory in use, where the trace has it
    """
    from sdtrace.analysis.conditions import parse_condition  # noqa: PLC0415  # keeps --help fast
    from sdtrace.analysis.regression import compare_traces  # noqa: PLC0415  # as above

    chosen = chosen_formats(formats, _FORMATS)
    files = [name for name in chosen if name != "terminal"]
    check_targets([output / f"compare.{name}" for name in files], force=force)
    asked = [parse_condition(text) for text in conditions]
    first = one_file(base)
    before = _analyzed(first)
    reports, failures = read_each(candidates, _analyzed, skip=first)
    if not reports and not failures:
        raise UsageError("there is nothing to compare: every candidate is the base itself")
    if not reports:
        return 3
    comparison = compare_traces(before, reports, asked)
    _write(comparison, files, output, top=top, force=force)
    with reader_may_leave():
        _show(comparison, top)
    met = [verdict for verdict in comparison.verdicts if verdict.is_met]
    return 1 if met else 3 if failures else 0


def _analyzed(path: Path) -> TraceReport:
    """A report on the steady phase; its name and path as text, which those of files need not be."""
    from msgspec.structs import replace  # noqa: PLC0415  # as above

    from sdtrace.analysis import Options, analyze  # noqa: PLC0415  # as above

    report = analyze(path, Options.of(phase="steady"))
    return replace(report, name=visible(report.name), path=visible(report.path))


def _show(comparison: Regression, top: int) -> None:
    from rich.console import Console  # noqa: PLC0415  # as above

    from sdtrace.cli.compare_text import render_terminal  # noqa: PLC0415  # as above

    render_terminal(comparison, Console(), top)


def _write(comparison: Regression, formats: list[str], output: Path, *, top: int, force: bool) -> None:
    import msgspec  # noqa: PLC0415  # as above

    from sdtrace.cli.compare_text import render_markdown  # noqa: PLC0415  # as above

    contents: dict[Path, bytes] = {}
    if "md" in formats:
        contents[output / "compare.md"] = render_markdown(comparison, top).encode()
    if "json" in formats:
        contents[output / "compare.json"] = msgspec.json.format(msgspec.json.encode(comparison), indent=1)
    if contents:
        written = write_all(contents, force=force)
        click.echo(f"Wrote {', '.join(visible(str(path)) for path in written)}", err=True)
