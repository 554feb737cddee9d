"""Calls of a denoiser that make one step together: guidance in several calls, blocks called one by one."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import Final

import numpy as np

from sdtrace.attribution.event_selection import COMPILED_REGION
from sdtrace.attribution.linked_trace import LinkedTrace
from sdtrace.intervals import Bools, Int64s
from sdtrace.structure.candidates import OpSequence
from sdtrace.structure.decodes import ATTENTION, decode_stages
from sdtrace.structure.denoiser_calls import Calls
from sdtrace.structure.iterations import Iterations

ARITHMETIC: Final = re.compile(r"^aten::(?:mul|add|sub|rsub|div|addcmul|addcdiv|lerp)_?$")
LAYER: Final = re.compile(
    r"^aten::(?:linear|(?:add|b|badd)?mm|matmul|conv[123]d|\w*_norm|\w*(?:encoder_layer_fwd|attention))$"
)
_ADDED: Final = re.compile(r"^aten::(?:r?sub|add|addcmul|addcdiv|lerp)_?$")
LOOP: Final = re.compile(
    r"^aten::(?:select|index|item|is_nonzero|full|ones|zeros|randn\w*|lift_fresh|scalar_tensor)$"
)
"""Ops with which a step looks its time up, or makes a tensor of it."""
_GUIDANCE: Final = (2, 3)
"""Calls of a step with guidance: with and without the prompt, and a perturbed one."""
_COMPILED: Final = ("compiled_calls", "graph_launches")
_EULER: Final = 2
"""Additions of the smallest scheduler; the input of a call may be scaled with one."""
_SEVERAL: Final = 2
"""Steps of an image with guidance, at least, where others have none."""
_MOST: Final = 128
"""Calls of blocks in a step, at most."""
_SCHEDULER: Final = 3
"""Ops of a scheduler, at least."""
_MOST_BETWEEN: Final = 48
"""Ops of guidance and a scheduler, at most; a preview has more."""


def calls_of_steps(
    linked: LinkedTrace, calls: Calls, ops: OpSequence, iterations: Iterations
) -> Calls | None:
    """Every so many calls as one, where a scheduler runs after the last of them only; None elsewhere.

    Two or three are guidance where more ops follow after the last of them. Of blocks that are called one by
    one nothing but arithmetic without a layer between tells where the step ends. Compiled code hides its own:
    where as much lies between all of its calls, each is a step.
    """
    place = iterations.at(calls.start_ns)
    if (place < 0).any():
        return None
    counts = np.bincount(place, minlength=1)
    length = np.diff(np.searchsorted(ops.start_ns, calls.start_ns))
    is_open = calls.kind not in _COMPILED
    added = _added(linked, ops, calls.start_ns) if is_open else length
    for size in _GUIDANCE if is_open else ():
        is_alone = _median(added[np.arange(1, len(calls)) % size > 0]) < _EULER
        if is_alone and _ends_steps(length, place, counts, size, _MOST_BETWEEN):
            return _joined(calls, size)
    arithmetic = _arithmetic(linked, ops, calls.start_ns)
    if not is_open and (arithmetic >= _SCHEDULER).sum() > len(arithmetic) / 2:
        return None
    for size in range(2, min(_MOST, int(counts.max(initial=0)) // 2) + 1):
        if _ends_steps(arithmetic, place, counts, size, len(ops)):
            return _joined(calls, size)
    return _guided_in_part(linked, calls, ops, place, added) if calls.kind == "period" else None


def _ends_steps(amount: Int64s, place: Int64s, counts: Int64s, size: int, most: int) -> bool:
    """Whether a scheduler's ops more follow after every so many calls than elsewhere, `most` at most."""
    if (counts % size).any() or len(place) < 2 * size:  # two steps
        return False
    is_next = np.arange(1, len(place)) % size == 0
    within, between = amount[~is_next], amount[is_next & (np.diff(place) == 0)]
    return bool(between.size) and _SCHEDULER <= int(between.min()) - int(within.max()) <= most


def _guided_in_part(
    linked: LinkedTrace, calls: Calls, ops: OpSequence, place: Int64s, added: Int64s
) -> Calls | None:
    """Calls between which nothing is added as one: guidance in some of the steps, several in each image.

    None where all steps are alike, or where an image has but one such run: a stage may begin there.
    """
    count = np.append(0, np.cumsum(_layers(linked, ops)))
    layers = np.diff(count[np.searchsorted(ops.start_ns, calls.start_ns)])
    is_next = (added > 0) | (layers > np.median(layers))  # a preview was decoded
    opens = np.flatnonzero(np.concatenate(([True], is_next | (np.diff(place) != 0))))
    sizes = np.diff(np.append(opens, len(calls)))
    joined = np.bincount(place[opens[sizes > 1]], minlength=int(place.max()) + 1)[np.unique(place)]
    if sizes.max() > max(_GUIDANCE) or sizes.min() > 1 or joined.min() < _SEVERAL:
        return None
    start, number = calls.start_ns[opens], calls.number[opens]
    return replace(calls, start_ns=start, end_ns=calls.end_ns[opens + sizes - 1], number=number)


def _added(linked: LinkedTrace, ops: OpSequence, start_ns: Int64s) -> Int64s:
    """Additions between the last layer before each instant but the first, and the next layer."""
    layers = np.concatenate(([-1], np.flatnonzero(_layers(linked, ops)), [len(ops)]))
    count = np.append(0, np.cumsum(ops.named(linked.trace.names_matching(_ADDED))))
    following = np.searchsorted(layers, np.searchsorted(ops.start_ns, start_ns[1:]))
    found: Int64s = count[layers[following]] - count[layers[following - 1] + 1]
    return found


def _median(amount: Int64s) -> float:
    return float(np.median(amount)) if amount.size else 0.0


def _layers(linked: LinkedTrace, ops: OpSequence) -> Bools:
    return ops.named(linked.trace.names_matching(LAYER) | linked.trace.names_matching(ATTENTION))


def _joined(calls: Calls, size: int) -> Calls:
    start, end, number = calls.start_ns[::size], calls.end_ns[size - 1 :: size], calls.number[::size]
    return replace(calls, start_ns=start, end_ns=end, number=number)


def _arithmetic(linked: LinkedTrace, ops: OpSequence, start_ns: Int64s) -> Int64s:
    """From one instant to the next the most arithmetic ops between two layers; none around a decode."""
    names = linked.trace.names_matching
    is_layer = ops.named(names(LAYER) | names(ATTENTION) | names(COMPILED_REGION))
    place = np.searchsorted(ops.start_ns, start_ns)
    edges = np.unique(np.concatenate((np.flatnonzero(is_layer), place)))
    counted = np.append(0, np.cumsum(ops.named(names(ARITHMETIC))))
    amount = np.diff(counted[np.append(edges, len(ops))])
    most = np.maximum.reduceat(amount, np.searchsorted(edges, place))[:-1]
    decoded = np.diff(np.searchsorted(decode_stages(linked, ops).start, start_ns)) > 0
    found: Int64s = np.where(decoded, 0, most)
    return found
