"""Processes forked from one that has imported what they need: real ones, without seconds of imports.

What is tested of a start itself, such as what is imported and when, needs a fresh interpreter.
"""

from __future__ import annotations

import atexit
import gc
import json
import os
import runpy
import signal
import socket
import subprocess
import sys
import tempfile
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack, suppress
from functools import cache
from importlib import import_module
from pathlib import Path
from types import TracebackType
from typing import IO, Any, Self

_ROOM = 1 << 18


class Fork:
    """A running process, as `subprocess.Popen` has it."""

    def __init__(self, told: int, stdin: IO[bytes] | None = None, stdout: IO[bytes] | None = None) -> None:
        self._told = os.fdopen(told)
        self.pid = int(self._told.readline())
        self.stdin, self.stdout = stdin, stdout
        self.returncode: int | None = None

    def wait(self) -> int:
        """Its exit code, or the signal that ended it, negated."""
        if self.returncode is None:
            self.returncode = int(self._told.readline())
            self._told.close()
        return self.returncode

    def poll(self) -> int | None:
        """The same; None while it runs."""
        if self.returncode is None and not _can_be_read(self._told.fileno()):
            return None
        return self.wait()

    def send_signal(self, number: int) -> None:
        if self.poll() is None:
            os.kill(self.pid, number)

    def kill(self) -> None:
        self.send_signal(signal.SIGKILL)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for pipe in (self.stdin, self.stdout):
            if pipe is not None:
                pipe.close()
        self.wait()


def _can_be_read(descriptor: int) -> bool:
    import select  # noqa: PLC0415  # only what waits needs it

    return bool(select.select([descriptor], [], [], 0)[0])


class Parent:
    """A process that has imported `modules` and has one thread."""

    def __init__(self, modules: Sequence[str]) -> None:
        if sys.platform != "linux":
            raise NotImplementedError("forks that are told apart from their parent need Linux")
        self._ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        with theirs:
            self._process = subprocess.Popen(
                [sys.executable, "-m", __name__, str(theirs.fileno()), *modules],
                pass_fds=[theirs.fileno()],
                cwd=Path(__file__).parents[1],
                stdin=subprocess.DEVNULL,
            )
        atexit.register(self.end)

    def end(self) -> None:
        """It ends once nobody can ask it any more."""
        self._ours.close()
        self._process.wait()

    def start(
        self,
        arguments: Sequence[str],
        streams: Sequence[int | None],
        *,
        cwd: Path | None = None,
        env: Mapping[str, str] | None = None,
        new_session: bool = False,
    ) -> int:
        """Fork: `arguments` are `-m MODULE WORD...` or `-c CODE WORD...`. Where pid and exit code come from.

        `streams` are its stdin, stdout and stderr; None is a closed one.
        """
        asked = {
            "arguments": list(arguments),
            "streams": [stream is not None for stream in streams],
            "cwd": str(cwd or Path.cwd()),
            "environment": dict(os.environ if env is None else env),
            "new_session": new_session,
        }
        told, tell = os.pipe()
        try:
            given = [tell, *(stream for stream in streams if stream is not None)]
            socket.send_fds(self._ours, [json.dumps(asked).encode()], given)
        finally:
            os.close(tell)
        return told

    def popen(
        self,
        command: Sequence[str],
        *,
        stdin: int,
        stdout: int | IO[bytes],
        stderr: int | IO[bytes],
        env: Mapping[str, str] | None = None,
        start_new_session: bool = False,
    ) -> Fork:
        """In place of `subprocess.Popen` for `[sys.executable, "-m", MODULE, WORD...]`."""
        assert command[0] == sys.executable
        with ExitStack() as stack:
            pipes: list[IO[bytes] | None] = []
            streams: list[int | None] = []
            for number, wanted in enumerate((stdin, stdout, stderr)):
                theirs, ours = _stream(number, wanted, stack)
                streams.append(streams[1] if wanted == subprocess.STDOUT else theirs)
                pipes.append(ours)
            told = self.start(command[1:], streams, env=env, new_session=start_new_session)
        return Fork(told, *pipes[:2])

    def run(
        self,
        arguments: Sequence[str],
        cwd: Path | None = None,
        env: Mapping[str, str] | None = None,
        streams: Mapping[int, int | None] | None = None,
    ) -> subprocess.CompletedProcess[str]:
        """As `subprocess.run` with what it said captured; `streams` replaces some of those by number."""
        with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err, open(os.devnull) as nothing:  # noqa: PTH123
            given = {0: nothing.fileno(), 1: out.fileno(), 2: err.fileno(), **(streams or {})}
            code = Fork(self.start(arguments, [given[each] for each in range(3)], cwd=cwd, env=env)).wait()
            said = []
            for file in (out, err):
                file.seek(0)
                said.append(file.read().decode("utf-8", "replace"))
        return subprocess.CompletedProcess(arguments, code, *said)


