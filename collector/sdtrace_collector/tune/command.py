"""The command `sdtrace tune`. Importing this loads no torch, rich or msgspec."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, NamedTuple

import click
from click.core import ParameterSource

from sdtrace.errors import UsageError
from sdtrace_collector.variants import BASE, adjusted, find_variant

if TYPE_CHECKING:
    from sdtrace_collector.tune.loop import Begun, Loop
    from sdtrace_collector.tune.record import Trial, Tuning
    from sdtrace_collector.tune.space import Point, Space

_COUNT = click.IntRange(min=1)
_FILES: Final = ("tune.json", "tune.md")
_REPORTS: Final = ("start", "best")
_OF_MODELS: Final = (
    "model",
    "variant",
    "settings",
    "steps",
    "batch",
    "height",
    "width",
    "seed",
    "prompt",
    "device",
)
"""Options that only a variant of a model has."""
_PROFILED: Final = 2


@click.command(
    short_help="Try what findings advise; keep what is faster.",
    context_settings={"allow_interspersed_args": False},
)
@click.argument("script", type=click.Path(path_type=Path), required=False)
@click.argument("arguments", nargs=-1, type=click.UNPROCESSED)
@click.option(
    "--model",
    metavar="MODEL",
    help="sd15, sd21, sdxl, sd3, flux, qwen-image, wan-1.3b, tiny, flux-tiny, a folder or a hub id. "
    "[GPU: sd15; CPU: tiny]",
)
@click.option(
    "--from", "variant", default=BASE, show_default=True, metavar="VARIANT", help="The variant to begin with."
)
@click.option("--set", "settings", multiple=True, metavar="AXIS=VALUE", help="Move that variant on an axis.")
@click.option("--keep-dtype", is_flag=True, help="Leave the dtype as it is; TF32 may be tried.")
@click.option(
    "--budget",
    type=click.FloatRange(min=0),
    default=30,
    show_default=True,
    metavar="MINUTES",
    help="Begin no trial that would likely end later.",
)
@click.option("--steps", type=_COUNT, help="Denoising steps. [GPU: 10; CPU: 4]")
@click.option("--images", type=_COUNT, help="Images with the profiler, a trial. [GPU: 3; CPU: 2]")
@click.option(
    "--unprofiled-images",
    type=click.IntRange(min=3),
    default=7,
    show_default=True,
    help="Images timed without the profiler, a process.",
)
@click.option("--batch", type=_COUNT, default=1, show_default=True, help="Images made at once.")
@click.option("--height", type=_COUNT, help="Pixels, a multiple of 8. [the model's own]")
@click.option("--width", type=_COUNT, help="Pixels, a multiple of 8. [the model's own]")
@click.option("--seed", type=int, default=0, show_default=True, help="Of weights and noise.")
@click.option("--prompt", default="a photograph of an astronaut riding a horse", show_default=True)
@click.option("--device", metavar="DEVICE", help="cpu, cuda or cuda:N. [cuda where there is one]")
@click.option(
    "-o",
    "--output",
    type=click.Path(path_type=Path),
    default=Path("tune"),
    show_default=True,
    help="A folder for the table, the traces and the reports.",
)
@click.option("--force", is_flag=True, help="Replace what an earlier call wrote there.")
def tune(
    script: Path | None,
    arguments: tuple[str, ...],
    variant: str,
    settings: tuple[str, ...],
    keep_dtype: bool,
    budget: float,
    output: Path,
    force: bool,
    **options: Any,
) -> None:
    """Analyze a run, try the setting that its best finding advises, keep it if images get faster, repeat.

    With SCRIPT it is that script, run as `python SCRIPT ARGUMENTS` would be, and what can be set on its
    diffusers pipelines from outside; options go before SCRIPT. Without, it is a variant of a model. Each
    trial runs in its own process and is timed without the profiler. When no finding names a setting, what
    helped elsewhere on such a device is tried too. Ctrl-C ends it with the table so far.

    \b
    sdtrace tune --model sdxl --from bf16_sdpa_eager --budget 20 -o tuned
    sdtrace tune --budget 15 my_script.py --prompt "a horse"
    """
    from sdtrace.atomic_files import check_targets  # noqa: PLC0415 - `sdtrace --help` imports this module
    from sdtrace_collector import session  # noqa: PLC0415 - as above

    reports = [output / folder / name for folder in _REPORTS for name in ("report.html", "report.json")]
    places = [*(output / name for name in _FILES), *reports]
    if script is None:
        work = _of_variant(variant, settings, options, output, force=force)
    else:
        _check_script(click.get_current_context(), script)
        work = _of_script(script, arguments, options, output)
    check_targets(places, force=force)
    with session.terminated_like_interrupted():
        code = _tune(work, output, budget * 60, keep_dtype=keep_dtype)
    if code:
        raise click.exceptions.Exit(code)


class _Work(NamedTuple):
    """What is tuned: what runs it, its name, the point to begin at; `script` where it is one."""

    runs: Any
    name: str
    point: Point
    script: str = ""


def _of_variant(
    variant: str, settings: tuple[str, ...], options: dict[str, Any], output: Path, *, force: bool
) -> _Work:
    from sdtrace_collector import session  # noqa: PLC0415 - as above
    from sdtrace_collector.cli import settings_of  # noqa: PLC0415 - as above
    from sdtrace_collector.tune.bench import Bench  # noqa: PLC0415 - as above

    profiler = {"record_shapes": True, "with_stack": False, "profile_memory": False}
    start = adjusted(find_variant(variant), settings_of(settings))
    spec = session.spec_of(start, {**options, **profiler, "picture": True, "check_picture": False})
    return _Work(Bench(spec, output / "traces", force=force), start.name, asdict(start.axes))


def _of_script(script: Path, arguments: tuple[str, ...], options: dict[str, Any], output: Path) -> _Work:
    from sdtrace_collector.script.outside import Outside  # noqa: PLC0415 - as above
    from sdtrace_collector.tune.script_bench import ScriptBench  # noqa: PLC0415 - as above

    counts = {"images": options["images"] or _PROFILED, "unprofiled": options["unprofiled_images"]}
    bench = ScriptBench(script, list(arguments), output / "traces", **counts)
    return _Work(bench, "as it is", asdict(Outside()), script.name)


def _check_script(context: click.Context, script: Path) -> None:
    """Raises UsageError for a script that is none, or for options that say what a script says itself."""
    from sdtrace_collector.script.script_path import check_script  # noqa: PLC0415 - as above

    check_script(script)
    for name in _OF_MODELS:
        if context.get_parameter_source(name) is ParameterSource.COMMANDLINE:
            option = {"variant": "from", "settings": "set"}.get(name, name)
            raise UsageError(f"--{option}: the script says that itself; leave it out")


def _tune(work: _Work, output: Path, budget_s: float, *, keep_dtype: bool) -> int:
    """Runs the loop, writes and prints; the exit code."""
    from sdtrace_collector.session import INTERRUPTED  # noqa: PLC0415 - as above
    from sdtrace_collector.tune import page  # noqa: PLC0415 - as above
    from sdtrace_collector.tune.loop import Loop, begin  # noqa: PLC0415 - as above

    try:
        begun = begin(work.runs, work.name, work.point)
        space = _space(work, begun)
    except KeyboardInterrupt:
        click.echo("sdtrace: interrupted before the start was measured; nothing was written", err=True)
        return INTERRUPTED

    def note(trial: Trial) -> None:
        click.echo(page.line(trial))
        _write(begun.tuning, output)

    click.echo(f"{page.title(begun.tuning)}\n\n{page.head()}")
    note(begun.tuning.start)
    loop = Loop(work.runs, begun, note, budget_s=budget_s, keep_dtype=keep_dtype, space=space)
    code = _run(loop) and INTERRUPTED
    _finish(begun, loop, output)
    return code


def _space(work: _Work, begun: Begun) -> Space:
    """What may be set; of a script it is also found out whether its pictures can be compared at all."""
    from sdtrace_collector.tune.space import VariantSpace  # noqa: PLC0415 - as above

    if not work.script:
        return VariantSpace()
    import msgspec  # noqa: PLC0415 - as above

    from sdtrace_collector.tune.script_space import ScriptSpace  # noqa: PLC0415 - as above

    space = ScriptSpace(begun.first.facts)
    start = begun.tuning.start
    if start.measured is not None:
        walls = start.measured.with_more(work.runs.check_repeats(begun.first, work.point))
        begun.tuning.trials[0] = msgspec.structs.replace(start, measured=walls)
    begun.tuning.script, begun.tuning.denoiser = work.script, space.denoiser
    return space


def _run(loop: Loop) -> bool:
    """Whether Ctrl-C ended it."""
    try:
        loop.run()
    except KeyboardInterrupt:
        loop.tuning.ended = "interrupted"
        return True
    return False


def _finish(begun: Begun, loop: Loop, output: Path) -> None:
    """The table and the reports of the start and the best."""
    from sdtrace_collector.tune import page  # noqa: PLC0415 - as above

    _write(loop.tuning, output)
    for folder, analysis in zip(_REPORTS, (begun.analysis, loop.analysis), strict=True):
        analysis.save(output / folder, force=True)
    click.echo("\n" + "\n".join(page.closing(loop.tuning)))
    click.echo(f"written: {output / 'tune.md'}, {output / 'best' / 'report.html'}")


def _write(tuning: Tuning, output: Path) -> None:
    import msgspec  # noqa: PLC0415 - as above

    from sdtrace.atomic_files import write_all  # noqa: PLC0415 - as above
    from sdtrace_collector.tune.page import markdown  # noqa: PLC0415 - as above

    contents = (msgspec.json.format(msgspec.json.encode(tuning)), markdown(tuning).encode())
    write_all({output / name: content for name, content in zip(_FILES, contents, strict=True)}, force=True)
