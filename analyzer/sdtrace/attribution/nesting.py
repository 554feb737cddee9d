"""Which event encloses which, for all threads at once."""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

Int64s = NDArray[np.int64]
Int32s = NDArray[np.int32]
Bools = NDArray[np.bool_]
_START_BITS: Final = 51
_MAX_ROUNDS: Final = 64
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
    once, each round twice as far. Where many events climb out of a deep nest that takes too many rounds,
    and the rest is searched.
    """
    pointer = np.arange(-1, len(values) - 1, dtype=np.int64)
    open_rows = np.flatnonzero(values[:-1] < wanted[1:]) + 1
    for _ in range(_MAX_ROUNDS):
        if not open_rows.size:
            return pointer
        further = pointer[pointer[open_rows]]
        pointer[open_rows] = further
        inside = further >= 0
        open_rows, further = open_rows[inside], further[inside]
        open_rows = open_rows[values[further] < wanted[open_rows]]
    pointer[open_rows] = _search_backward(values, open_rows, wanted[open_rows])
    return pointer


def _search_backward(values: Int64s, rows: Int64s, wanted: Int64s) -> Int64s:
    """For each of `rows` the last j before it with values[j] >= `wanted`, by a tree of maxima."""
    lowest = np.iinfo(np.int64).min
    maxima = [values]
    while len(maxima[-1]) > 1:
        below = maxima[-1]
        maxima.append(np.append(below, lowest)[: (len(below) + 1) // 2 * 2].reshape(-1, 2).max(axis=1))
    # Up: the nearest block to the left that holds what is wanted. `end` is how many blocks lie before.
    found = np.full(len(rows), -1, np.int64)
    level_of = np.zeros(len(rows), np.int64)
    end, searching = rows.copy(), np.arange(len(rows))
    for level, highest in enumerate(maxima):
        block = end[searching] - 1
        hit = (end[searching] % 2 == 1) & (highest[block] >= wanted[searching])
        found[searching[hit]], level_of[searching[hit]] = block[hit], level
        searching = searching[~hit & (block > 0)]
        end[searching] //= 2
    # Down: of each block's halves the right one, where it holds it.
    for level in range(len(maxima) - 1, 0, -1):
        inside = np.flatnonzero((found >= 0) & (level_of >= level))
        right = 2 * found[inside] + 1
        below = maxima[level - 1]
        is_right = right < len(below)
        is_right[is_right] = below[right[is_right]] >= wanted[inside[is_right]]
        found[inside] = right - ~is_right
    return found


def latest_end(group: Int32s | Int64s, end_ns: Int64s) -> Int64s:
    """For each event the latest end of its group up to and with itself.

    Events of one `group` (>= 0, ascending) stand together.
    """
    order = np.argsort(end_ns, kind="stable")
    rank = np.empty(len(order), np.int64)
    rank[order] = np.arange(len(order))
    # Ranks instead of times, for sums of long times over many groups do not fit into 64 bits.
    apart = np.cumsum(np.append(0, np.diff(group) != 0)[: len(order)]) * len(order)
    reach: Int64s = end_ns[order[np.maximum.accumulate(rank + apart) - apart]]
    return reach


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
    at, carried = parent[inner], values[inner]
    for _ in range(_MAX_ROUNDS):
        inside = at >= 0
        if not inside.any():
            return total
        at, carried = at[inside], carried[inside]
        np.add.at(total, at, carried)
        at = parent[at]
    rest = np.zeros(len(values) + 1, np.int64)
    np.add.at(rest, at, carried)
    return total + _sums_of_deep_trees(parent, rest[:-1])


def _sums_of_deep_trees(parent: Int64s, values: Int64s) -> Int64s:
    """The same however deep: after k rounds the sums reach 2**k levels down."""
    total, above = values.copy(), parent.copy()
    while (inner := np.flatnonzero((above >= 0) & (total != 0))).size:
        np.add.at(total, above[inner], total[inner])
        above = np.where(above >= 0, above[above], -1)
    return total


def first_outside(parent: Int64s, skipped: Bools, events: Int64s) -> Int64s:
    """For each of `events` itself or its nearest ancestor that is not `skipped`; -1 stays and is none.

    Most are found in a few steps up; the rest at once, each round twice as far.
    """
    result = events.copy()
    for _ in range(_MAX_ROUNDS):
        inside = np.flatnonzero(result >= 0)
        inside = inside[skipped[result[inside]]]
        if not inside.size:
            return result
        result[inside] = parent[result[inside]]
    target = np.append(np.where(skipped, parent, np.arange(len(parent))), -1)
    while not np.array_equal(further := target[target], target):
        target = further
    return target[result]
