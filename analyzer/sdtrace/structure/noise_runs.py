"""Calls of a denoiser that shows no time step: equal work again and again, which begins with new noise."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace
from itertools import pairwise
from typing import Final

import numpy as np

from sdtrace.attribution.event_selection import COMPILED_REGION
from sdtrace.attribution.linked_trace import LinkedTrace
from sdtrace.intervals import Bools, Int64s, nothing
from sdtrace.structure.call_groups import ARITHMETIC, LAYER
from sdtrace.structure.candidates import OpSequence
from sdtrace.structure.denoiser_calls import Calls
from sdtrace.structure.openings import RANDOM, find_openings
from sdtrace.structure.repeats import find_repeats
from sdtrace.structure.training import is_training

_ADDITION: Final = re.compile(r"^aten::(?:add|addcmul|addcdiv|lerp)_?$")
_SCHEDULER: Final = 3
"""Arithmetic ops of a scheduler from one call's last layer to the next call's first, at least."""
_EULER: Final = 2
"""As many are enough with an addition: the output times a length is added to what the call was given."""
_SHORTEST: Final = 2
"""Calls of an image, at least."""
_MOST_SEARCHED: Final = 64
"""Repeats within which others are searched for, at most."""
_NOISED: Final = 3
"""Calls of the only image, at least, in which more noise is added."""


def noised_calls(linked: LinkedTrace, ops: OpSequence) -> Calls | None:
    """Repeats of ops in runs of two and more, with a scheduler between, where new noise begins each run.

    Noise begins a run where no other repeat draws any, and where what else ran before the first repeat runs
    again. The repeats are one run where noise came before the first, and they add more of it in every step.
    Without a scheduler they are the rounds of a benchmark on random input. Compiled code is looked at
    elsewhere.
    """
    names = linked.trace.names_matching
    noise = np.flatnonzero(ops.named(names(RANDOM)))
    if not noise.size or is_training(linked) or ops.named(names(COMPILED_REGION)).any():
        return None
    for first in _repeats(ops):
        between = _between(linked, ops, first)
        if noise[0] >= first[0] or not _schedules(linked, ops, between):
            continue
        calls = _calls(ops, first)
        if _in_runs(linked, ops, calls, first, noise):
            return calls
        if _is_one_run(linked, ops, noise, between):
            return replace(calls, is_one_run=True)
    return None


def _repeats(ops: OpSequence) -> Iterator[Int64s]:
    """Where repeats begin: those of the whole, then those within each of them."""
    found, names = ops.repeats, ops.name.astype(np.int32)
    if found is None:
        return
    yield found.first
    if len(found.first) > _MOST_SEARCHED:
        return
    edges = np.append(found.first, len(names))
    inner = [(begin, find_repeats(names[begin:end])) for begin, end in pairwise(edges.tolist())]
    parts = [begin + part.first for begin, part in inner if part is not None]
    if len(parts) == len(inner):
        yield np.concatenate(parts)


def _calls(ops: OpSequence, first: Int64s) -> Calls:
    last = np.minimum(first + int(np.diff(first).min()), len(ops)) - 1
    number = np.full(len(first), -1, np.int64)
    what = "repeats that new noise begins"
    return Calls("period", ops.start_ns[first], ops.end_ns[last], number, ops.thread, what, "guess")


def _in_runs(linked: LinkedTrace, ops: OpSequence, calls: Calls, first: Int64s, noise: Int64s) -> bool:
    """Whether between runs of two and more calls noise is drawn that no other call draws, or a run opens."""
    shortest = int(np.diff(first).min())
    drawn = np.append(0, np.cumsum(np.bincount(noise, minlength=len(ops))))
    extra = drawn[first[1:]] > drawn[first[:-1] + shortest]
    opened = find_openings(linked, ops, calls, nothing()).found
    return any(_are_runs(border) for border in (extra, opened))


def _are_runs(border: Bools) -> bool:
    """Whether borders after some of the calls leave runs of two calls and more."""
    sizes = np.diff(np.concatenate(([-1], np.flatnonzero(border), [len(border)])))
    return len(sizes) > 1 and int(sizes.min()) >= _SHORTEST


def _between(linked: LinkedTrace, ops: OpSequence, first: Int64s) -> tuple[Int64s, Int64s]:
    """Places of the last layer before each repeat but the first, and of the next layer."""
    place = np.append(np.flatnonzero(ops.named(linked.trace.names_matching(LAYER))), len(ops))
    following = np.searchsorted(place, first[1:])
    return place[following - 1], place[following]


def _schedules(linked: LinkedTrace, ops: OpSequence, between: tuple[Int64s, Int64s]) -> bool:
    """Whether a scheduler's arithmetic lies between the last layer of most repeats and the next layer."""
    count, added = (_median(linked, ops, pattern, between) for pattern in (ARITHMETIC, _ADDITION))
    return count >= _SCHEDULER or (count >= _EULER and added > 0)


def _median(
    linked: LinkedTrace, ops: OpSequence, pattern: re.Pattern[str], between: tuple[Int64s, Int64s]
) -> float:
    count = np.append(0, np.cumsum(ops.named(linked.trace.names_matching(pattern))))
    return float(np.median(count[between[1]] - count[between[0]]))


def _is_one_run(linked: LinkedTrace, ops: OpSequence, noise: Int64s, between: tuple[Int64s, Int64s]) -> bool:
    """Whether noise is drawn and then added between all repeats: some samplers draw none in the last step."""
    upcoming = np.append(noise, len(ops))[np.searchsorted(noise, between[0])]
    added = np.append(0, np.cumsum(ops.named(linked.trace.names_matching(_ADDITION))))
    is_added = (upcoming < between[1]) & (added[between[1]] > added[np.minimum(upcoming, between[1])])
    return len(is_added) >= _NOISED and bool(is_added[:-1].all())
