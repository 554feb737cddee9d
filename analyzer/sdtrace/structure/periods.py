"""Candidates from a period in the order of ops: the last resort."""

from __future__ import annotations

from typing import Final

import numpy as np

from sdtrace.attribution.linked_trace import LinkedTrace
from sdtrace.intervals import nothing
from sdtrace.structure.candidates import Candidate, OpSequence, wall
from sdtrace.structure.decodes import looks_like_denoiser
from sdtrace.structure.denoiser_calls import Calls
from sdtrace.structure.openings import find_openings
from sdtrace.structure.training import is_training

_REST: Final = 1.2
"""What follows the last repeat belongs to it up to this many times its length."""


def period(linked: LinkedTrace, ops: OpSequence) -> Candidate | None:
    """What repeats in the order of outermost ops."""
    found = ops.repeats
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
    calls = repeats_as_calls(linked, ops)
    if calls is None:
        return None
    inside = ops.between(int(calls.start_ns[0]), int(calls.start_ns[1]))
    names = {linked.trace.names[name] for name in set(ops.name[inside].tolist())}
    return calls if looks_like_denoiser(names) else None


def repeat_runs(linked: LinkedTrace, ops: OpSequence) -> Candidate | None:
    """Runs of repeats that begin as the first did, such as the tokens of each of several requests.

    What only the first repeat of a run does begins no other run.
    """
    calls = repeats_as_calls(linked, ops)
    if calls is None or is_training(linked):
        return None
    opens = find_openings(linked, ops, calls, nothing()).found
    opens &= ~np.append(True, opens[:-1])
    if not opens.any():
        return None
    start = calls.start_ns[np.append(0, np.flatnonzero(opens) + 1)]
    names = [f"run {number}" for number in range(len(start))]
    how = (
        "Nothing marks iterations; they are runs of repeats in the order of ops, each begun as the first one."
    )
    whole, end = np.ones(len(start), np.bool_), np.append(start[1:], wall(linked)[1])
    return Candidate(
        "repeat_runs", names, start, end, whole, how, "runs of repeats in the order of ops", "guess"
    )


def repeats_as_calls(linked: LinkedTrace, ops: OpSequence) -> Calls | None:
    """Repeats in the order of ops as calls of equal length."""
    found = ops.repeats
    if found is None:
        return None
    first = found.first
    last = np.minimum(first + int(np.diff(first).min()), len(ops)) - 1
    number = np.full(len(first), -1, np.int64)
    thread = int(linked.host.thread[ops.event[0]])
    what = "repeats in the order of ops"
    return Calls("period", ops.start_ns[first], ops.end_ns[last], number, thread, what, "guess")
