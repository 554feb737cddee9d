"""The same tasks on a Dask cluster: one of this machine's own, or one whose scheduler is named."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import islice
from typing import Any, Final

from sdtrace.errors import UsageError
from sdtrace.fleets.items import Task, encode, lost
from sdtrace.fleets.task import run_task

_WAITING: Final = 2
"""Tasks that wait at the scheduler, in times of its workers."""


class Cluster:
    """Workers of Dask. `address` is that of a scheduler; '' starts `workers` processes here."""

    def __init__(self, address: str, workers: int) -> None:
        self._address, self._workers = address, workers

    def run(self, tasks: Iterable[Task]) -> Iterator[bytes]:
        """The outcome of each task, encoded, in the order in which they end.

        Raises UsageError where Dask is not installed, or no scheduler answers.
        """
        distributed = _distributed()
        with _client(distributed, self._address, self._workers) as client:
            threads = sum(client.nthreads().values()) or 1
            todo = iter(tasks)
            running = {}
            ended = distributed.as_completed()
            for task in islice(todo, _WAITING * threads + threads):
                running[_submitted(client, ended, task)] = task
            for future in ended:
                task = running.pop(future)
                yield _outcome(distributed, future, task)
                for following in islice(todo, 1):
                    running[_submitted(client, ended, following)] = following


def _distributed() -> Any:
    try:
        import dask  # noqa: PLC0415  # an optional extra
        import distributed  # noqa: PLC0415  # as above
    except ImportError as error:
        raise UsageError("Dask is not installed; run: pip install 'sdtrace[cluster]'") from error
    # Workers of our own: one thread each, in polars too.
    dask.config.set({"distributed.nanny.pre-spawn-environ.POLARS_MAX_THREADS": 1})
    return distributed


def _client(distributed: Any, address: str, workers: int) -> Any:
    if not address:
        return distributed.Client(
            n_workers=workers, threads_per_worker=1, processes=True, dashboard_address=None
        )
    try:
        return distributed.Client(address)
    except (OSError, ValueError) as error:
        raise UsageError(f"no Dask scheduler answers at {address}: {error}") from error


def _submitted(client: Any, ended: Any, task: Task) -> Any:
    future = client.submit(run_task, encode(task), pure=False)
    ended.add(future)
    return future


def _outcome(distributed: Any, future: Any, task: Task) -> bytes:
    try:
        found: bytes = future.result()
    except distributed.KilledWorker:
        return lost(task.item)
    return found
