"""Looking up ids: which event bears one, of several the one that fits in time."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

Int64s = NDArray[np.int64]
Int32s = NDArray[np.int32]


class Ids(NamedTuple):
    """Ids with the processes they belong to and the instants (nanoseconds) they were given at; one length.

    A negative process is any.
    """

    id: Int64s
    process: Int32s
    time_ns: Int64s

    def at(self, index: Int64s) -> Ids:
        """Those at `index`, in the order given."""
        return Ids(self.id[index], self.process[index], self.time_ns[index])


def find_ids(held: Ids, wanted: Ids) -> Int64s:
    """For each of `wanted` the index in `held` of the same id in the same process, -1 where there is none.

    Where several have it, the last one no later than what is wanted, else the first. What is wanted by
    nobody known is looked up in all processes. `held` has known processes throughout.
    """
    found = np.full(len(wanted.id), -1, np.int64)
    if not held.id.size or not wanted.id.size:
        return found
    known = wanted.process >= 0
    if (held.process == held.process[0]).all() and (wanted.process[known] == held.process[0]).all():
        return _nearest(held.id, held.time_ns, wanted.id, wanted.time_ns)
    own, free = np.flatnonzero(known), np.flatnonzero(~known)
    keys, wanted_keys = _within_processes(held, wanted.at(own))
    found[own] = _nearest(keys, held.time_ns, wanted_keys, wanted.time_ns[own])
    found[free] = _nearest(held.id, held.time_ns, wanted.id[free], wanted.time_ns[free])
    return found


def _within_processes(held: Ids, wanted: Ids) -> tuple[Int64s, Int64s]:
    """Numbers that are equal where id and process are."""
    _, number = np.unique(np.concatenate((held.id, wanted.id)), return_inverse=True)
    process = np.concatenate((held.process, wanted.process)).astype(np.int64)
    keys = number * (process.max(initial=0) + 1) + process
    return keys[: len(held.id)], keys[len(held.id) :]


def _nearest(ids: Int64s, time_ns: Int64s, wanted: Int64s, wanted_ns: Int64s) -> Int64s:
    order = np.argsort(ids, kind="stable")
    ordered = ids[order]
    first = np.minimum(np.searchsorted(ordered, wanted), len(order) - 1)
    is_held = ordered[first] == wanted
    found = np.where(is_held, order[first], -1)
    again = np.append(ordered[1:] == ordered[:-1], False)
    several = np.flatnonzero(is_held & again[first])
    if several.size:
        found[several] = _last_before(ids, time_ns, wanted[several], wanted_ns[several])
    return found


def _last_before(ids: Int64s, time_ns: Int64s, wanted: Int64s, wanted_ns: Int64s) -> Int64s:
    """Of the ids that are equal the last in time that is not later than what is wanted, else the first."""
    n = len(ids)
    every = np.concatenate((ids, wanted))
    order = np.lexsort((np.arange(len(every)) >= n, np.concatenate((time_ns, wanted_ns)), every))
    is_held = order < n
    place = np.arange(len(order))
    before = np.maximum.accumulate(np.where(is_held, place, -1))
    after = np.minimum.accumulate(np.where(is_held, place, len(order))[::-1])[::-1]
    fits = (before >= 0) & (every[order[np.maximum(before, 0)]] == every[order])
    chosen = order[np.where(fits, before, after)[~is_held]]
    result = np.empty(len(wanted), np.int64)
    result[order[~is_held] - n] = chosen
    return result