def _stream(number: int, wanted: int | IO[bytes], stack: ExitStack) -> tuple[int | None, IO[bytes] | None]:
    """The end for the process, and ours, which there is for pipes only."""
    if not isinstance(wanted, int):
        return wanted.fileno(), None
    if wanted == subprocess.STDOUT:
        return None, None
    if wanted == subprocess.DEVNULL:
        return stack.enter_context(open(os.devnull, "r+b", buffering=0)).fileno(), None  # noqa: PTH123
    assert wanted == subprocess.PIPE
    end, other = os.pipe()
    theirs, ours = (end, other) if number == 0 else (other, end)
    stack.callback(os.close, theirs)
    return theirs, os.fdopen(ours, "wb" if number == 0 else "rb")


@cache
def parent_of(*modules: str) -> Parent:
    """One in each process of tests, from its first use on."""
    return Parent(modules)


def _serve(channel: socket.socket) -> Callable[[], Any] | None:
    """What a fork is to do; None in the parent, where nobody asks any more."""
    threads = len([*Path("/proc/self/task").iterdir()])
    assert threads == 1, f"{threads} threads: a fork would have only one of them"
    gc.freeze()
    while True:
        asked, descriptors, *_ = socket.recv_fds(channel, _ROOM, 4)
        if not asked:
            _reap()
            return None
        if os.fork() == 0:
            channel.close()
            return _minded(json.loads(asked), descriptors)
        for descriptor in descriptors:
            os.close(descriptor)
        _reap()


def _reap() -> None:
    with suppress(ChildProcessError):
        while os.waitpid(-1, os.WNOHANG)[0]:
            pass


def _minded(asked: dict[str, Any], descriptors: list[int]) -> Callable[[], Any]:
    """Fork once more: the one in between tells number and exit code of the other."""
    tell, *given = descriptors
    pid = os.fork()
    if pid:
        for descriptor in given:
            os.close(descriptor)
        os.write(tell, f"{pid}\n".encode())
        code = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
        os.write(tell, f"{code}\n".encode())
        os._exit(0)
    os.close(tell)
    if asked["new_session"]:
        os.setsid()
    for number, is_there in enumerate(asked["streams"]):
        if is_there:
            os.dup2(given.pop(0), number)
        else:
            os.close(number)
    os.closerange(3, 256)
    for name, mode, number in (("stdin", "r", 0), ("stdout", "w", 1), ("stderr", "w", 2)):
        setattr(sys, name, os.fdopen(number, mode, closefd=False) if asked["streams"][number] else None)
    os.environ.clear()
    os.environ.update(asked["environment"])
    os.chdir(asked["cwd"])
    kind, what, *words = asked["arguments"]
    sys.argv = [what if kind == "-m" else kind, *words]
    if kind == "-m":
        return lambda: runpy.run_module(what, run_name="__main__", alter_sys=True)
    return lambda: exec(what, {"__name__": "__main__"})


def _main() -> Callable[[], Any] | None:
    channel, *modules = sys.argv[1:]
    for module in modules:
        import_module(module)
    return _serve(socket.socket(fileno=int(channel)))


if __name__ == "__main__":
    if task := _main():
        task()
