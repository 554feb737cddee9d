"""Copies between host and device that hold the host up: pageable memory, and weights moved one by one.

A copy from or to pageable memory keeps its call until the data is through; the CPU moves part of it itself.
A module that is moved (`.to()`, offloading) makes many small copies, one after the other, with nothing in
between.
"""

from __future__ import annotations

import re
from typing import Final, NamedTuple

import numpy as np

from sdtrace.attribution.linked_trace import LinkedTrace
from sdtrace.attribution.nesting import Int32s
from sdtrace.intervals import Bools, Int64s, covered, union
from sdtrace.reader.categories import TO_HOST
from sdtrace.waiting.activity import Activity, activity, asking_ops

TO_DEVICE: Final = re.compile(r"HtoD|HostToDevice|M2D")
PAGEABLE: Final = re.compile(r"[Pp]ageable")
_NO_MOVE: Final = re.compile(r"^aten::(?!\w*copy|to$|clone$|cuda$|cpu$|_?pin_memory$)")
"""Ops that copy a result of theirs to the CPU because they need it: `.item()`, `nonzero`, `unique`."""
_MIN_COPY_NS: Final = 10_000
"""Below this the copy itself is not what the call takes its time for."""
_MIN_RUN: Final = 8
_PAUSE_NS: Final = 1_000_000
"""A run of copies ends where the host does something else for longer."""


class Copies(NamedTuple):
    """What copies did to the host.

    `calls` are calls (host events, sorted) that lasted as long as their copy: less than half of each is
    a wait for earlier work. `activity` holds the ops around these and around runs of
    copies with no other work between; `blocked` the calls alone.
    """

    calls: Int64s
    blocked: Activity
    activity: Activity


def find_copies(linked: LinkedTrace) -> Copies:
    """Find the calls that copies block and the runs of copies."""
    calls = blocked_calls(linked)
    first, last = _runs(linked)
    asked = asking_ops(linked, np.concatenate((calls, first)))
    until = asking_ops(linked, np.concatenate((calls, last)))
    host = linked.host
    end = host.start_ns + host.dur_ns
    name = host.name[asked].astype(np.int64)
    blocked = activity(host.start_ns[calls], end[calls], name[: len(calls)])
    return Copies(calls, blocked, activity(host.start_ns[asked], end[until], name))


def between_host_and_device(linked: LinkedTrace) -> Bools:
    """Which pieces of device work are copies between host and device."""
    trace = linked.trace
    moves = trace.names_matching(TO_HOST) | trace.names_matching(TO_DEVICE)
    return moves[trace.name[linked.work.row]] & trace.in_categories({"gpu_memcpy"})[linked.work.row]


def blocked_calls(linked: LinkedTrace) -> Int64s:
    """Calls (host events) that spend at least half of their time on the copy they wait for.

    The CPU moves pageable memory itself, to or from a pinned buffer: there all time counts in which the
    device did not do other work.
    """
    trace, work = linked.trace, linked.work
    copies = np.flatnonzero(between_host_and_device(linked) & (work.launch >= 0))
    call, row = work.launch[copies], work.row[copies]
    began, ended = trace.start_ns[call], trace.end_ns[call]
    within = np.minimum(ended, trace.end_ns[row]) - np.maximum(began, trace.start_ns[row])
    moving = np.where(trace.names_matching(PAGEABLE)[trace.name[row]], _not_queued(linked, copies), within)
    blocks = (within >= _MIN_COPY_NS) & (2 * np.maximum(within, moving) >= trace.dur_ns[call])
    return _host_events(linked, np.unique(call[blocks]))


def _not_queued(linked: LinkedTrace, copies: Int64s) -> Int64s:
    """How long each call of some copies took, without waits for earlier work; 0 if it returned early."""
    trace, work = linked.trace, linked.work
    call, row = work.launch[copies], work.row[copies]
    others = np.delete(work.row, copies)
    earlier = covered(
        union(trace.start_ns[others], trace.end_ns[others]), trace.start_ns[call], trace.start_ns[row]
    )
    lasted = trace.end_ns[row] <= trace.end_ns[call]
    return np.where(lasted, trace.dur_ns[call] - earlier, 0)


def _runs(linked: LinkedTrace) -> tuple[Int64s, Int64s]:
    """The calls (host events) that begin and end each run of copies that no other work interrupts."""
    trace, work = linked.trace, linked.work
    known = np.flatnonzero(work.launch >= 0)
    launch = work.launch[known]
    known = known[np.lexsort((trace.start_ns[work.row[known]], trace.start_ns[launch], trace.thread[launch]))]
    launch = work.launch[known]
    moves = between_host_and_device(linked)[known] & ~_reads_result(linked, work.op[known])
    begin, stop = _unbroken(moves, trace.thread[launch], trace.start_ns[launch], trace.end_ns[launch])
    long = stop - begin >= _MIN_RUN
    ends = np.concatenate((launch[begin[long]], launch[stop[long] - 1]))
    found = _host_events(linked, ends)
    return found[: len(found) // 2], found[len(found) // 2 :]


def _unbroken(moves: Bools, thread: Int32s, start: Int64s, end: Int64s) -> tuple[Int64s, Int64s]:
    """Where runs of True begin and stop that stay on a thread and do not pause."""
    goes_on = moves[1:] & moves[:-1] & (thread[1:] == thread[:-1]) & (start[1:] - end[:-1] <= _PAUSE_NS)
    edges = np.concatenate(([False], goes_on, [False]))
    begin = np.flatnonzero(~edges[:-1] & edges[1:]).astype(np.int64)
    return begin, np.flatnonzero(edges[:-1] & ~edges[1:]).astype(np.int64) + 1


def _reads_result(linked: LinkedTrace, op: Int64s) -> Bools:
    """Which copies an op makes that does not move tensors."""
    reads = np.append(linked.trace.names_matching(_NO_MOVE)[linked.host.name], False)
    found: Bools = reads[op]
    return found


def _host_events(linked: LinkedTrace, rows: Int64s) -> Int64s:
    """The host events of rows of the trace, in their order."""
    index = np.full(len(linked.trace), -1, np.int64)
    index[linked.host.row] = np.arange(len(linked.host))
    return index[rows]
