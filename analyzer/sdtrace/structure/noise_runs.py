"""Calls of a denoiser that shows no time step: equal work again and again, from noise or to an image."""

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
from sdtrace.structure.call_groups import ARITHMETIC, LAYER, LOOP
from sdtrace.structure.candidates import OpSequence
from sdtrace.structure.decodes import decode_stages
from sdtrace.structure.denoiser_calls import Calls
from sdtrace.structure.openings import RANDOM, find_openings
from sdtrace.structure.repeats import Repeats, find_repeats
from sdtrace.structure.training import is_training

_ADDITION: Final = re.compile(r"^aten::(?:add|addcmul|addcdiv|lerp)_?$")
_DRAW: Final = re.compile(r"^aten::(?:multinomial|rand|rand_like|uniform_|exponential_|bernoulli_?)$")
_CHOICE: Final = re.compile(r"^aten::(?:where|masked_fill_?|scatter_?|index_put_?)$")
"""Ops that keep some of the tokens and mask the others."""
_SCALING: Final = re.compile(r"^aten::(?:mul|addcmul|addcdiv|lerp)_?$")
_FINISHING: Final = re.compile(r"^aten::(?:clamp\w*|clip_?|permute)$")
"""Ops with which numbers become pixels."""
_SAME: Final = 0.9
_MOST_DRAWN: Final = 128
"""Rounds in which an image's tokens are drawn, at most; who draws them one by one has more."""
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
    again. The repeats are one run where noise came before the first, and they add more of it in every step,
    or where they add to what they were given and what follows the last one makes an image of it. Without a
    scheduler they are the rounds of a benchmark on random input. Repeats that draw tokens are calls where
    image decoders follow them. Compiled code is looked at elsewhere.
    """
    names = linked.trace.names_matching
    if is_training(linked) or ops.named(names(COMPILED_REGION)).any():
        return None
    noise = np.flatnonzero(ops.named(names(RANDOM)))
    drawn = np.flatnonzero(ops.named(names(_DRAW)))
    if not noise.size and not drawn.size:
        return None
    ends = np.searchsorted(ops.start_ns, decode_stages(linked, ops).start)
    for first in _repeats(linked, ops):
        between = _between(linked, ops, first)
        if _draw_tokens(linked, ops, drawn, between, ends):
            return replace(_calls(ops, first), what="repeats that draw tokens")
        if not noise.size or noise[0] >= first[0] or not _schedules(linked, ops, between):
            continue
        calls = _calls(ops, first)
        if _in_runs(linked, ops, calls, first, noise):
            return calls
        is_made = bool((ends > first[-1]).any()) or _is_finished(linked, ops, first)
        is_from_noise = noise[-1] < first[0] and len(first) >= _NOISED and _adds(linked, ops, between)
        if _is_one_run(linked, ops, noise, between) or (is_from_noise and is_made):
            return replace(calls, is_one_run=True)
    return None


def _repeats(linked: LinkedTrace, ops: OpSequence) -> Iterator[Int64s]:
    """Where repeats begin: those of the whole, then those within each of them."""
    found, names = ops.repeats, ops.name.astype(np.int32)
    if found is None:
        return
    yield _with_last(linked, ops, found)
    if len(found.first) > _MOST_SEARCHED:
        return
    edges = np.append(found.first, len(names))
    inner = [(begin, find_repeats(names[begin:end])) for begin, end in pairwise(edges.tolist())]
    parts = [begin + part.first for begin, part in inner if part is not None]
    if len(parts) == len(inner):
        yield np.concatenate(parts)


def _with_last(linked: LinkedTrace, ops: OpSequence, found: Repeats) -> Int64s:
    """With the last step of a sampler, which is a repeat but for what follows its last layer."""
    first = found.first
    layers = np.flatnonzero(ops.named(linked.trace.names_matching(LAYER)))
    begin = int(first[-1]) + found.length
    inner = layers[(layers >= first[-2]) & (layers < first[-1])]
    size = int(inner[-1] - first[-2]) + 1 if inner.size else len(ops)
    if begin + size > len(ops):
        return first
    same = np.mean(ops.name[begin : begin + size] == ops.name[first[-1] : first[-1] + size])
    return np.append(first, begin) if same >= _SAME else first


def _draw_tokens(
    linked: LinkedTrace, ops: OpSequence, drawn: Int64s, between: tuple[Int64s, Int64s], ends: Int64s
) -> bool:
    """Whether tokens are drawn between most repeats, and an image decoded after no more than an image's.

    Some of the tokens are then kept. A model that draws one token after the other keeps each.
    """
    last, following = between
    upcoming = np.append(drawn, len(ops))[np.searchsorted(drawn, last)]
    chosen = np.append(0, np.cumsum(ops.named(linked.trace.names_matching(_CHOICE))))
    holds = (upcoming < following) & (chosen[following] > chosen[np.minimum(upcoming, following)])
    sizes = np.diff(np.searchsorted(last, np.append(0, ends)))
    is_decoded = bool(ends.size) and bool((last < ends[-1]).all())
    is_of_image = bool(sizes.size) and _SHORTEST <= int(sizes.min()) <= int(sizes.max()) <= _MOST_DRAWN
    return is_decoded and is_of_image and float(np.mean(holds)) >= _SAME


def as_one_run(linked: LinkedTrace, ops: OpSequence, calls: Calls) -> Calls:
    """Calls, known to make one image where noise precedes the first and only the last is finished."""
    first = np.searchsorted(ops.start_ns, calls.start_ns)
    has_noise = bool(ops.named(linked.trace.names_matching(RANDOM))[: first[0]].any())
    return replace(calls, is_one_run=has_noise and _is_finished(linked, ops, first))


def _is_finished(linked: LinkedTrace, ops: OpSequence, first: Int64s) -> bool:
    """Whether after the last repeat numbers become pixels, by ops that no repeat has."""
    usual = np.isin(np.arange(len(linked.trace.names)), ops.name[first[0] : first[-1]])
    finishing = ops.named(linked.trace.names_matching(_FINISHING) & ~usual)
    return bool(finishing[first[-1] + int(np.diff(first).min()) // 2 :].any())


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


def _adds(linked: LinkedTrace, ops: OpSequence, between: tuple[Int64s, Int64s]) -> bool:
    """Whether something is looked up, scaled and added between most repeats, as a step of a sampler does.

    The blocks of a network only scale and add.
    """
    return all(_median(linked, ops, pattern, between) > 0 for pattern in (LOOP, _SCALING, _ADDITION))


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
