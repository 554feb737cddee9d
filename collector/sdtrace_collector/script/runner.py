"""One call of `sdtrace run`: the script, what is seen of it, and its trace."""

from __future__ import annotations

import sys
import tempfile
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from sdtrace.errors import SdtraceError
from sdtrace.safe_text import one_line
from sdtrace_collector.script.hooks import Around, see_function, see_modules, see_pipelines, seen_function
from sdtrace_collector.script.main_module import run_script
from sdtrace_collector.script.plan import Plan
from sdtrace_collector.script.said import what_became

if TYPE_CHECKING:
    from sdtrace_collector.script.recorder import Recorder
    from sdtrace_collector.script.trial import Trial


@dataclass(frozen=True, slots=True)
class Wanted:
    """What the command line asks for. `profiler` has the options of `torch.profiler.profile`.

    `trial` is there where `sdtrace tune` runs the script. With `is_module`, `script` is a module's name.
    """

    script: Path
    arguments: list[str]
    target: Path
    plan: Plan
    function: str | None
    every_module: str | None
    profiler: dict[str, bool]
    peaks: bool | None
    force: bool
    trial: Trial | None = None
    is_module: bool = False


class Watched:
    """The recorder, made at the first call: until then torch may not have been imported."""

    def __init__(
        self, plan: Plan, profiler: dict[str, bool], folder: Path, trial: Trial | None = None
    ) -> None:
        self._plan, self._profiler, self._folder, self._trial = plan, profiler, folder, trial
        self.recorder: Recorder | None = None
        self._made = 0

    def made(self) -> None:
        """A pipeline was made."""
        self._made += 1
        if self.recorder is not None:
            self.recorder.pipelines = self._made

    def counted(self, name: str, call: Any, args: tuple[Any, ...], kwargs: dict[str, Any], pipe: Any) -> Any:
        """A call that counts."""
        if self.recorder is None:
            self.recorder = self._new()
        if self._trial is None:
            return self.recorder.around(name, call, args, kwargs, pipe)
        result = self.recorder.around(name, self._trial.prepared(call, pipe), args, kwargs, pipe)
        self._trial.made(result)
        if self.recorder.iterations >= self._plan.calls:
            sys.exit(0)  # the rest of the script is of no use here
        return result

    def named(self, _name: str, call: Any, args: tuple[Any, ...], kwargs: dict[str, Any], pipe: Any) -> Any:
        """A pipeline's call, where something else counts."""
        if self.recorder is None:
            return call(*args, **kwargs)
        return self.recorder.within(call, args, kwargs, pipe)

    def _new(self) -> Recorder:
        from sdtrace_collector.protocol import ProfilerOptions  # noqa: PLC0415 - see the class
        from sdtrace_collector.script.recorder import Recorder  # noqa: PLC0415 - see the class

        recorder = Recorder(self._plan, ProfilerOptions(**self._profiler), self._folder)
        recorder.pipelines = self._made
        return recorder


def run(wanted: Wanted) -> int:
    """Runs the script and writes its trace; the exit code is the script's, or 1 where there is no trace.

    Raises:
        UsageError: the script cannot be read, or has no such function.
    """
    with tempfile.TemporaryDirectory(prefix="sdtrace-") as folder, ExitStack() as hooks:
        watched = Watched(wanted.plan, wanted.profiler, Path(folder), wanted.trial)
        own = _watch(wanted, watched, hooks)
        code = run_script(
            wanted.script,
            wanted.arguments,
            own,
            lambda function: seen_function(own or "", function, watched.counted),
            is_module=wanted.is_module,
        )
        is_written = _write(wanted, watched.recorder, code)
    return code if code or is_written else 1


def _watch(wanted: Wanted, watched: Watched, hooks: ExitStack) -> str | None:
    """Sets the hooks. Returns the function to be seen, where the script itself defines it."""
    counts_pipelines = wanted.function is None and wanted.every_module is None
    pipelines: Around = watched.counted if counts_pipelines else watched.named
    hooks.callback(see_pipelines(pipelines, watched.made))
    if wanted.every_module is not None:
        hooks.callback(see_modules(wanted.every_module, watched.counted))
    if wanted.function is None:
        return None
    place, colon, path = wanted.function.partition(":")
    if not colon or place == "__main__":
        return path or place
    hooks.callback(see_function(wanted.function, watched.counted))
    return None


def _write(wanted: Wanted, recorder: Recorder | None, code: int) -> bool:
    """Writes what was profiled and says what it is; whether there is a trace."""
    if recorder is not None:
        try:
            _finish(wanted, recorder)
        except (SdtraceError, RuntimeError, OSError) as error:
            click.echo(f"sdtrace: the trace could not be written: {one_line(str(error))}", err=True)
            return False
    for line in what_became(recorder, wanted.plan, wanted.target, code):
        click.echo(f"sdtrace: {line}", err=True)
    return recorder is not None and recorder.trace.is_file()


def _finish(wanted: Wanted, recorder: Recorder) -> None:
    from sdtrace_collector.script.facts import facts_of  # noqa: PLC0415 - torch, which the script imports
    from sdtrace_collector.script.trace_file import write_trace  # noqa: PLC0415 - as above

    recorder.finish()
    trial = wanted.trial
    if trial is None and not recorder.trace.is_file():
        return
    outside = None if trial is None else trial.settings.given()
    facts = facts_of(recorder, wanted.script.name, peaks=wanted.peaks, outside=outside)
    if trial is not None:
        trial.write(facts)
    if recorder.trace.is_file():
        write_trace(recorder.trace, facts, wanted.target, force=wanted.force)
