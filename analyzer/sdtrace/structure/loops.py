"""Annotations of a loop over iterations, such as an epoch over its batches: they are no iterations."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Final

import numpy as np

from sdtrace.structure.candidates import Candidate, places_in
from sdtrace.structure.work import Work

_LOOP: Final = re.compile(
    r"epoch|(?<![a-z])(?:fold|trial|experiment|round|sweep|loop|bench(?:mark)?|session)s?(?![a-z])",
    re.IGNORECASE,
)
"""What people call a loop."""
_OUTER: Final = re.compile(
    r"epoch|(?<![a-z])(?:fold|trial|experiment|sweep|session)s?(?![a-z])", re.IGNORECASE
)
"""Loops that nothing but another loop holds several of."""
_TURN: Final = re.compile(
    r"(?<![a-z])(?:iter(?:ation)?|(?:train(?:ing)?|eval|val|test)?_?step|(?:mini|micro)?_?batch)(?![a-z])",
    re.IGNORECASE,
)
"""What people call a turn of one."""
_ITEM: Final = re.compile(
    r"(?<![a-z])(?:request|prompt|query|image|img|video|clip|frame|sample|generat(?:e|ion)|infer(?:ence)?|run|call"
    r"|predict(?:ion)?)(?![a-z])",
    re.IGNORECASE,
)
"""What is made in one."""
_IMAGES: Final = ("marked_image", "decoded_image")
_REPEATS: Final = ("compiled_calls", "graph_launches", "period")
_MOST: Final = 0.7
"""Share of the work of a loop that its iterations do, at least."""


def loops(candidates: Sequence[Candidate], work: Work) -> list[bool]:
    """Which candidates are annotations of loops: each span holds several spans of another candidate.

    What holds several epochs, or loops like them, is a loop whatever its name.
    """
    found = [any(_is_loop(outer, inner, work) for inner in candidates) for outer in candidates]
    inner_loops = [
        one for one, is_one in zip(candidates, found, strict=True) if is_one and _OUTER.search(_words(one))
    ]
    return [
        is_one or any(_may_loop(outer, inner, work) for inner in inner_loops)
        for outer, is_one in zip(candidates, found, strict=True)
    ]


def may_be_loop(outer: Candidate, candidates: Sequence[Candidate], work: Work) -> bool:
    """Whether spans hold several of others each, of which nothing says that they are but a part of it.

    That is, another annotation or repeats where no name says what it is, or training steps in a step of the
    profiler.
    """
    return any(
        inner.kind in ("annotation", "training_step", "period")
        and (inner.kind == "training_step" or not _names_item(outer))
        and _may_loop(outer, inner, work)
        for inner in candidates
    )


def _names_item(candidate: Candidate) -> bool:
    words = _words(candidate)
    return candidate.kind != "annotation" or bool(_TURN.search(words) or _ITEM.search(words))


def _is_loop(outer: Candidate, inner: Candidate, work: Work) -> bool:
    return outer.kind != "profiler_step" and _may_loop(outer, inner, work) and _says_loop(outer, inner)


def _may_loop(outer: Candidate, inner: Candidate, work: Work) -> bool:
    """Whether spans that somebody marked hold several of `inner` each, which do most of their work."""
    if outer is inner or outer.kind not in ("annotation", "annotation_cycle", "profiler_step"):
        return False
    place = places_in(inner, outer)
    held = np.bincount(place[place >= 0], minlength=len(outer))
    if 2 * int(held.sum()) <= len(inner) or np.median(held) < 2:  # several
        return False
    spent, of_outer = (int(work.between(one.start_ns, one.end_ns).sum()) for one in (inner, outer))
    return inner.kind == "training_step" or spent >= _MOST * of_outer


def _says_loop(outer: Candidate, inner: Candidate) -> bool:
    """Whether the names, or an optimizer that steps in it several times, make `outer` a loop over `inner`."""
    is_loop = bool(_LOOP.search(_words(outer)))
    is_turn = not is_loop and bool(_TURN.search(_words(outer)))
    if inner.kind == "training_step":
        return not is_turn
    if inner.kind == "annotation":
        names_turn = bool(_TURN.search(_words(inner)) or _ITEM.search(_words(inner)))
        return is_loop or (names_turn and not is_turn and not _ITEM.search(_words(outer)))
    if inner.kind in _REPEATS and _OUTER.search(_words(outer)):
        return True
    return is_loop and inner.kind in _IMAGES


def _words(candidate: Candidate) -> str:
    return ", ".join(candidate.marks)
