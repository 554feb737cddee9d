"""CUDA-graph captures: what is called in one is recorded and does not run."""

from __future__ import annotations

import re
from typing import Final

import numpy as np

from sdtrace.reader.categories import LAUNCHES
from sdtrace.trace import Trace
from sdtrace.trace.model import Bools, Int64s

_BEGIN: Final = re.compile(r"^(?:cuda|cu|hip)StreamBeginCapture")
_END: Final = re.compile(r"^(?:cuda|cu|hip)StreamEndCapture")


def is_captured(trace: Trace, rows: Int64s) -> Bools:
    """Which of the host events `rows` start between a begin of capture and the next end on their thread.

    A begin without an end after it captures nothing: the file does not tell how long it lasted.
    """
    if not trace.names_matching(_BEGIN).any():
        return np.zeros(len(rows), np.bool_)
    calls = trace.in_categories(LAUNCHES)
    begins = np.flatnonzero(trace.named(_BEGIN) & calls)
    ends = np.flatnonzero(trace.named(_END) & calls)
    if not begins.size or not ends.size:
        return np.zeros(len(rows), np.bool_)
    limits = np.concatenate((begins, ends))
    every = np.concatenate((limits, rows))
    place = np.arange(len(every))
    order = np.lexsort((place, trace.start_ns[every], trace.thread[every]))
    # Of each event the limit before it and the one after it, on its own thread.
    is_limit = order < len(limits)
    before = np.maximum.accumulate(np.where(is_limit, place, -1))
    after = np.minimum.accumulate(np.where(is_limit, place, len(every))[::-1])[::-1]
    between = (before >= 0) & (after < len(every))
    before, after = order[before * between], order[after * between]
    thread = trace.thread[every]
    inside = between & (before < len(begins)) & (after >= len(begins)) & (after < len(limits))
    inside &= (thread[before] == thread[order]) & (thread[after] == thread[order])
    captured = np.empty(len(every), np.bool_)
    captured[order] = inside
    return captured[len(limits) :]
