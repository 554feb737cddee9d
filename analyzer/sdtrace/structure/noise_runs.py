"""Calls of a denoiser that shows no time step: equal work again and again, which begins with new noise."""

from __future__ import annotations

import re
from typing import Final

import numpy as np

from sdtrace.attribution.event_selection import COMPILED_REGION
from sdtrace.attribution.linked_trace import LinkedTrace
from sdtrace.intervals import Bools, Int64s
from sdtrace.structure.candidates import OpSequence
from sdtrace.structure.denoiser_calls import Calls
from sdtrace.structure.openings import RANDOM
from sdtrace.structure.repeats import find_repeats
from sdtrace.structure.training import is_training

_LAYER: Final = re.compile(r"^aten::(?:linear|(?:add|b|badd)?mm|matmul|conv[123]d|\w*_norm)$")
_ARITHMETIC: Final = re.compile(r"^aten::(?:mul|add|sub|rsub|div|addcmul|lerp)_?$")
_SCHEDULER: Final = 3
"""Arithmetic ops of a scheduler from one call's last layer to the next call's first, at least."""
_SHORTEST: Final = 2
"""Calls of an image, at least."""


def noised_calls(linked: LinkedTrace, ops: OpSequence) -> Calls | None:
    """Repeats of ops in equal runs of two and more, each run begun by new noise, with a scheduler between.

    Without a scheduler they are the rounds of a benchmark on random input. None where noise begins one run
    or none, or every call. Compiled code is looked at elsewhere.
    """
    names = linked.trace.names_matching
    noise = np.flatnonzero(ops.named(names(RANDOM)))
    if not noise.size or is_training(linked) or ops.named(names(COMPILED_REGION)).any():
        return None
    found = find_repeats(ops.name.astype(np.int32))
    if found is None or not _in_runs(found.first, noise):
        return None
    layers, arithmetic = (ops.named(names(pattern)) for pattern in (_LAYER, _ARITHMETIC))
    if not _schedules(found.first, layers, arithmetic):
        return None
    last = np.minimum(found.first + int(np.diff(found.first).min()), len(ops)) - 1
    number = np.full(len(found.first), -1, np.int64)
    what = "repeats that new noise begins"
    return Calls("period", ops.start_ns[found.first], ops.end_ns[last], number, ops.thread, what, "guess")


def _in_runs(first: Int64s, noise: Int64s) -> bool:
    """Whether noise (places of ops) precedes the first of the repeats, and further runs of as many."""
    place = np.unique(np.searchsorted(first, noise, "right"))
    sizes = np.diff(np.append(place, len(first)))
    is_equal = len(sizes) > 1 and bool((sizes == sizes[0]).all())
    return is_equal and bool(place[0] == 0 and sizes[0] >= _SHORTEST)


def _schedules(first: Int64s, layers: Bools, arithmetic: Bools) -> bool:
    """Whether a scheduler's arithmetic lies between the last layer of most repeats and the next layer."""
    place = np.append(np.flatnonzero(layers), len(layers))
    following = place[np.searchsorted(place, first[1:])]
    before = place[np.searchsorted(place, first[1:]) - 1]
    count = np.append(0, np.cumsum(arithmetic))
    return bool(np.median(count[following] - count[before]) >= _SCHEDULER)
