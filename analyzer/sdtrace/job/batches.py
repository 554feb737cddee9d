"""Calls that torch sends in one batch (`batch_isend_irecv`, coalesced collectives), by one kernel."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import groupby
from typing import Final, NamedTuple

from sdtrace.analysis.study import Study
from sdtrace.job.found import Found

_BATCH: Final = re.compile(r"^\w+:coalesced$")


class _Placed(NamedTuple):
    """A call on its thread, and when it was made; `until_ns` is None but for a batch."""

    thread: int
    start_ns: int
    until_ns: int | None
    call: Found


@dataclass
class _Batch:
    """An annotation, the calls that it sends, and kernels launched inside."""

    mark: Found
    until_ns: int
    calls: list[Found]
    kernels: list[Found] = field(default_factory=list)


def with_batches(study: Study, found: Sequence[Found], kernels: Sequence[Found]) -> list[Found]:
    """All calls: those found, and kernels without a call; the work of a batch is given to the calls in it.

    A batch is an annotation such as `nccl:coalesced`, with the launches of its kernels inside. Its calls have
    no work of their own, and follow on the same thread the batch before it. The first one counts the time on
    the device; the others begin and end with it.
    """
    placed = sorted(_placed(study, found, kernels), key=lambda one: (one.thread, one.start_ns))
    gone: set[int] = set()
    for _, on_thread in groupby(placed, key=lambda one: one.thread):
        for batch in _batches(on_thread):
            pieces = [piece for one in (batch.mark, *batch.kernels) for piece in one.work]
            first, *others = batch.calls or [batch.mark]
            first.work = pieces
            for one in others:
                one.batch = pieces
            gone |= {id(one) for one in (batch.mark, *batch.kernels) if one is not first}
    return [one for one in (*found, *kernels) if id(one) not in gone]


def _placed(study: Study, found: Sequence[Found], kernels: Sequence[Found]) -> Iterator[_Placed]:
    host, launches = study.linked.host, study.structure.launches
    is_batch = study.trace.names_matching(_BATCH)[host.name]
    for one in found:
        start = int(host.start_ns[one.event])
        until = start + int(host.dur_ns[one.event]) if is_batch[one.event] else None
        yield _Placed(int(host.thread[one.event]), start, until, one)
    for one in kernels:
        piece = one.work[0]
        yield _Placed(int(launches.thread[piece]), int(launches.called_ns[piece]), None, one)


def _batches(on_thread: Iterator[_Placed]) -> Iterator[_Batch]:
    """The batches among calls of a thread, in order of time."""
    calls: list[Found] = []
    batch: _Batch | None = None
    for one in on_thread:
        if batch is not None and one.start_ns >= batch.until_ns:
            yield batch
            batch = None
        if one.until_ns is not None:
            batch, calls = _Batch(one.call, one.until_ns, calls), []
        elif batch is not None and one.call.event < 0:
            batch.kernels.append(one.call)
        elif one.call.event >= 0 and not one.call.work:
            calls.append(one.call)
    if batch is not None:
        yield batch
