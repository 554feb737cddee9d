"""GPU work that was launched where the profiler saw no op."""

from __future__ import annotations

from typing import Final, NamedTuple

import numpy as np

from sdtrace.attribution.linked_trace import LinkedTrace
from sdtrace.reader.categories import GRAPH_LAUNCH


class Unwatched(NamedTuple):
    """Pieces of GPU work (and their time) by calls on `threads` threads that have no op in the trace."""

    pieces: int
    ns: int
    threads: int


NOTHING: Final = Unwatched(0, 0, 0)


def unwatched(linked: LinkedTrace) -> Unwatched:
    """What threads without ops launched. Replays of CUDA graphs do not count: they need no op."""
    trace, host, work = linked.trace, linked.host, linked.work
    launch = work.launch
    in_op = np.append(host.is_op, False)[work.op]  # -1, where there is no op, takes the last one
    watched = np.zeros(len(trace.threads), np.bool_)
    watched[trace.thread[trace.rows({"cpu_op"})]] = True
    replays = trace.names_matching(GRAPH_LAUNCH)[trace.name[launch]]
    stray = np.flatnonzero((launch >= 0) & ~in_op & ~replays & ~watched[trace.thread[launch]])
    threads = np.unique(trace.thread[launch[stray]])
    return Unwatched(len(stray), int(trace.dur_ns[work.row[stray]].sum()), len(threads))
