"""Runs a variant in a process of its own and puts its trace where it belongs."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

import msgspec

from sdtrace_collector.errors import DoesNotApply, SetupFailed, VariantFailed
from sdtrace_collector.failures import SMALLER
from sdtrace_collector.protocol import (
    Done,
    Event,
    Exporting,
    Failed,
    Golden,
    Measured,
    Missing,
    Note,
    Picture,
    RunFacts,
    Spec,
    Stage,
)
from sdtrace_collector.stream import chunks_of, pending, with_facts
from sdtrace_collector.targets import Target, remove_others

_COMMAND = [sys.executable, "-m", "sdtrace_collector.worker"]
_EVENTS = msgspec.json.Decoder(Event)


def run_variant(
    spec: Spec,
    target: Target,
    on_stage: Callable[[Stage], None],
    *,
    force: bool = False,
    on_message: Callable[[Missing | Note], None] = lambda _: None,
) -> RunFacts:
    """Runs `spec` in a worker. A file appears under its name once it is whole, the trace before all others.

    `on_message` is told what the user should know, such as what could not be made beside the trace. Files
    that an earlier run left beside the trace of this name go, where this run does not make them.

    Raises:
        SetupFailed: no variant can run here.
        DoesNotApply: this one does not suit the model or the machine.
        VariantFailed: it failed, was killed, or could not be written; without `force` also when
            another run wrote the same file meanwhile.
    """
    with (
        tempfile.TemporaryDirectory(prefix="sdtrace-", ignore_cleanup_errors=True) as scratch,
        ExitStack() as files,
    ):
        log = Path(scratch, "log")
        with _worker(msgspec.structs.replace(spec, scratch=scratch), log) as process:
            facts, is_exported = None, False
            for event in _events(process):
                files.close()  # the worker goes on: what it handed over is whole
                match event:
                    case Stage():
                        on_stage(event)
                    case Exporting():
                        on_stage(Stage("writing the trace"))
                        facts, is_exported = event.facts, True
                        chunks = chunks_of(event.paths, lambda: process.poll() is None)
                        files.enter_context(pending(target.trace, force=force))(
                            with_facts(chunks, msgspec.json.encode(facts))
                        )
                    case Measured():
                        facts = event.facts
                    case Golden() | Picture():
                        place = target.golden if isinstance(event, Golden) else target.picture
                        content = chunks_of([event.path], lambda: True)
                        files.enter_context(pending(place, force=force))(content)
                    case Missing() | Note():
                        on_message(event)
                    case Failed():
                        raise _failure(event, spec.variant, log)
                    case Done() if facts is not None:
                        if is_exported:
                            remove_others(target, golden=spec.golden, picture=spec.picture)
                        return facts
        raise VariantFailed(_cause_of_death(process.returncode, spec.variant, log))


@contextmanager
def _worker(spec: Spec, log: Path) -> Iterator[subprocess.Popen[bytes]]:
    """A running worker that has its orders. At the end, it and all that it started are gone.

    Its stdin stays open meanwhile: it ends with us, should we be killed.
    """
    environment = dict(os.environ)
    if spec.cold:
        environment["TORCHINDUCTOR_CACHE_DIR"] = str(Path(spec.scratch, "inductor"))
        environment["TRITON_CACHE_DIR"] = str(Path(spec.scratch, "triton"))
    process = None
    try:
        with log.open("wb") as stderr, _interrupted_later():
            process = subprocess.Popen(
                _COMMAND,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=stderr,
                env=environment,
                start_new_session=True,
            )
        if process.stdin is not None:
            with suppress(BrokenPipeError):
                process.stdin.write(msgspec.json.encode(spec) + b"\n")
                process.stdin.flush()
        yield process
    finally:
        if process is not None:
            _end(process)


@contextmanager
def _interrupted_later() -> Iterator[None]:
    """Ctrl-C inside takes effect at the end: a worker that just started is known, and can be ended."""
    came: list[int] = []
    handler = signal.signal(signal.SIGINT, lambda number, _: came.append(number))
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, handler)
    if came:
        raise KeyboardInterrupt


def _end(process: subprocess.Popen[bytes]) -> None:
    """Kills the worker before its stdin is closed: else it would remove the scratch folder, too early."""
    if hasattr(os, "killpg"):
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(process.pid, signal.SIGKILL)
    else:
        process.kill()
    process.wait()
    for pipe in (process.stdin, process.stdout):
        if pipe is not None:
            with suppress(BrokenPipeError):
                pipe.close()


def _events(process: subprocess.Popen[bytes]) -> Iterator[Event]:
    if process.stdout is None:
        return
    for line in process.stdout:
        if line.endswith(b"\n"):
            yield _EVENTS.decode(line)
    process.wait()


def _failure(event: Failed, variant: str, log: Path) -> SetupFailed | VariantFailed:
    if event.setup:
        return SetupFailed(event.message)
    if not event.applies:
        return DoesNotApply(event.message)
    return VariantFailed(event.message if event.expected else f"{event.message}; {_kept(log, variant)}")


def _cause_of_death(code: int, variant: str, log: Path) -> str:
    if code >= 0:
        return f"the worker ended early with exit code {code}; {_kept(log, variant)}"
    name = signal.Signals(-code).name
    if -code == signal.SIGKILL:
        return f"the worker was killed ({name}), most often because memory ran out; {SMALLER}"
    return f"the worker died ({name}); {_kept(log, variant)}"


def _kept(log: Path, variant: str) -> str:
    """Saves the worker's log from the scratch folder's end, and says where it is."""
    descriptor, name = tempfile.mkstemp(prefix=f"sdtrace-{variant}-", suffix=".log")
    with os.fdopen(descriptor, "wb") as kept:
        kept.write(log.read_bytes())
    return f"the log is {name}"
