"""Things counted once however many places they lie in: most lie in one, the rest are kept one by one."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from sdtrace.intervals import Int64s


class Counted(NamedTuple):
    """How many things of a group lie in one cell, and those that lie in several.

    `group`, `cell` and `times` are arrays of one length. `over` has (group, cells, how many).
    """

    group: Int64s
    cell: Int64s
    times: Int64s
    over: list[tuple[int, tuple[int, ...], int]]


def count_once(thing: Int64s, group: Int64s, cell: Int64s, cells: int) -> Counted:
    """Count distinct things by group and cell; a thing may occur often, in one group. Fast where sorted."""
    order = np.arange(len(thing))
    if np.any(thing[1:] < thing[:-1]):
        order = np.argsort(thing, kind="stable")
    ordered = thing[order]
    first = np.flatnonzero(np.append(True, ordered[1:] != ordered[:-1])[: len(ordered)])
    held = np.diff(np.append(first, len(ordered)))
    mine = cell[order]
    differs = np.flatnonzero(mine != np.repeat(mine[first], held))
    several = np.unique(np.searchsorted(first, differs, side="right") - 1)
    alone = np.ones(len(first), np.bool_)
    alone[several] = False
    code = group[order[first[alone]]] * cells + mine[first[alone]]
    codes, alone_times = np.unique(code, return_counts=True)
    over: dict[tuple[int, tuple[int, ...]], int] = {}
    for number in several.tolist():
        at = slice(first[number], first[number] + held[number])
        key = int(group[order[first[number]]]), tuple(np.unique(mine[at]).tolist())
        over[key] = over.get(key, 0) + 1
    listed = [(number, places, times) for (number, places), times in over.items()]
    return Counted(codes // max(1, cells), codes % max(1, cells), alone_times, listed)
