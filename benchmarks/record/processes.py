"""Scenes in processes of their own: made ready side by side, measured one after the other."""

from __future__ import annotations

import contextlib
import os
import selectors
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import IO, Final, NamedTuple

_ROOT: Final = Path(__file__).parents[2]
_GRACE_S: Final = 20.0
"""How long a scene may go on after its limit before it is ended."""


class Plan(NamedTuple):
    """What is recorded where, and for how long."""

    folder: Path
    is_tiny: bool
    limit_s: float
    """For one scene alone."""
    ready_s: float
    """For building and compiling, of all that are made ready together."""
    end_s: float
    """On the monotonic clock, when all must be over."""


class _Process:
    """A scene that is made ready, and then waits for its turn."""

    def __init__(self, scene: str, plan: Plan) -> None:
        self.scene = scene
        self.log = plan.folder / "logs" / f"{scene}.log"
        command = [sys.executable, "-m", "benchmarks.record.one_scene", scene, str(plan.folder)]
        command += ["--limit", str(plan.limit_s), *(["--tiny"] if plan.is_tiny else [])]
        with self.log.open("wb") as log:
            self._process = subprocess.Popen(
                command,
                cwd=_ROOT,
                env=_environment(is_tiny=plan.is_tiny),
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=log,
                start_new_session=True,
            )

    @property
    def answers(self) -> IO[bytes]:
        assert self._process.stdout is not None
        return self._process.stdout

    def measure(self, seconds: float) -> int | None:
        """Lets it measure; its exit code, or None where it took longer."""
        assert self._process.stdin is not None
        try:
            self._process.stdin.write(b"go\n")
            self._process.stdin.flush()
            return self._process.wait(seconds)
        except (subprocess.TimeoutExpired, BrokenPipeError):
            return None

    def end(self) -> None:
        """Ends it and the workers it started."""
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait()
        for pipe in (self._process.stdin, self._process.stdout):
            with contextlib.suppress(BrokenPipeError):
                if pipe is not None:
                    pipe.close()

    def last_line(self) -> str:
        lines = self.log.read_text(encoding="utf-8", errors="replace").split("\n")
        return next((line for line in reversed(lines) if line.strip()), "it said nothing")


def _environment(*, is_tiny: bool) -> dict[str, str]:
    """Few threads that compile, since scenes compile side by side; nothing is fetched.

    Tiny networks take one thread: more only wait for each other.
    """
    wanted = {
        "TORCHINDUCTOR_COMPILE_THREADS": "4",
        "TOKENIZERS_PARALLELISM": "false",
        "HF_HUB_OFFLINE": "1",
        "PYTHONUNBUFFERED": "1",
        "PYTHONWARNINGS": "ignore",
        **({"OMP_NUM_THREADS": "1"} if is_tiny else {}),
    }
    return {**wanted, **os.environ}


def record_together(scenes: Sequence[str], plan: Plan, say: Callable[[str], None]) -> dict[str, str]:
    """Makes all ready side by side; then each measures alone, in this order. Returns why scenes failed."""
    (plan.folder / "logs").mkdir(parents=True, exist_ok=True)
    processes: list[_Process] = []
    try:
        for scene in scenes:
            processes.append(_Process(scene, plan))  # noqa: PERF401 - those started are ended whatever comes
        failed = _wait_until_ready(processes, plan)
        for process in processes:
            if process.scene in failed:
                process.end()
        say(f"{len(processes) - len(failed)} of {len(processes)} are ready")
        for process in processes:
            if process.scene not in failed and (why := _turn(process, plan, say)):
                failed[process.scene] = why
        return failed
    finally:
        for process in processes:
            process.end()
        for left in (*plan.folder.glob("*.part"), *plan.folder.glob("*.raw")):
            left.unlink()


def _wait_until_ready(processes: Sequence[_Process], plan: Plan) -> dict[str, str]:
    """Why those that are not ready in time are not."""
    end = min(time.monotonic() + plan.ready_s, plan.end_s)
    failed: dict[str, str] = {}
    with selectors.DefaultSelector() as waiting:
        for process in processes:
            waiting.register(process.answers, selectors.EVENT_READ, process)
        while waiting.get_map() and (left := end - time.monotonic()) > 0:
            for key, _ in waiting.select(left):
                process = key.data
                waiting.unregister(process.answers)
                if not process.answers.readline():
                    failed[process.scene] = process.last_line()
        for key in waiting.get_map().values():
            failed[key.data.scene] = "not ready in time"
    return failed


def _turn(process: _Process, plan: Plan, say: Callable[[str], None]) -> str | None:
    """Lets a scene measure; why it failed."""
    begin = time.monotonic()
    left = plan.end_s - begin
    if left <= 0:
        return "no time left"
    code = process.measure(min(plan.limit_s + _GRACE_S, left))
    process.end()
    say(f"{process.scene}: {time.monotonic() - begin:.0f} s")
    if code is None:
        return "took too long"
    return process.last_line() if code else None
