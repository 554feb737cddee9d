"""Which event encloses which, for all threads at once."""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

Int64s = NDArray[np.int64]
Int32s = NDArray[np.int32]
_START_BITS: Final = 51
_MAX_THREADS: Final = 1 << 12
"""Up to so many threads, thread and start fit into one 64-bit key, which sorts eight times as fast."""


def in_nesting_order(thread: Int32s, start_ns: Int64s, dur_ns: Int64s) -> Int64s:
    """Indices by (thread, start, longest first); equal events stay in the order given.

    `thread` >= 0; `start_ns` < 2**50 in size, as `trace.quarantine` sees to.
    """
    if thread.max(initial=0) >= _MAX_THREADS:
        return np.lexsort((-dur_ns, start_ns, thread))
    return _longest_first((thread.astype(np.int64) << _START_BITS) + start_ns, dur_ns)


def in_time_order(start_ns: Int64s, dur_ns: Int64s) -> Int64s:
    """Indices by start; ties by the longer first, then as given. Threads do not matter."""
    return _longest_first(start_ns, dur_ns)


def _longest_first(key: Int64s, dur_ns: Int64s) -> Int64s:
    """Indices by `key`; ties by the longer first, then as given."""
    order = np.argsort(key, kind="stable")
    ordered = key[order]
    same = ordered[1:] == ordered[:-1]
    tied = np.flatnonzero(np.append(same, False) | np.append(False, same))
    if tied.size:
        members = order[tied]
        order[tied] = members[np.lexsort((-dur_ns[members], ordered[tied]))]
    return order


def parents(thread: Int32s, start_ns: Int64s, dur_ns: Int64s) -> Int64s:
    """The index of the event that directly encloses each one on its thread, -1 where none does.

    As torch nests events (`EventList._populate_cpu_children`): in nesting order, an earlier event
    stops enclosing when a later one starts at or after its end, or ends after it. So events that
    overlap in part have no parent in each other.
    """
    order = in_nesting_order(thread, start_ns, dur_ns)
    above = _enclosing(start_ns[order], dur_ns[order])
    ordered_thread = thread[order]
    above[ordered_thread[above] != ordered_thread] = -1
    result = np.empty(len(order), np.int64)
    result[order] = np.where(above >= 0, order[above], -1)
    return result


def _enclosing(start_ns: Int64s, dur_ns: Int64s) -> Int64s:
    """For each of events in nesting order the last earlier one that encloses it, -1 where there is none.

    An earlier event encloses a later one when it ends no sooner; strictly later where the later one is
    empty, because an empty event at the very end is outside.
    """
    end = start_ns + dur_ns
    return previous_at_least(end, end + (dur_ns == 0))


def previous_at_least(values: Int64s, wanted: Int64s) -> Int64s:
    """For each i the last j < i with values[j] >= wanted[i], -1 where there is none.

    `wanted[i]` is values[i] or values[i] + 1. Then whatever lies between j and the one j points to
    is too small for i as well, so pointers may be followed while they are still being found: all at
    once, each round twice as far.
    """
    pointer = np.arange(-1, len(values) - 1, dtype=np.int64)
    open_rows = np.flatnonzero(values[:-1] < wanted[1:]) + 1
    while open_rows.size:
        further = pointer[pointer[open_rows]]
        pointer[open_rows] = further
        inside = further >= 0
        open_rows, further = open_rows[inside], further[inside]
        open_rows = open_rows[values[further] < wanted[open_rows]]
    return pointer


def depths(parent: Int64s) -> Int64s:
    """How many events enclose each one."""
    depth = (parent >= 0).astype(np.int64)
    jump = parent.copy()
    inside = np.flatnonzero(jump >= 0)
    while inside.size:
        above = jump[inside]
        depth[inside] += depth[above]
        jump[inside] = jump[above]
        inside = inside[jump[inside] >= 0]
    return depth


def subtree_sums(parent: Int64s, values: Int64s) -> Int64s:
    """Each event's value plus those of everything it encloses."""
    total = values.copy()
    inner = np.flatnonzero(values)
    carried = values[inner]
    at = parent[inner]
    while (inside := at >= 0).any():
        at, carried = at[inside], carried[inside]
        np.add.at(total, at, carried)
        at = parent[at]
    return total
