"""Calls of a denoiser that nothing names: each embeds its time step by sine and cosine."""

from __future__ import annotations

import re
from typing import Final

import numpy as np

from sdtrace.attribution.linked_trace import LinkedTrace
from sdtrace.intervals import Bools, Int64s, Intervals
from sdtrace.structure.call_groups import LAYER, LOOP
from sdtrace.structure.candidates import OpSequence
from sdtrace.structure.decodes import ATTENTION
from sdtrace.structure.denoiser_calls import Calls
from sdtrace.structure.repeats import common_lead
from sdtrace.structure.training import is_training

_SINE: Final = re.compile(r"^aten::sin$")
_COSINE: Final = re.compile(r"^aten::cos$")
_FREQUENCIES: Final = re.compile(r"^aten::(?:exp|arange)$")
_EXPONENTIAL: Final = re.compile(r"^aten::exp$")
_LOOK_UP: Final = re.compile(r"^aten::embedding$")
_CONVOLUTION: Final = re.compile(r"^aten::(?:conv[123]d|_?convolution)$")
_JOIN: Final = re.compile(r"^aten::cat$")
_RESHAPES: Final = re.compile(
    r"^aten::(?:_?to(?:_copy)?|(?:_unsafe_)?view|reshape|contiguous|(?:un)?squeeze|type_as)$"
)
_LAYER: Final = re.compile(r"^aten::(?:linear|addmm|mm|matmul)$")
_NEAR: Final = 12
"""Ops before a sine among which its frequencies are made."""
_NEXT: Final = 4
"""Ops from the sine to the cosine, and to a sine from a bare `arange`."""
_TO_LAYER: Final = 3
"""Ops from the join of sine and cosine to the layer that takes it, at most."""
_OWN_JOINS: Final = 2
"""Joins in any call: of sine and cosine, and of both halves of guidance."""
_MOST_CONTROLS: Final = 3
_LEAD: Final = 24
"""Ops before the embedding that may belong to the call, where they are the same for every call."""
_BLOCK: Final = 2
"""Attentions of one block of a transformer, at most: to itself, and to the prompt."""
_ENDS: Final = 2
"""Layers that a network has beside its blocks, at least: the first and the last one."""
_CONVOLUTIONS: Final = 5
"""Convolutions that set one call apart from the next, as one attention does."""


def timed_calls(linked: LinkedTrace, ops: OpSequence) -> Calls | None:
    """Calls of a denoiser, each from about its embedding of a time step on; None with fewer than two.

    Embeddings without attention between are of one call (a time step and sizes), and so are those of the
    blocks of one network, where each block embeds the time step by itself. A call that joins nothing,
    where others do, is a ControlNet's and belongs to the call that follows it. Rotary positions are no
    time steps: they take no exponential, and no layer takes them. Training embeds time steps, too, and has no
    such calls.
    """
    if is_training(linked):
        return None
    weight = _counted(linked, ops, ATTENTION) * _CONVOLUTIONS + _counted(linked, ops, _CONVOLUTION)
    first = _of_networks(linked, ops, *_of_stages(_embeddings(linked, ops), weight))
    first = _with_control(first, _counted(linked, ops, _JOIN), len(ops))
    if len(first) < 2:  # one call repeats nothing
        return None
    first = first - min(_LEAD, common_lead(ops.name.astype(np.int32), first))
    last = np.minimum(first + int(np.diff(first).min()), len(ops)) - 1
    number = np.full(len(first), -1, np.int64)
    what = "calls that embed a time step"
    return Calls("period", ops.start_ns[first], ops.end_ns[last], number, ops.thread, what, "likely")


def lone_call(linked: LinkedTrace, ops: OpSequence, decodes: Intervals) -> Calls | None:
    """The only call of a denoiser in the trace, from its embedding of a time step to the only decode."""
    if len(decodes.start) != 1 or is_training(linked):
        return None
    weight = _counted(linked, ops, ATTENTION) * _CONVOLUTIONS + _counted(linked, ops, _CONVOLUTION)
    first = _of_networks(linked, ops, *_of_stages(_embeddings(linked, ops), weight))
    last = int(np.searchsorted(ops.start_ns, decodes.start[0]))
    if len(first) != 1 or first[0] >= last or weight[last] - weight[first[0]] < _CONVOLUTIONS:
        return None
    start, end, number = ops.start_ns[first], ops.end_ns[[last - 1]], np.full(1, -1, np.int64)
    return Calls("period", start, end, number, ops.thread, "the only call that embeds a time step", "likely")


def _embeddings(linked: LinkedTrace, ops: OpSequence) -> tuple[Int64s, Int64s]:
    """Places of the ops with which embeddings of a time step begin.

    First those that make their frequencies, then those whose frequencies the model keeps.
    """
    sine, cosine = (ops.named(linked.trace.names_matching(pattern)) for pattern in (_SINE, _COSINE))
    wave = np.flatnonzero(_followed(sine, cosine) | _followed(cosine, sine))
    if not wave.size:
        return wave, wave
    exponential = _latest(ops.named(linked.trace.names_matching(_EXPONENTIAL)))[wave]
    frequency = _latest(ops.named(linked.trace.names_matching(_FREQUENCIES)))[wave]
    look_up = _latest(ops.named(linked.trace.names_matching(_LOOK_UP)))[wave]
    makes = (wave - exponential <= _NEAR) | (wave - frequency <= _NEXT)
    begin = np.where(wave - exponential <= _NEAR, exponential, frequency)
    is_looked_up = wave - look_up <= _NEAR
    if 2 * int((makes & is_looked_up).sum()) <= int(
        makes.sum()
    ):  # a prompt is looked up before the first step
        is_looked_up[:] = False
    made = np.unique(begin[makes & ~is_looked_up])
    return made, wave[~makes & _feeds_layer(linked, ops, sine, cosine)[wave]]


