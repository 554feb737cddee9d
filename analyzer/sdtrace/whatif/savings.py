"""What a change brings: the replay of the changed plan against the plan as it is."""

from __future__ import annotations

from typing import Literal, NamedTuple

from sdtrace.whatif.changes import Change
from sdtrace.whatif.image import Image
from sdtrace.whatif.replay import replay

Basis = Literal["replay", "roofline", "bound"]


class Saving(NamedTuple):
    """An iteration without the profiler before and after a change, in nanoseconds.

    `low_ns` to `high_ns` is the range of `to_ns`. `basis` says where it comes from: `replay` of a change
    that leaves every kernel as it is, `roofline` of the card, or `bound`, where a library decides what
    replaces the kernels and the range is as wide as it was measured to be.
    """

    from_ns: int
    to_ns: int
    low_ns: int
    high_ns: int
    basis: Basis
    step_ns: int = 0
    """What it brings after changes made before it."""


def saving(image: Image, change: Change, basis: Basis) -> Saving:
    """What an image takes before and after a change."""
    walls = (
        replay(change(image.fast, "best")),
        replay(change(image.usual, "middle")),
        replay(change(image.slow, "worst")),
    )
    low, high = min(walls), max(walls)
    middle = min(walls[1], image.wall.mid_ns)
    return Saving(image.wall.mid_ns, middle, min(low, middle), max(high, middle), basis)
