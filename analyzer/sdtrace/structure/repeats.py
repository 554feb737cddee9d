"""Repetition in a sequence of names, for traces in which nothing marks iterations or steps."""

from __future__ import annotations

from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from sdtrace.intervals import Int64s

_WINDOW: Final = 8
_MAX_REPEATS: Final = 2000
_UNEVEN: Final = 1.5
"""How much longer or shorter than the median one repeat may be."""
_MIN_COVER: Final = 0.7
_MIN_SCORE: Final = 0.004
_MIN_AGREEMENT: Final = 0.75
_SAME: Final = 0.9
"""Share of names in which a last repeat equals the one before it."""
_COARSE_SCORE: Final = 0.01
"""Share of the sequence that must occur once per longer repeat for shorter ones to be its parts."""
_PART_DIFFERS: Final = 0.1
_PART_AGREES: Final = 0.05
"""By how much of the median one spacing of parts differs from another, or may still differ."""


class Repeats(NamedTuple):
    """Where each repeat begins in the sequence, in order; `length` is the median of their lengths.

    `agreement` is the share of names in which a repeat equals the one before it, place by place.
    """

    first: Int64s
    length: int
    agreement: float


def find_repeats(names: NDArray[np.int32], at_least: int = 2) -> Repeats | None:
    """The repetition that most windows of 8 names witness; None when there is none worth the name.

    A window that occurs exactly k times, evenly spaced over most of the sequence, witnesses k
    repeats. Windows of what repeats within a repeat (layers of a model) occur oftener and unevenly.
    """
    if len(names) < at_least * _WINDOW:
        return None
    hashes = _hashes(names)
    order = np.argsort(hashes, kind="stable")
    first = np.flatnonzero(np.append(True, np.diff(hashes[order]) != 0))
    counts = np.diff(np.append(first, len(order)))
    found = []
    for count in np.unique(counts[(counts >= at_least) & (counts <= _MAX_REPEATS)]).tolist():
        positions = order[first[counts == count][:, None] + np.arange(count)]
        witnesses = positions[_are_even(positions, len(names))]
        score = witnesses.size / len(names)
        if score >= _MIN_SCORE:
            found.append((score, witnesses[witnesses[:, 0].argmin()]))
    if not found:
        return None
    best = _outermost(found)
    measured = _measured(names, _with_last(names, best - common_lead(names, best)))
    return measured if measured.agreement >= _MIN_AGREEMENT else None


def _outermost(found: list[tuple[float, Int64s]]) -> Int64s:
    """The repeats that most windows witness, or longer ones of which these are the parts."""
    _, best = max(found, key=lambda item: item[0])
    for score, coarse in sorted(found, key=lambda item: -len(item[1])):
        if score >= _COARSE_SCORE and 2 * len(coarse) <= len(best) and _are_parts(best, coarse):
            best = coarse
    return best


def _are_parts(fine: Int64s, coarse: Int64s) -> bool:
    """Whether the spacing of `fine` differs within a repeat of `coarse`, and in each in the same way."""
    parts = round(float(np.median(np.diff(coarse))) / float(np.mean(np.diff(fine))))
    spacing = np.diff(fine) / float(np.median(np.diff(fine)))
    if parts < 2 or len(spacing) <= parts:  # one part is the whole
        return False
    same = np.abs(spacing[parts:] - spacing[:-parts]) <= _PART_AGREES
    differing = int(np.count_nonzero(np.abs(spacing - 1) > _PART_DIFFERS))
    return bool(np.mean(same) >= _MIN_AGREEMENT and differing * parts >= len(spacing) - parts)


def _hashes(names: NDArray[np.int32]) -> Int64s:
    """A number per window of `_WINDOW` names, equal where the windows are; wraps around on purpose."""
    random = np.random.default_rng(0)
    values = random.integers(1, 1 << 62, int(names.max()) + 1)[names]
    weights = random.integers(1, 1 << 62, _WINDOW) | 1
    size = len(names) - _WINDOW + 1
    total = np.zeros(size, np.int64)
    for place, weight in enumerate(weights):
        total += values[place : place + size] * weight
    return total


def _are_even(positions: Int64s, size: int) -> NDArray[np.bool_]:
    """Which rows of positions are evenly spaced and span most of a sequence of `size`."""
    spacing = np.diff(positions, axis=1)
    middle = np.median(spacing, axis=1)
    count = positions.shape[1]
    covered = (positions[:, -1] - positions[:, 0]) * count / (count - 1)
    even: NDArray[np.bool_] = (
        (spacing.max(axis=1) <= _UNEVEN * middle)
        & (spacing.min(axis=1) * _UNEVEN >= middle)
        & (covered >= _MIN_COVER * size)
    )
    return even


def common_lead(names: NDArray[np.int32], first: Int64s) -> int:
    """How many names before each of `first` are the same for all."""
    room = int(min(first[0], np.diff(first).min()))
    before = names[first[:, None] - np.arange(1, room + 1)]
    differs = np.flatnonzero((before != before[0]).any(axis=0))
    return int(differs[0]) if differs.size else room


def _with_last(names: NDArray[np.int32], first: Int64s) -> Int64s:
    """With the repeats after the last one: a window that reaches into the next repeat misses the last."""
    length = int(np.median(np.diff(first)))
    pattern = names[first[-1] : first[-1] + length]
    begin = int(first[-1]) + length
    more = []
    while begin + length <= len(names) and np.mean(names[begin : begin + length] == pattern) >= _SAME:
        more.append(begin)
        begin += length
    return np.append(first, np.array(more, np.int64))


def _measured(names: NDArray[np.int32], first: Int64s) -> Repeats:
    length = int(np.median(np.diff(first)))
    shares = []
    for begin, follow in zip(first[:-1].tolist(), first[1:].tolist(), strict=True):
        size = min(follow - begin, len(names) - follow)
        shares.append(float(np.mean(names[begin : begin + size] == names[follow : follow + size])))
    return Repeats(first, length, float(np.median(shares)))
