"""Events whose times cannot be true: kept out of every sum, and named."""

from __future__ import annotations

from dataclasses import replace
from typing import Final

import numpy as np

from sdtrace.reader.categories import DEVICE, HOST, WORK
from sdtrace.trace.model import Bools, Trace

MAX_NS: Final = 1 << 50
"""Thirteen days: no profile is longer, and sums of more would not be exact."""
_FEW: Final = 16
_MOST: Final = 0.5
_MAX_EXAMPLES: Final = 20


def find_impossible(trace: Trace) -> Trace:
    """The trace without its impossible events.

    Impossible is a negative duration, a time beyond 13 days, a start before the trace's first event,
    and a device duration that dwarfs the whole rest: a handful of kernels that would be most of device
    time and outlast all host activity.
    """
    bad = (trace.dur_ns < 0) | (trace.dur_ns >= MAX_NS)
    bad |= (trace.start_ns >= MAX_NS) | (trace.start_ns <= -MAX_NS)
    bad |= trace.in_categories(HOST | DEVICE) & (trace.start_ns < 0)
    bad |= _dwarfing(trace, ~bad)
    if not bad.any():
        return trace
    rows = np.flatnonzero(bad)
    examples = [
        f"{trace.names[trace.name[row]]} ({trace.categories[trace.category[row]]}): "
        f"start {trace.start_ns[row] / 1000:.3f} us, duration {trace.dur_ns[row] / 1000:.3f} us"
        for row in rows[:_MAX_EXAMPLES].tolist()
    ]
    good = np.flatnonzero(~bad)
    left = trace.take(good)
    return replace(left, quarantined=len(rows), quarantined_rows=rows, quarantined_examples=examples)


def _dwarfing(trace: Trace, sane: Bools) -> Bools:
    """A few pieces of device work that outlast everything the host did and most other work together."""
    bad = np.zeros(len(trace), np.bool_)
    work = np.flatnonzero(trace.in_categories(WORK) & sane)
    host = trace.in_categories(HOST) & sane
    if work.size <= _FEW or not host.any():
        return bad
    first = trace.start_ns.min(where=host, initial=MAX_NS)
    span = trace.end_ns.max(where=host, initial=first) - first
    suspects = work[trace.dur_ns[work] > span]
    total = trace.dur_ns[work].sum(dtype=np.float64)
    if 0 < suspects.size <= _FEW and trace.dur_ns[suspects].sum(dtype=np.float64) > _MOST * total:
        bad[suspects] = True
        bad |= trace.in_categories(DEVICE) & (trace.dur_ns > 2 * span)
    return bad
