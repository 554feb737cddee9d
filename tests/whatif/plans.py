"""Plans written by hand, whose replay can be worked out on paper."""

from __future__ import annotations

import numpy as np

from sdtrace.whatif.plan import Calls, Pieces, Plan

US = 1_000


def plan(
    *calls: tuple[int, int, int], waits: tuple[int, ...] = (), graphs: tuple[int, ...] = (), tail: int = 0
) -> Plan:
    """A plan of one stream: `calls` are (gap, own, work) in microseconds, a work of 0 launches nothing."""
    gap, own, work = (np.array(column, np.int64) * US for column in zip(*calls, strict=True))
    count = len(calls)
    launching = np.flatnonzero(work)
    none = np.zeros(count, np.int64)
    pieces = len(launching)
    zeros = np.zeros(pieces, np.int64)
    return Plan(
        Calls(
            gap,
            own,
            ops=none,
            triton=none,
            frames=none,
            is_graph=np.isin(np.arange(count), graphs),
            waits=np.isin(np.arange(count), waits),
            event=np.arange(count),
        ),
        Pieces(
            call=launching,
            stream=zeros,
            dur_ns=work[launching],
            lag_ns=zeros,
            pause_ns=zeros,
            after=zeros - 1,
            within=np.isin(launching, graphs),
            blocks=np.zeros(pieces, np.bool_),
            is_kernel=np.ones(pieces, np.bool_),
            work=np.arange(pieces),
        ),
        tail * US,
        tail_ops=0,
        tail_frames=0,
    )
