"""Host events as torch's op table sees them: their threads, nesting, folding and self time."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from sdtrace.attribution.duplicate_nodes import find_duplicates, heads_of
from sdtrace.attribution.nesting import Int32s, Int64s, in_time_order, parents
from sdtrace.reader.categories import HOST, LAUNCHES
from sdtrace.trace import Trace
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


@dataclass(frozen=True)
class HostEvents:
    """Host events, arrays of one length; `row` gives each one's place in the trace.

    `thread` is where torch puts the event, which differs from the trace for some runtime calls.
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
        return heads_of(self.tree_parent, self.is_duplicate, events)


def host_events(trace: Trace, *, with_python: bool = True) -> HostEvents:
    """Nest the host events of `trace` and compute their self time, with or without Python functions."""
    kinds = HOST if with_python else HOST - {"python_function"}
    row = np.flatnonzero(trace.in_categories(kinds) & ~named(trace, FILTERED))
    thread = _threads(trace, row)
    # Kept in the order of time, for rows to come out as torch lists them.
    order = in_time_order(trace.start_ns[row], trace.dur_ns[row])
    row, thread = row[order], thread[order]
    del order
    is_op, own_id, _ = _ids(trace, row)
    start_ns, dur_ns, name = trace.start_ns[row], trace.dur_ns[row], wildcard_names(trace)[row]
    tree_parent = parents(thread, start_ns, dur_ns)
    is_duplicate = find_duplicates(tree_parent, name)
    parent = heads_of(tree_parent, is_duplicate, tree_parent)
    parent[is_duplicate] = -1
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
        self_ns=dur_ns - sum_by(parent, dur_ns, len(row)),
    )


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


def _ids(trace: Trace, row: Int64s) -> tuple[Bools, Int64s, Int64s]:
    """Which of `row` are ops, each one's own id and the id of the op it is linked to, 0 for none."""
    is_op = trace.in_categories(OP_CATEGORIES)[row]
    external = trace.external_id[row]
    link = np.where(is_op, 0, external)
    own_id = np.where(is_op, external, np.where(link > 0, 0, trace.correlation[row]))
    return is_op, own_id, link


def _threads(trace: Trace, row: Int64s) -> Int32s:
    """Where torch puts each event.

    Overhead and unlinked runtime calls go to the thread that stops the profiler, taken to be the one
    with most ops; a linked call goes to the thread of the event it is linked to.
    """
    _, own_id, link = _ids(trace, row)
    thread = trace.thread[row]
    ops = thread[trace.in_categories({"cpu_op"})[row]]
    if ops.size:
        stray = trace.in_categories(LAUNCHES | {"overhead"})[row] & (link == 0)
        thread[stray] = np.bincount(ops).argmax()
    owners = np.flatnonzero((own_id > 0) & (link == 0))
    linked = np.flatnonzero(link > 0)
    owner = last_with_id(own_id[owners], link[linked])
    thread[linked[owner >= 0]] = thread[owners[owner[owner >= 0]]]
    return thread


def last_with_id(ids: Int64s, wanted: Int64s) -> Int64s:
    """For each of `wanted` the last index at which `ids` has it, -1 where it has not."""
    if not ids.size:
        return np.full(len(wanted), -1, np.int64)
    order = np.argsort(ids, kind="stable")
    ordered = ids[order]
    place = np.searchsorted(ordered, wanted, side="right") - 1
    found = (place >= 0) & (ordered[np.maximum(place, 0)] == wanted)
    return np.where(found, order[np.maximum(place, 0)], -1)
