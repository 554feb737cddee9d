"""Which image decodes end an image: not those of previews, nor of a first pass that is encoded again."""

from __future__ import annotations

from typing import Final

import numpy as np

from sdtrace.intervals import Bools, Int64s, Intervals, contains_any

_RARE: Final = 2
"""Previews are at least twice as many as prompts."""


def ends_of_images(
    decodes: Intervals, calls_ns: Int64s, texts_ns: Int64s, encodes_ns: Int64s, noise_ns: Int64s
) -> Bools:
    """Which of the decodes, given in order, end an image; the last one always does.

    `calls_ns` are the starts of denoiser calls, the others instants at which prompts and images were
    encoded and noise was drawn; all sorted. What counts is what lies between a decode and the next call.
    """
    begin, until = decodes.end[:-1], _upcoming(calls_ns, decodes.end[:-1], decodes.start[1:])
    result = np.ones(len(decodes.start), np.bool_)
    if not begin.size or not calls_ns.size:
        return result
    has_text, has_noise = contains_any(texts_ns, begin, until), contains_any(noise_ns, begin, until)
    if not _begins_with(calls_ns, encodes_ns):
        # Encoded again, where the first image was not and no prompt is: a second pass of the same image.
        result[:-1] &= has_text | ~contains_any(encodes_ns, begin, until)
    is_every_call = bool(np.all(np.diff(np.searchsorted(calls_ns, decodes.start)) <= 1))
    if is_every_call and 0 < _RARE * has_text.sum() <= len(has_text):
        result[:-1] &= has_text
    elif has_noise.any():
        result[:-1] &= has_text | has_noise
    elif is_every_call and len(begin) > 1 and _begins_with(calls_ns, noise_ns):
        result[:-1] = False  # of one preview it could not be told whether it is an image of one step
    return result


def _begins_with(calls_ns: Int64s, points: Int64s) -> bool:
    """Whether one of the sorted points precedes the first call."""
    return bool((points[:1] < calls_ns[0]).any())


def _upcoming(points: Int64s, after: Int64s, limit: Int64s) -> Int64s:
    """For each instant the next of the sorted points, or its limit."""
    following = np.append(points, np.iinfo(np.int64).max)[np.searchsorted(points, after)]
    upcoming: Int64s = np.minimum(following, limit)
    return upcoming
