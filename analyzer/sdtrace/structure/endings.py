"""Which image decodes end an image: not those of previews, nor of a first pass that is encoded again."""

from __future__ import annotations

from typing import Final, NamedTuple

import numpy as np

from sdtrace.intervals import Bools, Int64s, Intervals, contains_any

_RARE: Final = 2
"""Previews are at least twice as many as prompts."""
_PASSES: Final = 2
"""Equal passes over encoded images, one after the other, that are images of their own."""
_LARGER: Final = 1.5
"""Times the work of a call before that a call does at least once the image is larger."""


class Between(NamedTuple):
    """Sorted instants (int64 nanoseconds) of what may lie between a decode and the next call of a denoiser.

    Prompts and images were encoded, noise was drawn, and something ran that ran before the first call.
    `is_lone` says that nothing of the kind ran again. `of_call` is the usual work of a call before each
    decode, 0 where there is none.
    """

    texts_ns: Int64s
    encodes_ns: Int64s
    noise_ns: Int64s
    openings_ns: Int64s
    is_lone: bool
    of_call: Int64s


class Ends(NamedTuple):
    """Which decodes end an image; False for `is_sure` where two images may as well be one in two passes."""

    found: Bools
    is_sure: bool


def ends_of_images(decodes: Intervals, calls_ns: Int64s, between: Between) -> Ends:
    """Which of the decodes, given in order, end an image; the last one always does.

    `calls_ns` are the starts of denoiser calls, sorted.
    """
    begin, until = decodes.end[:-1], _upcoming(calls_ns, decodes.end[:-1], decodes.start[1:])
    result = np.ones(len(decodes.start), np.bool_)
    if not begin.size or not calls_ns.size:
        return Ends(result, True)
    texts, encodes, noise, openings, is_lone, of_call = between
    has_text, has_noise = contains_any(texts, begin, until), contains_any(noise, begin, until)
    has_image, is_opened = contains_any(encodes, begin, until), contains_any(openings, begin, until)
    counts = np.diff(np.searchsorted(calls_ns, np.append(np.iinfo(np.int64).min, decodes.start)))
    follows = has_image & ~has_text & (not _begins_with(calls_ns, encodes))
    is_second = _second_passes(follows, counts, of_call)
    result[:-1] &= ~is_second
    is_sure = int(follows.sum()) != 1 or bool(is_second.any())
    is_every_call = bool(np.all(counts[1:] <= 1))
    is_begun = has_text | has_image
    if 0 < is_opened.sum() < len(is_opened) or (is_lone and not is_every_call):
        result[:-1] &= is_begun | is_opened
    elif is_every_call and 0 < _RARE * has_text.sum() <= len(has_text):
        result[:-1] &= is_begun
    elif has_noise.any():
        result[:-1] &= is_begun | has_noise
    elif is_every_call and len(begin) > 1 and _begins_with(calls_ns, noise):
        result[:-1] = False  # of one preview it could not be told whether it is an image of one step
    return Ends(result, is_sure)


def _second_passes(follows: Bools, counts: Int64s, of_call: Int64s) -> Bools:
    """Which gaps between decodes lie within an image: what was decoded is encoded again, without a prompt.

    `follows` marks gaps with such an encode, `counts` are the calls before each decode. Images that are fed
    back to make the next one are encoded again and again, or all of their passes are equal; a second pass is
    the only one of its image, or passes over it differ, in the number of calls or in their size.
    """
    edges = np.flatnonzero(np.diff(np.concatenate(([False], follows, [False])).astype(np.int8)))
    opens, closes = edges[::2], edges[1::2]
    is_second = follows.copy()
    for first, last in zip(opens.tolist(), closes.tolist(), strict=True):
        passes = counts[first + 1 : last + 1]
        is_lone = len(opens) == 1 and len(passes) == 1
        grows = bool((of_call[first + 1 : last + 1] >= _LARGER * of_call[first:last]).all())
        is_even = bool((passes == passes[0]).all()) and not grows
        if is_even and (len(passes) >= _PASSES or (is_lone and counts[first] == passes[0])):
            is_second[first:last] = False
    return is_second


def _begins_with(calls_ns: Int64s, points: Int64s) -> bool:
    """Whether one of the sorted points precedes the first call."""
    return bool((points[:1] < calls_ns[0]).any())


def _upcoming(points: Int64s, after: Int64s, limit: Int64s) -> Int64s:
    """For each instant the next of the sorted points, or its limit."""
    following = np.append(points, np.iinfo(np.int64).max)[np.searchsorted(points, after)]
    upcoming: Int64s = np.minimum(following, limit)
    return upcoming
