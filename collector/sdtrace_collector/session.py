"""One call of `sdtrace collect`: runs its variants one after the other and prints a summary."""

from __future__ import annotations

import re
import shlex
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from statistics import median
from typing import Any

import click

from sdtrace.errors import UsageError
from sdtrace.safe_text import visible
from sdtrace.suggestions import did_you_mean
from sdtrace_collector.errors import DoesNotApply, SetupFailed, VariantFailed
from sdtrace_collector.geometry import MODELS
from sdtrace_collector.launch import run_variant
from sdtrace_collector.likeness import EQUAL_DB
from sdtrace_collector.progress import shown
from sdtrace_collector.protocol import Missing, Note, ProfilerOptions, RunFacts, Spec
from sdtrace_collector.targets import Target
from sdtrace_collector.variants import Variant

INTERRUPTED = 130
_HUB_ID = re.compile(r"\w[\w.-]*/[\w.-]+")


def spec_of(variant: Variant, options: dict[str, Any]) -> Spec:
    """The `Spec` of a variant, from the command line's options, which are named like its fields.

    Raises:
        UsageError: a size that no model can make, a model that does not exist.
    """
    rest = dict(options)
    shapes = rest.pop("record_shapes")
    profiler = ProfilerOptions(
        record_shapes=shapes,
        with_flops=shapes,
        with_stack=rest.pop("with_stack"),
        profile_memory=rest.pop("profile_memory"),
    )
    for side in ("height", "width"):
        if (rest[side] or 0) % 8:
            raise UsageError(f"--{side} {rest[side]}: not a multiple of 8; choose {-(-rest[side] // 8) * 8}")
    if rest["model"]:
        rest["model"] = _model(rest["model"])
    return Spec(variant=variant.name, axes=variant.axes, scratch="", profiler=profiler, **rest)


def _model(name: str) -> str:
    """A built-in model's name, a folder's whole path or what may be a hub id."""
    if name in MODELS:
        return name
    if Path(name).is_dir():
        return str(Path(name).resolve())
    if _HUB_ID.fullmatch(name):
        return name
    if "/" in name:
        raise UsageError(f"--model {name}: no such folder; check the path")
    known = ", ".join(MODELS)
    raise UsageError(
        f"unknown model {name!r}{did_you_mean(name, MODELS)}: choose from {known}, a folder or a hub id"
    )


def run_all(specs: list[Spec], targets: dict[str, Target], *, force: bool, passes_over: bool = False) -> int:
    """Runs every variant in a process of its own and prints a line for each; the exit code.

    After a variant that fails the others still run, unless it shows that none can run here. With
    `passes_over`, one that does not suit the model or the machine is no failure, if any was collected.
    """
    collected: dict[Path, RunFacts] = {}
    skipped = code = 0
    with terminated_like_interrupted():
        for spec in specs:
            target = targets[spec.variant]
            try:
                collected[target.trace], is_whole = _collected(spec, target, force=force)
                code = code if is_whole else VariantFailed.exit_code
            except VariantFailed as error:
                is_skipped = passes_over and isinstance(error, DoesNotApply)
                _say(spec, f"skipped: {error}" if is_skipped else str(error))
                skipped += is_skipped
                code = code if is_skipped else error.exit_code
            except SetupFailed as error:
                click.echo(f"sdtrace: {error}", err=True)
                code = error.exit_code
                break
            except KeyboardInterrupt:
                _say(spec, "interrupted; nothing of it was written")
                code = INTERRUPTED
                break
    _summarise(collected, skipped)
    return code if collected or code else DoesNotApply.exit_code


def _collected(spec: Spec, target: Target, *, force: bool) -> tuple[RunFacts, bool]:
    """Runs one variant and says what of it the user should know; whether all that was asked for is there."""
    messages: list[Missing | Note] = []
    with shown(spec.variant) as show:
        facts = run_variant(spec, target, show, force=force, on_message=messages.append)
    for message in [*messages, *_picture_notes(facts)]:
        _say(spec, message.message)
    return facts, not any(isinstance(message, Missing) for message in messages)


def _say(spec: Spec, text: str) -> None:
    click.echo(f"sdtrace: {spec.variant}: {text}", err=True)


def _summarise(collected: dict[Path, RunFacts], skipped: int) -> None:
    shown = {path: visible(str(path)) for path in collected}
    width = max(map(len, shown.values()), default=0)
    for path, facts in collected.items():
        words = (_speed(facts), _picture(facts), _compile(facts))
        click.echo(f"{shown[path]:<{width}}  {'  '.join(filter(None, words))}")
    if collected:
        patterns = sorted({_pattern(path, set(collected)) for path in collected})
        click.echo(f"next: sdtrace analyze {visible(' '.join(patterns))}")
    if skipped:
        click.echo(f"sdtrace: {len(collected)} collected, {skipped} skipped", err=True)


def _speed(facts: RunFacts) -> str:
    if not facts.unprofiled_wall_s:
        return f"{median(facts.profiled_wall_s) * 1000:9.1f} ms/image profiled"
    return f"{median(facts.unprofiled_wall_s) * 1000:9.1f} ms/image"


def _picture(facts: RunFacts) -> str:
    """How like the image is to that of the plain pipeline."""
    if facts.picture is None or facts.picture.psnr_db is None:
        return ""
    decibels = facts.picture.psnr_db
    likeness = "equal" if decibels >= EQUAL_DB else f"{decibels:.0f} dB"
    return f"picture {likeness} ({facts.picture.effect})"


def _picture_notes(facts: RunFacts) -> list[Note]:
    """What to say of an image that is not as like as the variant promises."""
    check = facts.picture
    if check is None or check.is_as_said:
        return []
    likeness = "has no PSNR: it is not finite" if check.psnr_db is None else f"has {check.psnr_db:.0f} dB"
    return [Note(f"its image should be {check.effect} against the plain pipeline's, and {likeness}")]


def _compile(facts: RunFacts) -> str:
    return f"compile {facts.compile_s:6.1f} s" if facts.axes.compiled else ""


def _pattern(path: Path, collected: set[Path]) -> str:
    """What matches a trace and others of this call; its own name where others lie beside it."""
    ending = ".json.gz" if path.suffix == ".gz" else ".json"
    if not set(path.parent.glob(f"*{ending}")) - _beside(collected) <= collected:
        return shlex.quote(path.as_posix())
    folder = "" if path.parent == Path() else f"{shlex.quote(path.parent.as_posix())}/"
    return f"{folder}*{ending}"


def _beside(collected: set[Path]) -> set[Path]:
    """torch's own tables, which `analyze` passes over."""
    return {found for path in collected for found in path.parent.glob("*.keyavg.json.gz")}


@contextmanager
def terminated_like_interrupted() -> Iterator[None]:
    """SIGTERM ends the call as Ctrl-C does; else the worker, in a session of its own, would outlive us."""
    before = signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)
