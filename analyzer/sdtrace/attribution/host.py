"""Host events as torch's op table sees them: their threads, nesting, folding and self time."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, NamedTuple

import numpy as np

from sdtrace.attribution.duplicate_nodes import find_duplicates
from sdtrace.attribution.nesting import Int32s, Int64s, first_outside, in_time_order, parents
from sdtrace.attribution.profiler_thread import profiler_threads
from sdtrace.reader.categories import HOST, LAUNCHES
from sdtrace.trace import Trace
from sdtrace.trace.ids import Ids, find_ids
from sdtrace.trace.model import Bools

OP_CATEGORIES: Final = frozenset({"cpu_op", "user_annotation"})
"""Events whose `External id` is their own; everybody else's points to one of these."""
FILTERED: Final = frozenset(
    {
        "[memory]",
        "[OutOfMemory]",
        "profiler::_record_function_enter",
        "profiler::_record_function_enter_new",
        "profiler::_record_function_exit",
        "aten::is_leaf",
        "aten::output_nr",
        "aten::_version",
    }
)
"""Names torch leaves out of its tables (`torch.autograd.profiler_util._filter_name`)."""
_MOST: Final = 0.9
_LATEST: Final = np.iinfo(np.int64).max
_COLLECTIVE: Final = re.compile(r"^(?:nccl|gloo|mpi|ucc|xccl|hccl):\w")
"""What `c10d::Work` records for a collective: backend, colon, operation."""


@dataclass(frozen=True)
class HostEvents:
    """Host events, arrays of one length; `row` gives each one's place in the trace.

    `thread` is where the event ran. It differs from the trace for overhead, which the file puts on no
    thread, and for calls that the file has under a handle instead of the thread of their op.
    `parent` is an index into these arrays, -1 for none and for folded events, which it skips.
    `is_folded` marks an only child that bears its parent's name: it has no line of its own, but counts
    with its head, the outermost of its chain.
    """

    row: Int64s
    name: Int32s
    is_op: Bools
    own_id: Int64s
    """`External id` of ops, the correlation of runtime calls that are linked to no op; else 0."""
    thread: Int32s
    start_ns: Int64s
    dur_ns: Int64s
    parent: Int64s
    tree_parent: Int64s
    """Before folding."""
    is_duplicate: Bools
    self_ns: Int64s

    def __len__(self) -> int:
        return len(self.row)

    def heads(self, events: Int64s) -> Int64s:
        """The event each of `events` counts with: itself, or the outermost of its chain; -1 stays."""
        return first_outside(self.tree_parent, self.is_duplicate, events)


def host_events(trace: Trace, *, with_python: bool = True, as_torch: bool = False) -> HostEvents:
    """Nest the host events of `trace` and compute their self time, with or without Python functions.

    `as_torch`: as in torch's table. Runtime calls outside any op are then taken to the thread that ran the
    profiler, whatever thread made them, and self time is negative where children overlap each other.
    """
    kinds = HOST if with_python else HOST - {"python_function"}
    row = np.flatnonzero(trace.in_categories(kinds) & ~named(trace, FILTERED))
    links = _links(trace, row)
    thread = _threads(trace, row, links, as_torch=as_torch)
    # Kept in the order of time, for rows to come out as torch lists them.
    order = in_time_order(trace.start_ns[row], trace.dur_ns[row])
    row, thread = row[order], thread[order]
    is_op, own_id = links.is_op[order], links.own_id[order]
    del links
    del order
    start_ns, dur_ns, name = trace.start_ns[row], trace.dur_ns[row], wildcard_names(trace)[row]
    is_async = _are_async(trace, row)
    tree_parent = _parents_of_sync(is_async, thread, start_ns, dur_ns)
    is_duplicate = find_duplicates(tree_parent, name)
    parent = first_outside(tree_parent, is_duplicate, tree_parent)
    parent[is_duplicate] = -1
    self_ns = np.where(is_async, 0, dur_ns) - sum_by(parent, dur_ns, len(row))
    return HostEvents(
        row=row,
        name=name,
        is_op=is_op,
        own_id=own_id,
        thread=thread,
        start_ns=start_ns,
        dur_ns=dur_ns,
        parent=parent,
        tree_parent=tree_parent,
        is_duplicate=is_duplicate,
        self_ns=self_ns if as_torch else np.maximum(self_ns, 0),
    )


