"""A tuning in words: a line for each trial, the table in Markdown, what the best is and how to run it."""

from __future__ import annotations

import shlex
import textwrap
from collections.abc import Iterator
from dataclasses import asdict
from typing import Final

from sdtrace_collector.likeness import EQUAL_DB
from sdtrace_collector.tune.decide import Walls
from sdtrace_collector.tune.record import FINISHED, Trial, Tuning
from sdtrace_collector.tune.script_code import in_code
from sdtrace_collector.variants import AXIS_NAMES, VARIANTS, Axes

_WIDTHS: Final = (2, 27, 24, 11, 17)
_HEAD: Final = ("#", "setting", "advised by", "predicted", "measured ms")


def head() -> str:
    """The line above the lines of trials."""
    return _line(_HEAD)


def line(trial: Trial) -> str:
    """One trial, for the terminal; several settings stand on lines of their own below it."""
    several = len(trial.settings) > 1
    name = f"{len(trial.settings)} settings at once" if several else trial.name
    advice = _advice(trial.findings[:1], trial)
    cells = (str(trial.number), name, advice, _promised(trial), _wall(trial.measured))
    first = f"{_line(cells)}  {_said(trial)}".rstrip()
    return "\n".join([first, *_below(trial)]) if several else first


def _below(trial: Trial) -> Iterator[str]:
    """The settings of a trial that moves several axes, and the findings that no column has room for."""
    said = [", ".join(_settings(trial))]
    if len(trial.findings) > 1:
        said.append(f"advised by {', '.join(trial.findings[1:])} too")
    for text in said:
        yield textwrap.fill(text, 80, initial_indent="   ", subsequent_indent="   ", break_on_hyphens=False)


def _settings(trial: Trial) -> list[str]:
    return [f"{axis}={value}" for axis, value in trial.settings.items()] or [trial.name]


def markdown(tuning: Tuning) -> str:
    """The whole tuning as a page."""
    rows = [
        "| # | setting | advised by | base | predicted | measured | picture | outcome |",
        "|--:|---|---|--:|--:|--:|--:|---|",
    ]
    for trial in tuning.trials:
        cells = (
            str(trial.number),
            ", ".join(f"`{setting}`" for setting in _settings(trial)),
            _advice(trial.findings, trial),
            _wall(trial.base),
            _promised(trial),
            _wall(trial.measured),
            _picture(trial),
            _said(trial),
        )
        rows.append(f"| {' | '.join(cell.replace('|', '/') for cell in cells)} |")
    return "\n".join([f"# {title(tuning)}", "", *rows, "", *closing(tuning), "", _NOTE])


_NOTE: Final = """\
Times are milliseconds an image without the profiler: the median ± half the distance between the quartiles.
A setting is kept when three quarters of its images are faster than three quarters of the base's, and the
picture is still the same. *predicted* is what the findings promised for the base: of several, at least what
the best brings, at most the sum. *picture* compares the first image with that of the start, in decibels
(PSNR).
"""


def title(tuning: Tuning) -> str:
    """What is tuned, and on what."""
    parts = [str(tuning.script or tuning.model)]
    if tuning.width and tuning.height:
        parts.append(f"{tuning.width}x{tuning.height}")
    if tuning.steps:
        parts.append(f"{tuning.steps} steps")
    if (tuning.batch or 1) > 1:
        parts.append(f"batch {tuning.batch}")
    return f"{', '.join(parts)}, on {tuning.device_name or tuning.device}"


def closing(tuning: Tuning) -> Iterator[str]:
    """What was reached, how to run it, and why it ended."""
    start, best = tuning.start.measured, tuning.best.measured
    tried = len(tuning.trials) - 1
    if start and best:
        before, after = start.median, best.median
        kept = sum(trial.outcome == "kept" for trial in tuning.trials)
        times = f"{before / after:.2f} times as fast"
        yield f"Kept {kept} of {tried}: {_ms(before)} -> {_ms(after)} ms an image, {times}."
    yield f"Ended: {tuning.ended}."
    if tuning.script and not tried:
        yield "No setting was tried: give it more minutes with --budget."
        return
    if tuning.script:
        yield from in_code(tuning.best.axes, tuning.denoiser)
        return
    options = best_options(tuning)
    yield f"Collect the best: `sdtrace collect --variant {options}`"
    if tuning.ended != FINISHED:
        yield f"Go on from it: `sdtrace tune --from {options}`"


def best_options(tuning: Tuning) -> str:
    """Options that name the best: the variant that is nearest to it, what differs, model and sizes."""
    axes = Axes(**tuning.best.axes)
    alike = [name for name in VARIANTS if VARIANTS[name].axes.dtype == axes.dtype]
    name = min(alike, key=lambda name: len(_changes(VARIANTS[name].axes, axes)))
    sets = [f"--set {axis}={value}" for axis, value in _changes(VARIANTS[name].axes, axes).items()]
    sizes = [f"--{side} {getattr(tuning, side)}" for side in ("steps", "batch", "height", "width")]
    model = f"--model {shlex.quote(str(tuning.model))}"
    return " ".join([name, *sets, model, *sizes])


def _changes(before: Axes, after: Axes) -> dict[str, str]:
    old, new = asdict(before), asdict(after)
    return {axis: new[axis] for axis in AXIS_NAMES if new[axis] != old[axis]}


def _line(cells: tuple[str, ...]) -> str:
    """Words to the left, numbers to the right; what is too long pushes the rest."""
    padded = (
        f"{cell:<{width}}" if place in (1, 2) else f"{cell:>{width}}"
        for place, (cell, width) in enumerate(zip(cells, _WIDTHS, strict=True))
    )
    return " ".join(padded)


def _advice(findings: list[str], trial: Trial) -> str:
    return ", ".join(findings) or ("" if trial.outcome == "start" else "no finding")


def _promised(trial: Trial) -> str:
    if trial.low_us is not None and trial.high_us is not None:
        return f"{_ms(trial.low_us / 1e6)} to {_ms(trial.high_us / 1e6)}"
    return "" if trial.predicted_us is None else _ms(trial.predicted_us / 1e6)


def _wall(walls: Walls | None) -> str:
    """Such as `24.4 ± 0.3`."""
    if walls is None:
        return ""
    return f"{_ms(walls.median)} ± {_ms(walls.spread * walls.median, walls.median)}"


def _picture(trial: Trial) -> str:
    if trial.psnr_db is None:
        return ""
    return "equal" if trial.psnr_db >= EQUAL_DB else f"{trial.psnr_db:.0f}"


def _said(trial: Trial) -> str:
    if trial.note:
        return f"{trial.outcome}: {trial.note.splitlines()[0]}"
    return "" if trial.outcome == "start" else trial.outcome


def _ms(seconds: float, like: float | None = None) -> str:
    """Milliseconds with the decimals that suit `like`, in seconds too, or the number itself."""
    decimals = 2 if (seconds if like is None else like) < 0.001 else 1
    return f"{seconds * 1000:,.{decimals}f}"
