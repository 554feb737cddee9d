"""Host events of threads in the order in which HTA's call graph walks them, and how deep they are nested."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from sdtrace.intervals import Bools, Int64s


class CallOrder(NamedTuple):
    """Events in the order of their start, thread by thread: `event` is the number of each, `depth` from 0.

    What an event calls follows it, up to the next one that is no deeper.
    """

    event: Int64s
    depth: Int64s


def call_order(thread: Int64s, start_ns: Int64s, dur_ns: Int64s) -> CallOrder:
    """The order of events, given in that of the file; `thread` numbers from 0, times from 0.

    An event is as deep as the number of those that run when it starts, nested or not. One that starts when
    another one ends does not lie in that. One that lasts no time does, unless another one starts then.
    """
    end_ns = start_ns + dur_ns
    width = int(end_ns.max(initial=0)) + 1
    start, end = thread * width + start_ns, thread * width + end_ns
    lasting = dur_ns > 0
    order = np.lexsort((-dur_ns, start))
    ended = np.searchsorted(np.sort(end), start, "left") + np.where(
        lasting | np.isin(start, start[lasting]), _times(end[lasting], start), 0
    )
    return CallOrder(order, np.arange(len(order)) - ended[order])


def _times(values: Int64s, points: Int64s) -> Int64s:
    """How many of the values equal each point."""
    ordered = np.sort(values)
    found: Int64s = np.searchsorted(ordered, points, "right") - np.searchsorted(ordered, points, "left")
    return found


def call_spans(order: CallOrder, callers: Bools) -> tuple[Int64s, Int64s]:
    """Places in the order, from and to (not included), of what each of some events calls, and of itself.

    `callers` (bool, by place) are equally deep.
    """
    depth = int(order.depth[callers].max(initial=0))
    borders = np.flatnonzero(order.depth <= depth)
    are_callers = callers[borders]
    return borders[are_callers], np.append(borders[1:], len(callers))[are_callers]


def moved_below(order: CallOrder, parent: Int64s) -> CallOrder:
    """The order with some outermost events, and all that they call, below others.

    `parent` is the place of the new caller of the event at each place, -1 for none; events that are not
    outermost go with the one that calls them.
    """
    place = np.arange(len(order.event))
    outermost = np.maximum.accumulate(np.where(order.depth == 0, place, 0))
    parent = parent[outermost]
    moved = parent >= 0
    depth = np.where(moved, order.depth + order.depth[parent] + 1, order.depth)
    new = np.lexsort((place, moved, np.where(moved, parent, place)))
    return CallOrder(order.event[new], depth[new])
