"""`sdtrace compare`: candidates against a baseline, with conditions to fail on."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from sdtrace import own_files
from sdtrace.cli.environment import reader_may_leave
from sdtrace.cli.inputs import CACHE, chosen_formats, load, one_file, read_each
from sdtrace.errors import UsageError
from sdtrace.safe_text import visible

if TYPE_CHECKING:
    from sdtrace.analysis.regression import Regression

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
@click.option("--full", is_flag=True, help="Print also which work and which kernels changed.")
@click.option(
    "--top", type=click.IntRange(min=1), default=_TOP, show_default=True, help="Rows of what changed."
)
@CACHE
@click.option("--force", is_flag=True, help="Replace also what sdtrace did not write, or was edited.")
@click.option(
    "--allow-different-work",
    is_flag=True,
    help="Compare also what made other images: another model, size, batch or number of steps.",
)
def command(
    base: str,
    candidates: tuple[str, ...],
    conditions: tuple[str, ...],
    formats: str,
    output: Path,
    top: int,
    full: bool,
    allow_different_work: bool,
    **options: Any,
) -> int:
    """Compare each CANDIDATE with BASE: whether both did the same work, how much faster one is and how sure
    that is, and from where the difference comes.

    \b
    A condition is METRIC OP VALUE. OP is one of > < >= <=. VALUE is absolute, or
    a change from BASE with a sign: +5% or -3%. METRIC is one of
      steady_ms        wall of a steady iteration, without the profiler where
                       all traces have it, else with it
      gpu_ms           GPU time of a steady iteration
      launches         launches in a steady iteration
      paid_ms          one-time cost: before_profile_ms and overhead_ms
      overhead_ms      one-time cost in the trace; in parts: compile_ms,
                       autotune_ms, capture_ms, warmup_ms
      peak_memory_mib  most device memory in use, where the trace has it

    \b
    sdtrace compare eager.json compiled.json
    sdtrace compare main.json branch.json --fail-on 'steady_ms>+5%'
    """
    from sdtrace import compare  # noqa: PLC0415  # keeps --help fast
    from sdtrace.analysis.conditions import parse_condition  # noqa: PLC0415  # as above

    chosen = chosen_formats(formats, _FORMATS)
    files = [name for name in chosen if name != "terminal"]
    own_files.check([output / f"compare.{name}" for name in files], force=options["force"])
    for text in conditions:
        parse_condition(text)
    first = one_file(base)
    before = load(first)
    others, failures = read_each(candidates, load, skip=first)
    if not others and not failures:
        raise UsageError("there is nothing to compare: every candidate is the base itself")
    if not others:
        return 3
    comparison = compare(before, *others, fail_on=conditions, allow_different_work=allow_different_work)
    _write(comparison, files, output, top=top, force=options["force"])
    with reader_may_leave():
        _show(comparison, top, is_full=full)
    met = [verdict for verdict in comparison.verdicts if verdict.is_met]
    return 1 if met else 3 if failures else 0


def _show(comparison: Regression, top: int, *, is_full: bool) -> None:
    from rich.console import Console  # noqa: PLC0415  # as above

    from sdtrace.cli.compare_text import render_terminal  # noqa: PLC0415  # as above

    render_terminal(comparison, Console(), top, is_full=is_full)


def _write(comparison: Regression, formats: list[str], output: Path, *, top: int, force: bool) -> None:
    import msgspec  # noqa: PLC0415  # as above

    from sdtrace.cli.compare_text import render_markdown  # noqa: PLC0415  # as above

    contents: dict[Path, bytes] = {}
    if "md" in formats:
        contents[output / "compare.md"] = render_markdown(comparison, top).encode()
    if "json" in formats:
        contents[output / "compare.json"] = msgspec.json.format(msgspec.json.encode(comparison), indent=1)
    if contents:
        written = own_files.write(contents, force=force)
        click.echo(f"Wrote {', '.join(visible(str(path)) for path in written)}", err=True)
