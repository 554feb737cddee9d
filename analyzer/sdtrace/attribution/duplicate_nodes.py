"""Chains of only children with one name, which torch's op table shows as one event."""

from __future__ import annotations

import numpy as np

from sdtrace.attribution.nesting import Int32s, Int64s
from sdtrace.trace.model import Bools


def find_duplicates(parent: Int64s, name: Int32s) -> Bools:
    """Which events are only children of a parent of the same name (`EventList._remove_dup_nodes`)."""
    n = len(parent)
    n_children = np.zeros(n + 1, np.int32)
    np.add.at(n_children, parent, np.int32(1))
    candidates = np.flatnonzero(parent >= 0)
    above = parent[candidates]
    alike = (name[above] == name[candidates]) & (n_children[above] == 1)
    is_duplicate = np.zeros(n, np.bool_)
    is_duplicate[candidates[alike]] = True
    return is_duplicate


def innermost_of(parent: Int64s, is_duplicate: Bools) -> Int64s:
    """For each event the last one folded into it, itself where there is none."""
    inward = np.arange(len(parent))
    folded = np.flatnonzero(is_duplicate)
    inward[parent[folded]] = folded
    while not np.array_equal(further := inward[inward], inward):
        inward = further
    return inward