def _feeds_layer(linked: LinkedTrace, ops: OpSequence, sine: Bools, cosine: Bools) -> Bools:
    """Which ops are a sine and its cosine that are joined at once, and then given to a layer as they are.

    Rotary positions are given to none; what else is known, such as a length in seconds, is joined to itself.
    """
    names = linked.trace.names_matching
    plain, join, layer = (ops.named(names(pattern)) for pattern in (_RESHAPES, _JOIN, _LAYER))
    reached = layer
    for _ in range(_TO_LAYER):
        reached = layer | (plain & _upcoming(reached))
    joined = _upcoming(join & _upcoming(reached))
    return (sine & _upcoming(cosine & joined)) | (cosine & _upcoming(sine & joined))


def _upcoming(marks: Bools) -> Bools:
    """For each place the mark of the next one."""
    following: Bools = np.append(marks[1:], False)
    return following


def _apart(first: Int64s, weight: Int64s) -> Int64s:
    """Embeddings but for those without much of a network since the one before."""
    kept: Int64s = first[np.append(True, np.diff(weight[first]) >= _CONVOLUTIONS)[: len(first)]]
    return kept


def _of_stages(embeddings: tuple[Int64s, Int64s], weight: Int64s) -> tuple[Int64s, Int64s]:
    """The embeddings of the kind that occurs most, with those of the other kind that are of another stage.

    First those that are apart, then all of them.

    Where calls that embed in one way hold embeddings of the other kind as well, these are part of them: most
    gaps between two calls hold one.
    """
    fewer, most = sorted((_apart(found, weight) for found in reversed(embeddings)), key=len)
    every = np.unique(np.concatenate(embeddings))
    # One call has no gaps.
    if len(most) < 2 or not fewer.size or np.median(np.diff(np.searchsorted(fewer, most))) > 0:
        return most, every
    return _apart(np.sort(np.append(most, fewer)), weight), every


def _of_networks(linked: LinkedTrace, ops: OpSequence, first: Int64s, every: Int64s) -> Int64s:
    """The first embedding of each network, where all of its blocks embed the time step by themselves.

    From one block to the next there is little attention, and always the same layers; where the network ends
    there are its last and its first layer, too. If it never ends, there is one network, unless something is
    looked up or made between as a loop over steps does.
    """
    if len(first) < 2 * _BLOCK:  # two networks of two blocks
        return first
    attended = np.diff(_counted(linked, ops, ATTENTION)[first])
    layered = _counted(linked, ops, LAYER)
    layers = np.diff(layered[first])
    usual = int(np.median(layers))
    ends = np.flatnonzero(layers != usual)
    if not ends.size:
        return first[:1] if np.median(attended) <= _BLOCK and not _looped(linked, ops, first) else first
    is_next = (layers[ends] >= usual + _ENDS) & (attended[ends] == np.median(attended))
    sizes = np.diff(np.concatenate(([-1], ends)))
    is_block = bool(np.median(attended) <= _BLOCK) and int(sizes.min()) >= 2  # several blocks a network
    if not is_block or is_next.mean() <= 0.5:  # most
        return first
    # The last layer may embed, too, right before the first block of the next network.
    latest = every[np.searchsorted(every, first[ends + 1]) - 1]
    is_first = layered[latest] - layered[first[ends]] >= _ENDS
    return np.append(first[:1], np.where(is_first, latest, first[ends + 1]))


def _looped(linked: LinkedTrace, ops: OpSequence, first: Int64s) -> bool:
    """Whether between any two places there are ops of a loop over steps, which no block needs."""
    counted = _counted(linked, ops, LOOP)[first]
    return bool((np.diff(counted) > 0).any())


def _followed(first: Bools, second: Bools) -> Bools:
    """Which ops of the first kind are followed soon by one of the second."""
    places = np.append(np.flatnonzero(second), len(first) + _NEAR)
    upcoming = places[np.searchsorted(places, np.arange(len(first)))]
    found: Bools = first & (upcoming - np.arange(len(first)) <= _NEXT)
    return found


def _latest(marks: Bools) -> Int64s:
    """For each place the last mark at or before it; far before the first place where there is none."""
    latest: Int64s = np.maximum.accumulate(np.where(marks, np.arange(len(marks)), -_NEAR - 1))
    return latest


def _counted(linked: LinkedTrace, ops: OpSequence, pattern: re.Pattern[str]) -> Int64s:
    """How many ops before each place have a name that matches."""
    return np.append(0, np.cumsum(ops.named(linked.trace.names_matching(pattern)), dtype=np.int64))


def _with_control(first: Int64s, joins: Int64s, size: int) -> Int64s:
    """Calls without those of ControlNets, whose work the next call takes over."""
    edges = np.append(first, size)
    joined = np.diff(joins[edges])
    alone = joined <= _OWN_JOINS
    runs = np.diff(np.flatnonzero(np.concatenate(([True], ~alone, [True])))) - 1
    if alone.all() or alone[-1] or runs.max() > _MOST_CONTROLS:  # more are the steps of another denoiser
        return first
    kept: Int64s = first[np.append(True, ~alone[:-1])]
    return kept
