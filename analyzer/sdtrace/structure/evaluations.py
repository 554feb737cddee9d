"""Samplers that call the denoiser twice a step, as Heun's does: seen by arithmetic or by the schedule."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import Final, Literal, NamedTuple

import numpy as np

from sdtrace.attribution.linked_trace import LinkedTrace
from sdtrace.intervals import Bools, Int64s
from sdtrace.structure.call_groups import ARITHMETIC, LAYER
from sdtrace.structure.candidates import OpSequence
from sdtrace.structure.denoiser_calls import Calls
from sdtrace.structure.iterations import Iterations

_LOGARITHM: Final = re.compile(r"^aten::log_?$")
_REPEAT: Final = re.compile(r"^aten::repeat_interleave$")
_SLICE: Final = re.compile(r"^aten::slice$")
_JOIN: Final = re.compile(r"^aten::cat$")
_JOINED: Final = 2
"""Ops from the repetition of a table to the join, at most."""
_SCHEDULER: Final = 3
"""Arithmetic ops of a scheduler, at least."""
_LEAST: Final = 2
"""Gaps of each kind, at least, of which one can say that they alternate."""
_ALL: Final = 0.9


class Evaluations(NamedTuple):
    """How many calls a step has: `pairs` are two each, `maybe` two or one, `single` one as far as is seen.

    `calls` are one per step of pairs, else those that were given.
    """

    kind: Literal["pairs", "maybe", "single"]
    calls: Calls


def evaluations(linked: LinkedTrace, calls: Calls, ops: OpSequence, iterations: Iterations) -> Evaluations:
    """Pairs of calls within each image, where the scheduler's arithmetic after every second one differs.

    The last call of an image may be alone. Schedulers that compute with logarithms may alternate although
    each call is a step (DPM-Solver, in single steps), and a callback may compute more after every second
    step. Whatever the arithmetic, calls are pairs if all of the schedule but its first entry was doubled
    before each image.
    """
    place = iterations.at(calls.start_ns)
    if len(calls) < 2 or (np.diff(place) < 0).any():  # a pair; calls of several iterations at once
        return Evaluations("single", calls)
    turn = np.arange(len(place)) - np.searchsorted(place, place)
    if _has_doubled_schedules(linked, calls, ops, place):
        return Evaluations("pairs", _paired(calls, turn % 2 == 0))
    is_inner = (place[1:] == place[:-1]) & (place[1:] >= 0)
    first, last = _zones(linked, calls, ops)
    if len(calls) <= 2 * _LEAST or not _is_plain(linked, calls, ops, is_inner):
        return Evaluations("single", calls)
    sums = _sums(linked, ops, first, last)
    even, odd = (is_inner & (turn[:-1] % 2 == parity) for parity in (0, 1))
    if min(even.sum(), odd.sum()) < _LEAST or not _alternate(sums, even, odd):
        return Evaluations("single", calls)
    logarithms = np.append(0, np.cumsum(ops.named(linked.trace.names_matching(_LOGARITHM))))
    is_logarithmic = bool(((logarithms[last] > logarithms[first]) & is_inner).any())
    zones = [slice(int(first[gap]), int(last[gap])) for gap in _usual(sums, even, odd)]
    if is_logarithmic or _holds_other(linked, ops, *zones):
        return Evaluations("maybe", calls)
    return Evaluations("pairs", _paired(calls, turn % 2 == 0))


def _has_doubled_schedules(linked: LinkedTrace, calls: Calls, ops: OpSequence, place: Int64s) -> bool:
    """Whether each image has an odd number of calls, and before its first one a table was doubled.

    A slice of the table is repeated, and then joined to the entry before.
    """
    counts = np.bincount(place[place >= 0])
    if place[0] < 0 or (counts[counts > 0] % 2 == 0).any() or counts.max() == 1:  # one call is no pair
        return False
    repeats, sliced, joins = (ops.named(linked.trace.names_matching(one)) for one in (_REPEAT, _SLICE, _JOIN))
    near = [np.append(joins[ahead:], np.zeros(ahead, np.bool_)) for ahead in range(1, _JOINED + 1)]
    doubled = repeats & np.append(False, sliced)[: len(ops)] & np.any(near, axis=0)
    at = ops.start_ns[doubled]
    opens = np.flatnonzero(np.append(True, np.diff(place) > 0))
    since = np.append(np.iinfo(np.int64).min, calls.start_ns[opens[1:] - 1])
    return bool((np.searchsorted(at, calls.start_ns[opens]) > np.searchsorted(at, since)).all())


def _zones(linked: LinkedTrace, calls: Calls, ops: OpSequence) -> tuple[Int64s, Int64s]:
    """Places of the ops between each two calls: of calls that are repeats of ops from their last layer on."""
    begin, end = (
        np.searchsorted(ops.start_ns, calls.end_ns[:-1]),
        np.searchsorted(ops.start_ns, calls.start_ns[1:]),
    )
    if calls.kind == "period":
        is_layer = ops.named(linked.trace.names_matching(LAYER))
        layers = np.maximum.accumulate(np.where(is_layer, np.arange(len(ops)) + 1, 0))
        begin = np.append(0, layers)[end]
    return np.minimum(begin, end), end


def _is_plain(linked: LinkedTrace, calls: Calls, ops: OpSequence, is_inner: Bools) -> bool:
    """Whether all calls of an image have as many layers: no cache skips any, no preview is decoded."""
    layers = np.append(0, np.cumsum(ops.named(linked.trace.names_matching(LAYER))))
    count = np.diff(layers[np.searchsorted(ops.start_ns, calls.start_ns)])[is_inner]
    return bool(count.size) and bool(np.mean(count == np.median(count)) >= _ALL)


def _sums(linked: LinkedTrace, ops: OpSequence, first: Int64s, last: Int64s) -> Int64s:
    """A number for the arithmetic of each zone, equal where its ops are; 0 where it is little."""
    is_counted = ops.named(linked.trace.names_matching(ARITHMETIC))
    values = np.random.default_rng(0).integers(1, 1 << 40, len(linked.trace.names))[ops.name]
    total = np.append(0, np.cumsum(np.where(is_counted, values, 0)))
    count = np.append(0, np.cumsum(is_counted))
    found: Int64s = np.where(count[last] - count[first] >= _SCHEDULER, total[last] - total[first], 0)
    return found


def _alternate(sums: Int64s, even: Bools, odd: Bools) -> bool:
    """Whether gaps of each parity are alike, and differ from those of the other."""
    usual = [int(np.median(sums[mine])) for mine in (even, odd)]
    alike = [float(np.mean(sums[mine] == of)) for mine, of in zip((even, odd), usual, strict=True)]
    return usual[0] != usual[1] and min(usual) > 0 and min(alike) >= _ALL


def _usual(sums: Int64s, even: Bools, odd: Bools) -> list[int]:
    """A gap of each parity that is like most of them."""
    return [int(np.flatnonzero(mine & (sums == np.median(sums[mine])))[0]) for mine in (even, odd)]


def _holds_other(linked: LinkedTrace, ops: OpSequence, one: slice, other: slice) -> bool:
    """Whether one of two zones has all arithmetic of the other, and more."""
    is_counted = ops.named(linked.trace.names_matching(ARITHMETIC))
    counts = [
        np.bincount(ops.name[zone][is_counted[zone]], minlength=len(linked.trace.names))
        for zone in (one, other)
    ]
    difference = counts[0] - counts[1]
    return bool((difference >= 0).all() or (difference <= 0).all())


def _paired(calls: Calls, opens: Bools) -> Calls:
    start = np.flatnonzero(opens)
    stop = np.append(start[1:], len(calls)) - 1
    return replace(
        calls, start_ns=calls.start_ns[start], end_ns=calls.end_ns[stop], number=calls.number[start]
    )
