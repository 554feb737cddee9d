"""How much work the host asked for in a span: the measure by which spans are compared."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from sdtrace.attribution.launches import LaunchTimes
from sdtrace.attribution.linked_trace import LinkedTrace
from sdtrace.intervals import Int64s, Intervals, contains


@dataclass(frozen=True)
class Work:
    """Device time by the instant of its launch; host time of ops in a trace without a device.

    `at_ns` are instants in order, `before` the nanoseconds of work before each, the total at the end.
    """

    at_ns: Int64s
    before: Int64s

    @property
    def total_ns(self) -> int:
        """All work."""
        return int(self.before[-1])

    def between(self, start_ns: Int64s, end_ns: Int64s) -> Int64s:
        """Nanoseconds of work asked for in each span [start, end)."""
        bounds = np.searchsorted(self.at_ns, np.stack((start_ns, end_ns)))
        spent: Int64s = self.before[bounds[1]] - self.before[bounds[0]]
        return spent


def work_asked_for(linked: LinkedTrace, launches: LaunchTimes, overhead: Intervals) -> Work:
    """Work outside `overhead`, which is when anything compiled, tuned or captured."""
    at, spent = launches.called_ns, linked.trace.dur_ns[linked.work.row]
    if not at.size:
        is_op = linked.trace.in_categories({"cpu_op"})[linked.host.row]
        at, spent = linked.host.start_ns[is_op], linked.host.self_ns[is_op]
    outside = ~contains(overhead, at)
    at, spent = at[outside], spent[outside]
    order = np.argsort(at, kind="stable")
    return Work(at[order], np.append(0, np.cumsum(spent[order])))