def _are_async(trace: Trace, row: Int64s) -> Bools:
    """Which events last from a call to its completion elsewhere: torch records collectives so.

    The file has no mark for it (`RecordFunction::_setAsync`), only the names that `c10d` gives.
    """
    return (trace.names_matching(_COLLECTIVE)[trace.name] & trace.in_categories({"user_annotation"}))[row]


def _parents_of_sync(is_async: Bools, thread: Int32s, start_ns: Int64s, dur_ns: Int64s) -> Int64s:
    """The parent of each event; asynchronous ones neither have one nor are one, as in torch's tree."""
    if not is_async.any():
        return parents(thread, start_ns, dur_ns)
    sync = np.flatnonzero(~is_async)
    above = parents(thread[sync], start_ns[sync], dur_ns[sync])
    result = np.full(len(is_async), -1, np.int64)
    result[sync] = np.where(above >= 0, sync[above], -1)
    return result


def sum_by(index: Int64s, values: Int64s, size: int) -> Int64s:
    """Sums of `values` by `index` (-1 is nobody); exact."""
    sums = np.zeros(size + 1, np.int64)
    np.add.at(sums, index, values)
    return sums[:size]


def named(trace: Trace, names: frozenset[str]) -> Bools:
    """Which events bear one of `names`."""
    return np.array([name in names for name in trace.names], np.bool_)[trace.name]


def wildcard_names(trace: Trace) -> Int32s:
    """Names by number, with every `ProfilerStep#N` under the number of `ProfilerStep*`."""
    numbers = np.arange(len(trace.names), dtype=np.int32)
    steps = [number for number, name in enumerate(trace.names) if name.startswith("ProfilerStep#")]
    numbers[steps] = steps[:1]
    return numbers[trace.name]


def row_name(names: Sequence[str], number: int) -> str:
    """The name torch gives a row."""
    return "ProfilerStep*" if names[number].startswith("ProfilerStep#") else names[number]


def copies_correlation(trace: Trace, rows: Int64s) -> bool:
    """Whether `External id` of runtime calls or device events is a copy of their correlation.

    Before 2024-02 Kineto wrote it so. Such an id names no op.
    """
    external, correlation = trace.external_id[rows], trace.correlation[rows]
    given = external > 0
    return bool(given.any()) and float(np.mean(external[given] == correlation[given])) >= _MOST


class _Links(NamedTuple):
    """Ids of host events, arrays of one length; `link` is the id of the op an event is linked to, else 0."""

    is_op: Bools
    own_id: Int64s
    link: Int64s
    are_copies: bool
    """Whether the launches' ids only repeat their correlation, and so are no links."""


def _links(trace: Trace, row: Int64s) -> _Links:
    is_op = trace.in_categories(OP_CATEGORIES)[row]
    launches = trace.in_categories(LAUNCHES)
    are_copies = copies_correlation(trace, np.flatnonzero(launches))
    external = trace.external_id[row]
    link = np.where(is_op | (are_copies & launches[row]), 0, external)
    own_id = np.where(is_op, external, np.where(link > 0, 0, trace.correlation[row]))
    return _Links(is_op, own_id, link, are_copies)


def _threads(trace: Trace, row: Int64s, links: _Links, *, as_torch: bool) -> Int32s:
    """Where each event ran, or where torch puts it.

    Overhead interrupts the thread that stops the profiler; a call that is linked to an op ran on the op's
    thread. torch takes calls that are linked to none to the profiler's thread as well, and links by the
    correlation of such calls too; of several events with one id the last that began counts.
    """
    is_op, own_id, link, are_copies = links
    thread, process = trace.thread[row], trace.process_of(row)
    moved = {"overhead"} | (LAUNCHES if as_torch and not are_copies else set())
    stray = np.flatnonzero(trace.in_categories(moved)[row] & (link == 0) & (process >= 0))
    if stray.size:
        main = profiler_threads(trace)[process[stray]]
        thread[stray] = np.where(main >= 0, main, thread[stray])
    owners = np.flatnonzero((own_id > 0) & (link == 0) & (is_op | as_torch))
    linked = np.flatnonzero(link > 0)
    start_ns = trace.start_ns[row]
    held = Ids(own_id, process, start_ns)
    wanted = Ids(link, process, np.full_like(start_ns, _LATEST) if as_torch else start_ns)
    owner = find_ids(held.at(owners), wanted.at(linked))
    thread[linked[owner >= 0]] = thread[owners[owner[owner >= 0]]]
    return thread
