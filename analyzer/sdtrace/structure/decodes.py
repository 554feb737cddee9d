"""Image decoders that nothing names, by their ops: a run of upsampling without attention between."""

from __future__ import annotations

import re
from typing import Final

import numpy as np

from sdtrace.attribution.event_selection import COMPILED_REGION
from sdtrace.attribution.linked_trace import LinkedTrace
from sdtrace.intervals import Bools, Int64s, Intervals, nothing
from sdtrace.structure.candidates import OpSequence

ATTENTION: Final = re.compile(
    r"scaled_dot_product|^aten::_?softmax$|attention|flash_attn|^xformers::|^sageattn", re.IGNORECASE
)
_UPSAMPLING: Final = re.compile(r"^aten::(?:_?upsample_|conv_transpose|pixel_shuffle|interpolate)")
_TIME_STEP: Final = frozenset({"aten::sin", "aten::cos"})
_JOIN: Final = re.compile(r"^aten::cat$")
_VIDEO: Final = re.compile(r"^aten::conv3d$")
_CONVOLUTION: Final = re.compile(r"^aten::conv[23]d$")
_ANY_CONVOLUTION: Final = re.compile(r"^aten::(?:\w*convolution\w*|conv\w+)$")
_WITH_CONVOLUTION: Final = re.compile(r"^aten::(?:conv_transpose|pixel_shuffle)")
_SOON: Final = 4
"""Ops from an upsampling on; images are resized without a convolution."""
_ENCODER: Final = 8
"""Convolutions beyond those that end a decoder which make the ops before a denoiser an image encoder."""
_DECODER: Final = 2
"""Upsampling ops in a row: a decoder has three, a denoiser at most one between its attentions."""
_SMALL_DECODER: Final = 48
_AROUND: Final = 3
"""Convolutions before the only upsampling of a small decoder, and within so many ops after it."""
_DENOISER: Final = 5
"""Attentions that make the ops between two decoders a denoiser; a decoder itself has one or two."""


def decode_stages(linked: LinkedTrace, ops: OpSequence) -> Intervals:
    """When the host ran image decoders, tiles and chunks of one batch being one stage.

    A stage begins after the last attention before its upsampling. Only stages before which a denoiser
    ran, be it ops or compiled code, count. Upsamplings without a convolution between are one: a residual
    block that enlarges its input and what it adds to it, as some denoisers have. Where a UNet upsamples, it
    joins tensors before it does so again; after a decoder the mask of the next image may be resized and
    joined.
    """
    if not len(ops):
        return nothing()
    weight = _weight(linked, ops)
    upsampling = np.flatnonzero(_upsamples(linked, ops))
    convolved = np.cumsum(ops.named(linked.trace.names_matching(_ANY_CONVOLUTION)))[upsampling]
    upsampling = upsampling[np.append(True, np.diff(convolved) > 0)[: len(upsampling)]]
    if not upsampling.size:
        return nothing()
    attended = np.append(True, np.diff(np.cumsum(weight)[upsampling]) > 0)
    joined = _joined(linked, ops, upsampling)
    opens = np.flatnonzero(attended | joined)
    size = np.diff(np.append(opens, len(upsampling)))
    first, last = upsampling[opens], upsampling[opens + size - 1]
    is_alone = attended[opens] & np.append(attended, True)[opens + size]
    is_small = is_alone & _is_small_decoder(linked, ops, last)
    kept = (size >= _DECODER) | is_small
    return _merged(ops, np.cumsum(weight), first[kept], last[kept])


def image_encodes(linked: LinkedTrace, ops: OpSequence, decodes: Intervals, calls_ns: Int64s) -> Int64s:
    """When image encoders ended: convolutions before the first denoiser call, or after a decode.

    `calls_ns` are the starts of denoiser calls. A decoder has some convolutions after its last upsampling;
    what exceeds the fewest of these before the next call is an encoder's.
    """
    if not decodes.start.size or not calls_ns.size:
        return np.zeros(0, np.int64)
    at = ops.start_ns[ops.named(linked.trace.names_matching(_CONVOLUTION))]
    limit = np.append(decodes.start[1:], np.iinfo(np.int64).max)
    following = np.append(calls_ns, np.iinfo(np.int64).max)[np.searchsorted(calls_ns, decodes.end)]
    until = np.append(calls_ns[0], np.minimum(following, limit))
    place = np.searchsorted(at, until)
    count = place - np.append(0, np.searchsorted(at, decodes.end))
    count[1:] -= count[1:].min()
    found: Int64s = at[place[count >= _ENCODER] - 1]
    return found


