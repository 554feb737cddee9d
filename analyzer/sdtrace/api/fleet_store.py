"""A store of many traces as an object, and how traces get into it."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from sdtrace.api.sql import query_store
from sdtrace.fleets import facts as run_facts
from sdtrace.fleets.items import Item, Outcome, Task
from sdtrace.fleets.pool import Pool
from sdtrace.fleets.run import Filled, Runner, fill
from sdtrace.fleets.sizing import workers_for
from sdtrace.fleets.sources import resolve
from sdtrace.fleets.store import Store, make_store, open_store
from sdtrace.units import counted

if TYPE_CHECKING:
    import polars as pl

    from sdtrace.fleets.record import FleetReport, Gate

HERE = "local"
"""A scheduler of this machine's own."""


@dataclass(frozen=True)
class Reading:
    """How traces are read into a store; `fleet` says what each means."""

    resume: bool = False
    partition: str | None = None
    facts: Mapping[str, str] = field(default_factory=dict)
    from_path: str = ""
    workers: int | None = None
    scheduler: str = ""


def fleet(
    *sources: str | os.PathLike[str],
    store: str | os.PathLike[str],
    resume: bool = False,
    partition: str | None = None,
    facts: Mapping[str, str] | None = None,
    from_path: str = "",
    workers: int | None = None,
    scheduler: str = "",
) -> Fleet:
    """Read many traces into the store in the folder `store`, which is made where there is none.

    Without `sources` the store is opened alone.

    A source is a file, a folder with all below it, a pattern, `@file` with a source on each line, or a URL
    (docs/fleet.md). Each trace is read in a process of its own, so many at once as processors and memory
    allow, or `workers`. With `scheduler` they run on Dask: its address, or `"local"` for one of this machine.

    With `resume` only that is read which the store does not have. `partition` is the fact that divides a new
    store. `facts` are those of all these runs, `from_path` a regular expression whose named groups are facts
    in the source. What could not be read is in `Fleet.failures`.

    Raises UsageError for a store that is none or of a newer version, an unknown fact, or a missing package;
    OutputError where the store cannot be written, or while another process writes it.

    >>> import sdtrace
    >>> fleet = sdtrace.fleet(getfixture("eager_trace"), store=getfixture("tmp_path") / "store")
    >>> fleet
    <sdtrace.Fleet: 1 trace>
    >>> fleet.query("SELECT card, steady_us FROM traces")["card"].to_list()
    ['NVIDIA H200']
    """
    folder = Path(store)
    if not sources:
        return Fleet(open_store(folder))
    how = Reading(resume, partition, facts or {}, from_path, workers, scheduler)
    read_into([os.fspath(source) for source in sources], folder, how)
    return Fleet(open_store(folder))


def read_into(
    sources: Sequence[str],
    folder: Path,
    how: Reading,
    begin: Callable[[Sequence[Item]], None] = lambda _: None,
    progress: Callable[[Outcome], None] = lambda _: None,
) -> Filled:
    """Read traces into the store in `folder`; what came of them.

    `begin` is called with what is to be read, `progress` with the outcome of each. Raises as `fleet`.
    """
    given = dict(how.facts)
    run_facts.check(given, how.from_path)

    def runner(items: Sequence[Item]) -> Runner:
        begin(items)
        number = workers_for(items, how.workers)
        if not how.scheduler:
            return Pool(number)
        from sdtrace.fleets.cluster import Cluster  # noqa: PLC0415  # only a cluster needs it

        return Cluster("" if how.scheduler == HERE else how.scheduler, number)

    return fill(
        make_store(folder, how.partition),
        resolve(sources),
        runner,
        lambda item: Task(item, given, how.from_path),
        resume=how.resume,
        progress=progress,
    )


class Fleet:
    """A store of many traces. `sdtrace.fleet` gives one.

    Tables are polars frames with all rows; docs/fleet.md lists their columns. Ask a large store by `query`,
    or by `scan`, which read only what is needed.
    """

    def __init__(self, store: Store) -> None:
        """Not for users: `sdtrace.fleet` knows what to pass."""
        self._store = store

    @property
    def traces(self) -> pl.DataFrame:
        """One row per trace: its facts, steady time, GPU time, one-time cost, memory, verdict.

        >>> getfixture("fleet").traces.height
        40
        """
        return self.scan("traces").collect()

    @property
    def failures(self) -> pl.DataFrame:
        """Sources that could not be read when they were last tried, and why.

        >>> getfixture("fleet").failures.columns
        ['source', 'status', 'reason', 'at']
        """
        return self._store.failures()

    def scan(self, table: str) -> pl.LazyFrame:
        """A table as a lazy frame: one of those that docs/fleet.md lists, such as traces, kernels or jobs.

        Raises UsageError while there are no traces.

        >>> kernels = getfixture("fleet").scan("kernels")
        >>> kernels.select("name").unique().collect().height
        2
        """
        return self._store.scan(table)

    def query(self, sql: str) -> pl.DataFrame:
        """The rows that `sql` selects from the tables of the store, `failures` too.

        Raises UsageError when the query is wrong, or reads anything but the store.

        >>> getfixture("fleet").query("SELECT host, count(*) AS n FROM traces GROUP BY host").height
        5
        """
        return query_store(self._store, sql)

    def report(self, hours: float = 1000.0) -> FleetReport:
        """What the traces say together: series, changes, slow hosts, outliers, advice, trends.

        Savings are of so many GPU `hours`. Raises UsageError while there are no traces.

        >>> [host.host for host in getfixture("fleet").report().slow_hosts]
        ['gpu4']
        """
        from sdtrace.fleets.judge import judge  # noqa: PLC0415  # only a report needs it

        return judge(self._store, hours)

    def gate(
        self,
        trace: str | os.PathLike[str],
        *,
        mads: float = 4.0,
        least_pct: float = 5.0,
        runs: int = 5,
        last: int = 50,
    ) -> Gate:
        """A trace held against earlier runs of the same work on the same card.

        A measure is worse above median + max(`mads` * 1.4826 * MAD, `least_pct` percent of the median) of the
        `last` runs; with fewer than `runs` nothing is judged. Raises UnreadableTrace when the trace cannot be
        read.

        >>> getfixture("fleet").gate(getfixture("eager_trace")).runs
        0
        """
        from sdtrace.fleets import gate  # noqa: PLC0415  # as above

        task = gate.task_of(os.fspath(trace))
        limits = gate.Limits(mads, least_pct, runs, last)
        return gate.judge_trace(self._store, gate.read(task), limits)

    @cached_property
    def _number(self) -> int:
        return len(self._store.digests())

    def __repr__(self) -> str:
        """Such as `<sdtrace.Fleet: 500 traces>`."""
        return f"<sdtrace.Fleet: {counted(self._number, 'trace')}>"
