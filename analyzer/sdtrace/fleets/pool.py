"""Tasks on processes of this machine. One that ends costs the task that it was at, which is tried again."""

from __future__ import annotations

import os
import queue
import subprocess
import sys
import threading
from collections.abc import Iterable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import BinaryIO, Final, cast

from sdtrace.fleets.items import Task, encode, lost
from sdtrace.fleets.worker import receive, send

_TRIES: Final = 2
_ONE_THREAD: Final = ("POLARS_MAX_THREADS", "OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")


class Pool:
    """So many workers, each a process with one thread."""

    def __init__(self, workers: int) -> None:
        self._number = workers
        self._lock = threading.Lock()
        self._stopped = False
        self.workers: list[Worker] = []
        """Those that run."""

    def run(self, tasks: Iterable[Task]) -> Iterator[bytes]:
        """The outcome of each task, encoded, in the order in which they end."""
        todo = iter(tasks)
        done: queue.Queue[bytes | BaseException | None] = queue.Queue(2 * self._number)
        threads = [
            threading.Thread(target=self._serve, args=(todo, done), daemon=True) for _ in range(self._number)
        ]
        for thread in threads:
            thread.start()
        try:
            for _ in threads:
                while (outcome := done.get()) is not None:
                    if isinstance(outcome, BaseException):
                        raise outcome
                    yield outcome
        finally:
            self._stopped = True
            for worker in list(self.workers):
                worker.kill()
            _join(threads, done)

    def _serve(self, todo: Iterator[Task], done: queue.Queue[bytes | BaseException | None]) -> None:
        """Let a worker do task after task."""
        worker = None
        try:
            while (task := self._next(todo)) is not None:
                for _ in range(_TRIES):
                    worker = worker or self._start()
                    outcome = worker.ask(encode(task))
                    if outcome is not None or self._stopped:
                        break
                    self._end(worker)
                    worker = None
                if not self._stopped:
                    done.put(outcome if outcome is not None else lost(task.item))
        except BaseException as error:  # noqa: BLE001  # told to whoever waits
            done.put(error)
        finally:
            if worker is not None:
                self._end(worker)
            if not self._stopped:
                done.put(None)

    def _next(self, todo: Iterator[Task]) -> Task | None:
        with self._lock:
            return None if self._stopped else next(todo, None)

    def _start(self) -> Worker:
        worker = Worker()
        with self._lock:
            self.workers.append(worker)
        return worker

    def _end(self, worker: Worker) -> None:
        with self._lock:
            self.workers.remove(worker)
        worker.close()


def _join(threads: Iterable[threading.Thread], done: queue.Queue[bytes | BaseException | None]) -> None:
    """Wait for the threads, which may themselves wait for room in `done`."""
    for thread in threads:
        while thread.is_alive():
            with suppress(queue.Empty):
                done.get(timeout=0.05)


class Worker:
    """A process that runs `sdtrace.fleets.worker`."""

    def __init__(self) -> None:
        here = str(Path(__file__).parents[2])
        paths = [here, *filter(None, [os.environ.get("PYTHONPATH")])]
        environment = {**os.environ, **dict.fromkeys(_ONE_THREAD, "1"), "PYTHONPATH": os.pathsep.join(paths)}
        self._process = subprocess.Popen(
            [sys.executable, "-m", "sdtrace.fleets.worker"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env=environment,
        )

    @property
    def pid(self) -> int:
        """Of the process."""
        return self._process.pid

    def ask(self, task: bytes) -> bytes | None:
        """The outcome of a task; None where the process ended before it answered."""
        try:
            send(cast(BinaryIO, self._process.stdin), task)
            return receive(cast(BinaryIO, self._process.stdout))
        except OSError:
            return None

    def close(self) -> None:
        """End it, and take note that it ended."""
        self.kill()
        self._process.wait()
        for stream in (self._process.stdin, self._process.stdout):
            with suppress(OSError):
                cast(BinaryIO, stream).close()

    def kill(self) -> None:
        """End it at once."""
        self._process.kill()
