"""Candidates from a period in the order of ops: the last resort."""

from __future__ import annotations

from typing import Final

import numpy as np

from sdtrace.attribution.linked_trace import LinkedTrace
from sdtrace.structure.candidates import Candidate, OpSequence, wall
from sdtrace.structure.decodes import looks_like_denoiser
from sdtrace.structure.denoiser_calls import Calls
from sdtrace.structure.repeats import find_repeats

_REST: Final = 1.2
"""What follows the last repeat belongs to it up to this many times its length."""


def period(linked: LinkedTrace, ops: OpSequence) -> Candidate | None:
    """What repeats in the order of outermost ops."""
    found = find_repeats(ops.name.astype(np.int32)) if len(ops) else None
    if found is None:
        return None
    last = int(found.first[-1]) + found.length
    ends_with_trace = len(ops) <= int(found.first[-1]) + _REST * found.length
    end = wall(linked)[1] if ends_with_trace else int(ops.start_ns[last])
    first = ops.start_ns[found.first]
    how = (
        f"Nothing marks iterations; {len(first)} repeats were found in the order of ops "
        f"({found.agreement:.0%} of the names agree from one to the next)."
    )
    names = [f"repeat {number}" for number in range(len(first))]
    is_whole = np.ones(len(first), np.bool_)
    is_whole[-1] = last <= len(ops) + (_REST - 1) * found.length
    what = "repeats in the order of ops"
    return Candidate("period", names, first, np.append(first[1:], end), is_whole, how, what, "guess")


def repeated_calls(linked: LinkedTrace, ops: OpSequence) -> Calls | None:
    """Repeats in the order of ops, where they look like calls of a denoiser; None when they do not."""
    found = find_repeats(ops.name.astype(np.int32)) if len(ops) else None
    if found is None:
        return None
    first = found.first
    if not looks_like_denoiser(
        {linked.trace.names[name] for name in set(ops.name[first[0] : first[1]].tolist())}
    ):
        return None
    last = np.minimum(first + int(np.diff(first).min()), len(ops)) - 1
    number = np.full(len(first), -1, np.int64)
    thread = int(linked.host.thread[ops.event[0]])
    what = "repeats in the order of ops"
    return Calls("period", ops.start_ns[first], ops.end_ns[last], number, thread, what, "guess")
