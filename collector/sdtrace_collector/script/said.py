"""What became of a script's calls, in lines for people."""

from __future__ import annotations

import shlex
from collections.abc import Iterator
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING, Final

from sdtrace.safe_text import visible
from sdtrace_collector.script.plan import Plan

if TYPE_CHECKING:
    from sdtrace_collector.script.recorder import Recorder

_NOTHING_CALLED: Final = (
    "nothing to profile: the script called no diffusers pipeline; for other code name what repeats, "
    "with --function MODULE:NAME or --every-module CLASS"
)


def what_became(recorder: Recorder | None, plan: Plan, target: Path, code: int) -> Iterator[str]:
    """One line each: what was called, what was made of it, and what to type next.

    `code` is the script's exit code.
    """
    if recorder is None:
        early = f"nothing was profiled: the script ended with exit code {code} before a call that counts"
        yield early if code else _NOTHING_CALLED
        return
    yield f"{_calls(recorder)}: {_parts(recorder)}"
    if recorder.problem:
        yield f"{recorder.problem}; end your own profiler before the call, or leave it out"
    elif recorder.cold and not plan.cold:
        yield (
            f"the profile is of the first call, which is cold: compiling and first-time work are in it. "
            f"{_how_to_be_warm(recorder, plan)}"
        )
    elif recorder.iterations < plan.calls:
        yield f"{plan.calls} calls were planned. {_how_to_be_warm(recorder, plan)}"
    if recorder.trace.is_file():
        yield f"{visible(str(target))} written; next: sdtrace analyze {visible(shlex.quote(str(target)))}"
    elif not recorder.problem:
        yield "no trace was written: no call was profiled"


def _calls(recorder: Recorder) -> str:
    return ", ".join(
        f"{count} {'call' if count == 1 else 'calls'} of {name}" for name, count in recorder.calls.items()
    )


def _parts(recorder: Recorder) -> str:
    walls = recorder.walls
    timed = f" (median {_seconds(median(walls['timed']))})" if walls["timed"] else ""
    repeated = f"the first made {recorder.iterations} times, " if recorder.plan.repeat else ""
    return (
        f"{repeated}{len(walls['left out'])} left out, {len(walls['timed'])} timed without the "
        f"profiler{timed}, {len(walls['profiled'])} profiled"
    )


def _how_to_be_warm(recorder: Recorder, plan: Plan) -> str:
    fitting = plan.fitting(recorder.iterations)
    again = "--repeat makes the calls that are missing"
    if fitting is None:
        return f"For warm calls, {again}."
    return (
        f"For {recorder.iterations} calls choose --skip {fitting.skip} --unprofiled {fitting.unprofiled} "
        f"--profile {fitting.profile}; or {again}."
    )


def _seconds(wall: float) -> str:
    return f"{wall:.3g} s" if wall >= 1 else f"{wall * 1000:.3g} ms"
