"""Jobs of a store, put together from the ranks that it holds, whenever and wherever these were read."""

from __future__ import annotations

import zlib
from collections import defaultdict
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, Final, NamedTuple

import msgspec
import polars as pl

from sdtrace.fleets.head import FACTS
from sdtrace.fleets.job_rows import OF_JOBS, rows_of
from sdtrace.fleets.rank_rows import RANKS
from sdtrace.fleets.scanning import collected
from sdtrace.fleets.store import Store
from sdtrace.job.packed import unpack
from sdtrace.job.rank import Rank, name_without_ranks
from sdtrace.job.recognise import APART_NS, Together, find_jobs

_AT_ONCE: Final = 256
"""Traces whose packed ranks are held in memory together."""
_WHERE: Final = ("trace_id", "source", "job", "began_ns", "ended_ns")


class _File(NamedTuple):
    """The ranks of a trace, one or those of a merged file, packed; with the facts of its run."""

    packed: list[bytes]
    head: dict[str, Any]


@dataclass
class _Bucket:
    """Traces that may be of one job, and when the first and the last of them began."""

    first_ns: int
    last_ns: int
    traces: set[str]


def update_jobs(store: Store) -> None:
    """Bring the tables of jobs up to date with the ranks of the store.

    Jobs that got a rank are made anew; all others stay as they are, so a run costs what is new in it.
    """
    if not store.has(RANKS):
        return
    members = collected(store.scan("job_ranks").select("trace_id", "job_id"))
    known = set(members["trace_id"].to_list())
    places = collected(store.scan(RANKS).select(_WHERE))
    changed = [bucket for bucket in _buckets(places) if not bucket.traces <= known]
    changed.sort(key=lambda bucket: bucket.first_ns)
    new: dict[str, list[dict[str, Any]]] = {table: [] for table in OF_JOBS}
    for some in _batches(changed):
        files = _read(store, some)
        for bucket in some:
            for job, heads in _jobs([files[trace] for trace in files if trace in bucket.traces]):
                row, ranks = rows_of(job, heads)
                new["jobs"].append(row)
                new["job_ranks"] += ranks
    if new["jobs"]:
        again = {row["trace_id"] for row in new["job_ranks"]} & known
        stale = members.filter(pl.col("trace_id").is_in(list(again)))["job_id"].unique().to_list()
        store.exchange({name: pl.DataFrame(rows, OF_JOBS[name]) for name, rows in new.items()}, stale)


def _buckets(places: pl.DataFrame) -> Iterator[_Bucket]:
    """Traces of the same place, and about the same time."""
    rows = sorted(
        (_place(source, job), began, ended, trace_id)
        for trace_id, source, job, began, ended in places.iter_rows()
    )
    bucket: _Bucket | None = None
    where, until = "", 0
    for place, began, ended, trace_id in rows:
        if bucket is None or place != where or began >= until + APART_NS:
            if bucket is not None:
                yield bucket
            bucket, where, until = _Bucket(began, began, set()), place, ended
        bucket.last_ns = began
        bucket.traces.add(trace_id)
        until = max(until, ended)
    if bucket is not None:
        yield bucket


def _batches(buckets: Sequence[_Bucket]) -> Iterator[list[_Bucket]]:
    """Buckets in their order, as many as are read at once."""
    batch: list[_Bucket] = []
    for bucket in buckets:
        if batch and sum(len(one.traces) for one in (*batch, bucket)) > _AT_ONCE:
            yield batch
            batch = []
        batch.append(bucket)
    if batch:
        yield batch


def _place(source: str, job: str) -> str:
    """Where the other ranks are to be looked for: the job that a fact names, else the folder.

    Numbers of ranks in the path do not count: `job7/rank0/trace.json` and `job7/rank1/trace.json` are in one
    place.
    """
    return f"job {job}" if job else name_without_ranks(source).rpartition("/")[0]


def _read(store: Store, buckets: Sequence[_Bucket]) -> dict[str, _File]:
    """The ranks of traces, by the trace they are in, in the order of the names of these."""
    traces = [trace for bucket in buckets for trace in bucket.traces]
    # Times are all that files of other ranks can be skipped by.
    first, last = buckets[0].first_ns, max(bucket.last_ns for bucket in buckets)
    wanted = pl.col("began_ns").is_between(first, last) & pl.col("trace_id").is_in(traces)
    rows = collected(store.scan(RANKS).filter(wanted)).sort("source", "trace_id", "rank")
    found: defaultdict[str, list[dict[str, Any]]] = defaultdict(list)
    for row in rows.iter_rows(named=True):
        found[row["trace_id"]].append(row)
    return {
        trace: _File([row["packed"] for row in mine], {name: mine[0][name] for name in FACTS})
        for trace, mine in found.items()
    }


def _jobs(files: Sequence[_File]) -> Iterator[tuple[Together, list[dict[str, Any]]]]:
    """The jobs among files of one place, with the facts of each rank.

    Files that another version of sdtrace packed otherwise are left out; the jobs that it made of them stay.
    """
    ranks: list[list[Rank]] = []
    head_of: dict[int, dict[str, Any]] = {}
    for file in files:
        with suppress(msgspec.DecodeError, zlib.error):
            mine = [unpack(packed) for packed in file.packed]
            ranks.append(mine)
            # Ranks may be numbered anew; their calls stay the same object.
            head_of |= {id(rank.calls): file.head for rank in mine}
    for job in find_jobs(ranks):
        yield job, [{**head_of[id(rank.calls)], "rank": rank.number} for rank in job.ranks]
