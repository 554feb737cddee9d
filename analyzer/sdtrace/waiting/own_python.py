"""What Python functions do themselves, between the ops and functions that they call (`with_stack`)."""

from __future__ import annotations

from typing import Final

import numpy as np

from sdtrace.attribution.event_selection import of_categories
from sdtrace.attribution.linked_trace import LinkedTrace
from sdtrace.intervals import contains_any
from sdtrace.waiting.activity import Activity, activity

_LONG_NS: Final = 1_000_000
"""Below this it is ordinary Python between ops."""


def own_python(linked: LinkedTrace) -> Activity:
    """Stretches of 1 ms and more in which a function calls nothing that is recorded, blamed on the function.

    On threads that launch work, while none of these begins anything.
    """
    host = linked.host
    busy = np.flatnonzero(linked.is_on_launching_thread)
    if not of_categories(linked, busy, {"python_function"}).size:
        return activity(busy[:0], busy[:0], busy[:0])
    start, end = host.start_ns[busy], host.start_ns[busy] + host.dur_ns[busy]
    at = np.concatenate((start, end))
    inside = np.concatenate((busy, host.tree_parent[busy]))
    # Of equal instants ends come first, the innermost of them first; starts from the outside in.
    turn = np.concatenate((busy, -1 - busy))
    order = np.lexsort((turn, at, host.thread[np.concatenate((busy, busy))]))
    at, inside = at[order], inside[order]
    is_long = (np.diff(at) >= _LONG_NS) & (inside[:-1] >= 0)
    begin, until, owner = at[:-1][is_long], at[1:][is_long], inside[:-1][is_long]
    is_own = linked.trace.in_categories({"python_function"})[host.row[owner]]
    is_own &= ~contains_any(np.sort(start), begin + 1, until)
    begin, until, owner = begin[is_own], until[is_own], owner[is_own]
    return activity(begin, until, host.name[owner])
