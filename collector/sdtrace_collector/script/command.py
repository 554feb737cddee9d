"""The command `sdtrace run`. Importing this loads no torch."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final

import click

from sdtrace.errors import UsageError
from sdtrace_collector.script.plan import Plan

_FROM_0: Final = click.IntRange(min=0)
_PROFILER: Final = ("record_shapes", "with_stack", "profile_memory")


@click.command(
    short_help="Run a script of yours and profile its pipeline.",
    context_settings={"allow_interspersed_args": False},
)
@click.argument("script", type=click.Path(path_type=Path))
@click.argument("arguments", nargs=-1, type=click.UNPROCESSED)
@click.option("-m", "is_module", is_flag=True, help="SCRIPT is a module's name, as for `python -m`.")
@click.option("--skip", type=_FROM_0, default=2, show_default=True, help="Calls left out first, to be warm.")
@click.option(
    "--unprofiled",
    type=_FROM_0,
    default=3,
    show_default=True,
    help="Calls timed without the profiler, before and after.",
)
@click.option(
    "--profile", type=click.IntRange(min=1), default=2, show_default=True, help="Calls then profiled."
)
@click.option(
    "--repeat", is_flag=True, help="Repeat the first call until there are enough; the script gets its result."
)
@click.option(
    "--first/--no-first", default=True, help="Profile the first call too, should too few follow. [yes]"
)
@click.option(
    "--function",
    metavar="MODULE:NAME",
    help="Count calls of this function, not of pipelines; without MODULE: one of the script's own.",
)
@click.option("--every-module", metavar="CLASS", help="Count calls of every nn.Module of this class.")
@click.option(
    "-o",
    "--output",
    type=click.Path(path_type=Path),
    default=Path("traces"),
    show_default=True,
    help="A folder, for SCRIPT.json in it; or a file, X.json or X.json.gz.",
)
@click.option("--gzip", is_flag=True, help="Compress while writing.")
@click.option(
    "--record-shapes/--no-record-shapes", default=True, show_default=True, help="Input shapes, and FLOPs."
)
@click.option("--with-stack", is_flag=True, help="Python stacks.")
@click.option("--profile-memory", is_flag=True, help="Every allocation.")
@click.option(
    "--peaks/--no-peaks", default=None, help="Then measure what the card can do. [GPU: yes; CPU: no]"
)
@click.option("--force", is_flag=True, help="Replace a trace that exists.")
def run(
    script: Path,
    arguments: tuple[str, ...],
    is_module: bool,
    function: str | None,
    every_module: str | None,
    output: Path,
    gzip: bool,
    force: bool,
    **options: Any,
) -> int:
    """Run SCRIPT as `python SCRIPT ARGUMENTS` would, and profile the calls of its diffusers pipelines.

    The script stays as it is. Its first calls are left out, the next are timed without the profiler, and the
    next are profiled, with the pipeline's parts named in the trace. Options go before SCRIPT.

    \b
    sdtrace run my_script.py --prompt "a horse"
    sdtrace run --function generate -o mine.json.gz my_script.py
    """
    from sdtrace_collector.script import runner  # noqa: PLC0415 - keeps --help fast
    from sdtrace_collector.script.script_path import check_script  # noqa: PLC0415 - as above
    from sdtrace_collector.targets import check_places, claimed, targets_for  # noqa: PLC0415 - as above

    if function is not None and every_module is not None:
        raise UsageError("--function and --every-module exclude one another: give one of them")
    if not is_module:
        check_script(script)
    stem = script.suffix.lstrip(".") or script.name if is_module else script.stem
    targets = targets_for([stem], output, gzip=gzip)
    check_places(targets, golden=False, force=force)
    wanted = runner.Wanted(
        script=script,
        arguments=list(arguments),
        target=targets[stem].trace,
        plan=_plan(options),
        function=function,
        every_module=every_module,
        profiler={"with_flops": options["record_shapes"]} | {name: options[name] for name in _PROFILER},
        peaks=options["peaks"],
        force=force,
        is_module=is_module,
    )
    with claimed(targets.values()):
        code = runner.run(wanted)
    if code:
        _say_what_is_misplaced(arguments)
    return code


def _say_what_is_misplaced(arguments: tuple[str, ...]) -> None:
    """Of a script that failed: which of its arguments are options of ours."""
    ours = {option for parameter in run.params for option in (*parameter.opts, *parameter.secondary_opts)}
    words = (argument.partition("=")[0] for argument in arguments)
    found = [word for word in words if word.startswith("--") and word in ours]
    if found:
        verb = "is an option" if len(found) == 1 else "are options"
        click.echo(f"sdtrace: {', '.join(found)} {verb} of sdtrace too: those go before SCRIPT", err=True)


def _plan(options: dict[str, Any]) -> Plan:
    """The first call is profiled too only where it would be left out, and no other is sure to come."""
    skip, repeat = options["skip"], options["repeat"]
    tries = options["first"] and skip > 0 and not repeat
    return Plan(skip, options["unprofiled"], options["profile"], try_first=tries, repeat=repeat)