def looks_like_denoiser(names: set[str]) -> bool:
    """Whether ops of these names make a denoiser: attention, and the sine and cosine of a time step."""
    return names >= _TIME_STEP and any(ATTENTION.search(name) for name in names)


def denoising(linked: LinkedTrace, ops: OpSequence, start_ns: int) -> bool:
    """Whether compiled code or more attentions than a decoder's run at or after `start_ns`."""
    after = ops.between(start_ns, np.iinfo(np.int64).max)
    weight = _weight(linked, ops)[after]
    return bool(weight.sum() >= _DENOISER)


def denoising_starts(linked: LinkedTrace, ops: OpSequence) -> Int64s:
    """When attentions and compiled code start, in order."""
    return ops.start_ns[_weight(linked, ops) > 0]


def _upsamples(linked: LinkedTrace, ops: OpSequence) -> Bools:
    """Which ops upsample within a model: a convolution soon follows them, or they hold one."""
    names = linked.trace.names_matching
    before = np.append(0, np.cumsum(ops.named(names(_ANY_CONVOLUTION))))
    place = np.arange(len(ops))
    found: Bools = before[np.minimum(place + _SOON, len(ops))] > before[place]
    return ops.named(names(_UPSAMPLING)) & (found | ops.named(names(_WITH_CONVOLUTION)))


def _weight(linked: LinkedTrace, ops: OpSequence) -> Int64s:
    is_attention = ops.named(linked.trace.names_matching(ATTENTION))
    is_compiled = ops.named(linked.trace.names_matching(COMPILED_REGION))
    weight: Int64s = is_attention + np.int64(_DENOISER) * is_compiled
    return weight


def _joined(linked: LinkedTrace, ops: OpSequence, upsampling: Int64s) -> Bools:
    """Before which upsamplings tensors were joined since the one before, but in videos (conv3d)."""
    names = linked.trace.names_matching
    joins, video = (np.append(0, np.cumsum(ops.named(names(pattern)))) for pattern in (_JOIN, _VIDEO))
    found: Bools = (np.diff(joins[upsampling]) > 0) & (np.diff(video[upsampling]) == 0)
    return np.append(False, found)


def _is_small_decoder(linked: LinkedTrace, ops: OpSequence, upsampling: Int64s) -> Bools:
    """Whether convolutions precede an upsampling, after any attention, and follow it, before any join."""
    names = linked.trace.names_matching
    convolved = np.append(0, np.cumsum(ops.named(names(_ANY_CONVOLUTION))))
    attention = np.append(0, np.flatnonzero(_weight(linked, ops)))
    joins = np.append(np.flatnonzero(ops.named(names(_JOIN))), len(ops))
    since = attention[np.searchsorted(attention, upsampling) - 1]
    until = np.minimum(joins[np.searchsorted(joins, upsampling)], upsampling + _SMALL_DECODER)
    before = convolved[upsampling] - convolved[since]
    after = convolved[np.minimum(until, len(ops))] - convolved[upsampling]
    is_next = convolved[np.minimum(upsampling + 2, len(ops))] > convolved[upsampling]
    found: Bools = is_next & (np.minimum(before, after) >= _AROUND)
    return found


def _merged(ops: OpSequence, weight: Int64s, first: Int64s, last: Int64s) -> Intervals:
    """Stages (first and last op) as spans; those without a denoiser between are one."""
    if not first.size:
        return nothing()
    since = weight[first] - np.append(0, weight[last[:-1]])
    # A profile may begin between the denoiser and its decoder.
    since[0] = max(int(since[0]), _DENOISER * (since[1:] >= _DENOISER).any())
    opens = np.flatnonzero(since >= _DENOISER)
    if not opens.size:
        return nothing()
    closes = np.append(opens[1:], len(first)) - 1
    return Intervals(ops.start_ns[first[opens]], ops.end_ns[last[closes]])
