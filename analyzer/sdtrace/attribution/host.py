"""Host events as torch's op table sees them: their threads, nesting, folding and self time."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from sdtrace.attribution.nesting import Int32s, Int64s, in_nesting_order, parents
from sdtrace.reader.categories import HOST, LAUNCHES
from sdtrace.trace import Trace
from sdtrace.trace.model import Bools

OP_CATEGORIES: Final = frozenset({"cpu_op", "user_annotation"})
"""Events whose `External id` is their own; everybody else's points to one of these."""
_EXACT_IN_FLOAT: Final = 1 << 53
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
    with its `head`. `innermost` is the last event folded into each head, whose kernels torch shows for it.
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
    is_folded: Bools
    head: Int64s
    innermost: Int64s
    self_ns: Int64s

    def __len__(self) -> int:
        return len(self.row)


def host_events(trace: Trace, *, with_python: bool = True) -> HostEvents:
    """Nest the host events of `trace` and compute their self time, with or without Python functions."""
    kinds = HOST if with_python else HOST - {"python_function"}
    row = np.flatnonzero(trace.in_categories(kinds) & ~named(trace, FILTERED))
    is_op = trace.in_categories(OP_CATEGORIES)[row]
    external = trace.external_id[row]
    link = np.where(is_op, 0, external)
    own_id = np.where(is_op, external, np.where(link > 0, 0, trace.correlation[row]))
    thread = _threads(trace, row, is_op, link, own_id)
    start_ns, dur_ns, name = trace.start_ns[row], trace.dur_ns[row], wildcard_names(trace)[row]
    # Kept in the order of time, for rows to come out as torch lists them.
    order = in_nesting_order(np.zeros(len(row), np.int32), start_ns, dur_ns)
    row, is_op, own_id, thread = row[order], is_op[order], own_id[order], thread[order]
    start_ns, dur_ns, name = start_ns[order], dur_ns[order], name[order]
    tree_parent = parents(thread, start_ns, dur_ns)
    is_folded, head, innermost = _fold(tree_parent, name)
    parent = np.where(tree_parent >= 0, head[tree_parent], -1)
    parent[is_folded] = -1
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
        is_folded=is_folded,
        head=head,
        innermost=innermost,
        self_ns=dur_ns - sum_by(parent, dur_ns, len(row)),
    )


def sum_by(index: Int64s, values: Int64s, size: int) -> Int64s:
    """Sums of `values` by `index` (-1 is nobody); exact."""
    if index.min(initial=0) < 0:
        inside = index >= 0
        index, values = index[inside], values[inside]
    if np.abs(values).sum(dtype=np.float64) < _EXACT_IN_FLOAT:
        return np.bincount(index, weights=values, minlength=size).astype(np.int64)
    sums = np.zeros(size, np.int64)
    np.add.at(sums, index, values)
    return sums


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


def _threads(trace: Trace, row: Int64s, is_op: Bools, link: Int64s, own_id: Int64s) -> Int32s:
    """Where torch puts each event.

    Overhead and unlinked runtime calls go to the thread that stops the profiler, taken to be the one
    with most ops; a linked call goes to the thread of the event it is linked to.
    """
    thread = trace.thread[row].copy()
    ops = thread[is_op & trace.in_categories({"cpu_op"})[row]]
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


def _fold(parent: Int64s, name: Int32s) -> tuple[Bools, Int64s, Int64s]:
    """Fold only children into parents of the same name (`EventList._remove_dup_nodes`).

    Returns which events are folded, the outermost of each one's chain, and the innermost.
    """
    n = len(parent)
    n_children = np.bincount(parent[parent >= 0], minlength=n)
    is_folded = (parent >= 0) & (name[parent] == name) & (n_children[parent] == 1)
    folded = np.flatnonzero(is_folded)
    outward, inward = np.arange(n), np.arange(n)
    outward[folded] = parent[folded]
    inward[parent[folded]] = folded
    return is_folded, _chain_ends(outward), _chain_ends(inward)


def _chain_ends(step: Int64s) -> Int64s:
    """Where each index ends up when `step` is followed until it stays."""
    while not np.array_equal(further := step[step], step):
        step = further
    return step
