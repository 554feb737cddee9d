"""With what an image begins: ops that ran before the first call of a denoiser and are no part of a step."""

from __future__ import annotations

import re
from typing import Final, NamedTuple

import numpy as np

from sdtrace.attribution.event_selection import COMPILED_REGION
from sdtrace.attribution.linked_trace import LinkedTrace
from sdtrace.intervals import Bools, Int64s, Intervals
from sdtrace.structure.candidates import OpSequence
from sdtrace.structure.denoiser_calls import Calls

RANDOM: Final = re.compile(r"^aten::(?:randn|normal_)")
_OP: Final = re.compile(r"^aten::|" + COMPILED_REGION.pattern)
_PLAIN: Final = re.compile(
    r"^aten::(?:_?to(?:_copy)?|copy_|empty\w*|clone|contiguous|detach_?|resolve_\w+|view|reshape|permute|transpose"
    r"|select|slice|item|_local_scalar_dense|(?:un)?squeeze|expand|stack|cat|mul|add|sub|div|clamp|round)$"
)
"""Ops with which a finished image or a preview is brought to the host, too."""
_RARE: Final = 0.1
"""Share of the steps in which an op that begins an image may occur."""
_SURE: Final = 3
"""Ops that begin the first image, at least, where their absence is to say that no other one begins."""
_SCHEDULER: Final = 3
"""Ops of a scheduler between two calls, at least."""


class Openings(NamedTuple):
    """For each gap between two calls when an image begins in it, -1 for none (int64 nanoseconds).

    `is_lone` says that the first image begins with noise and more, that a scheduler runs between the calls,
    and that nothing begins another image.
    """

    at_ns: Int64s
    is_lone: bool

    @property
    def found(self) -> Bools:
        """In which gaps an image begins."""
        return self.at_ns >= 0


def find_openings(linked: LinkedTrace, ops: OpSequence, calls: Calls, decodes: Intervals) -> Openings:
    """In which gaps between `calls` something runs that ran before the first call, and between no two steps.

    Of gaps with a decode only what follows the decode counts, and where there is new noise, only that: other
    ops that an image begins with may end the one before.
    """
    size = max(len(calls) - 1, 0)
    place = np.searchsorted(calls.start_ns, ops.start_ns, "right") - 1
    is_within = (place >= 0) & (place < size)
    decoded = np.searchsorted(calls.start_ns, decodes.start, "right") - 1
    is_step = np.ones(size, np.bool_)
    is_step[decoded[(decoded >= 0) & (decoded < size)]] = False
    telling = linked.trace.names_matching(_OP) & ~linked.trace.names_matching(_PLAIN)
    telling &= _occurs(ops.name[place < 0], len(telling))
    telling &= ~_occurs(ops.name[_inside(ops, decodes)], len(telling))
    telling &= ~_usual(ops.name[is_within], place[is_within], is_step, len(telling))
    until = np.zeros(len(calls) + 1, np.int64)
    np.maximum.at(until, decoded, decodes.end)
    at = np.full(size, -1, np.int64)
    for names in (telling, telling & linked.trace.names_matching(RANDOM)):
        opens = np.flatnonzero(is_within & ops.named(names) & (ops.start_ns >= until[place]))
        gap, first = np.unique(place[opens], return_index=True)
        at[gap] = ops.start_ns[opens[first]]
    has_noise = bool((telling & linked.trace.names_matching(RANDOM)).any())
    is_alone = has_noise and not (at >= 0).any() and int(telling.sum()) >= _SURE
    return Openings(at, is_alone and (calls.kind == "period" or _is_scheduled(ops, calls)))


def _is_scheduled(ops: OpSequence, calls: Calls) -> bool:
    """Whether a scheduler's ops follow most calls."""
    edges = np.stack((calls.end_ns[:-1], calls.start_ns[1:]))
    between = np.diff(np.searchsorted(ops.start_ns, edges), axis=0)
    return bool(between.size) and float(np.median(between)) >= _SCHEDULER


def _occurs(names: Int64s, size: int) -> Bools:
    found = np.zeros(size, np.bool_)
    found[names] = True
    return found


def _inside(ops: OpSequence, spans: Intervals) -> Bools:
    place = np.searchsorted(spans.start, ops.start_ns, "right") - 1
    ends = np.append(spans.end, 0)
    found: Bools = (place >= 0) & (ops.start_ns < ends[place])
    return found


def _usual(names: Int64s, gap: Int64s, is_step: Bools, size: int) -> Bools:
    """Which names most calls have in them or after them: more than few of those without a decode, or half."""
    pairs = np.unique(np.stack((names, gap)), axis=1)
    of_all = np.bincount(pairs[0], minlength=size)
    of_steps = np.bincount(pairs[0][is_step[pairs[1]]], minlength=size)
    if is_step.all():
        return np.asarray(2 * of_all > len(is_step))
    return np.asarray(of_steps > _RARE * int(is_step.sum()))
