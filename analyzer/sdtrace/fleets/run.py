"""From sources to rows of a store: what is to be read, on what, and what came of it."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Generator, Iterable, Iterator, Mapping, Sequence
from contextlib import closing
from typing import Final, NamedTuple, Protocol

from sdtrace.errors import UnreadableTrace
from sdtrace.fleets.items import Item, Outcome, Task, decode_outcome
from sdtrace.fleets.jobs import update_jobs
from sdtrace.fleets.log import Entry
from sdtrace.fleets.store import Store, alone

_BATCH: Final = 256
"""Traces of a batch: each partition of it becomes a file of each table."""
_MERGED: Final = 8
"""After so many batches small files are merged, so that there are never too many."""


class Runner(Protocol):
    """A pool or a cluster."""

    def run(self, tasks: Iterable[Task]) -> Iterator[bytes]:
        """The outcome of each task, encoded."""


class Filled(NamedTuple):
    """How many sources came to what, by `Status` or `known` (not read again), and the first reasons."""

    counts: Mapping[str, int]
    reasons: list[str]
    seconds: float
    cpu_s: float
    """Processor time of all tasks."""

    @property
    def failed(self) -> int:
        """Sources of which no row is in the store."""
        return sum(self.counts.get(status, 0) for status in ("unreadable", "failed", "lost"))


def fill(
    store: Store,
    found: Sequence[Item | UnreadableTrace],
    runner: Callable[[Sequence[Item]], Runner],
    task_of: Callable[[Item], Task],
    *,
    resume: bool = False,
    progress: Callable[[Outcome], None] = lambda _: None,
) -> Filled:
    """Read the traces and add them to the store; with `resume` those alone that are not in it.

    `runner` gives what runs the tasks of some items. `progress` hears of each that is done. What an earlier
    run had read when it was killed is added first, and not read again. Raises OutputError while another
    process writes the store.
    """
    began = time.monotonic()
    tally = _Tally()
    with alone(store.folder):
        store.remove_strays()
        items = [item for item in found if isinstance(item, Item)]
        tally.add(Entry("", "", "unreadable", reason=str(one)) for one in found if not isinstance(one, Item))
        settled = store.settled() if resume else set()
        todo = [item for item in items if item.key not in settled]
        tally.counts["known"] = len(items) - len(todo)
        digests = store.digests()
        recovered = store.commit(digests)
        tally.add(recovered)
        read = {Item(entry.source, entry.stamp).key for entry in recovered}
        todo = [item for item in todo if item.key not in read]
        if todo:
            with closing(_outcomes(runner(todo), map(task_of, todo))) as outcomes:
                _gather(store, outcomes, digests, tally, progress)
        update_jobs(store)
        store.merge()
    return Filled(tally.counts, tally.reasons, time.monotonic() - began, tally.cpu_s)


def _outcomes(runner: Runner, tasks: Iterable[Task]) -> Generator[bytes, None, None]:
    yield from runner.run(tasks)


def _gather(
    store: Store,
    outcomes: Iterator[bytes],
    digests: set[bytes],
    tally: _Tally,
    progress: Callable[[Outcome], None],
) -> None:
    waiting = batches = 0
    for packed in outcomes:
        store.spool(packed)
        outcome = decode_outcome(packed)
        tally.cpu_s += outcome.cpu_s
        progress(outcome)
        waiting += 1
        if waiting == _BATCH:
            tally.add(store.commit(digests))
            waiting, batches = 0, batches + 1
            if batches % _MERGED == 0:
                store.merge()
    tally.add(store.commit(digests))


class _Tally:
    """What came of all sources so far."""

    def __init__(self) -> None:
        self.counts: Counter[str] = Counter()
        self.reasons: list[str] = []
        self.cpu_s = 0.0

    def add(self, entries: Iterable[Entry]) -> None:
        """Count them."""
        for entry in entries:
            self.counts[entry.status] += 1
            if entry.reason:
                self.reasons.append(entry.reason)
