"""What a change brings: the replay of the changed plan against the plan as it is."""

from __future__ import annotations

from collections.abc import Collection
from typing import Final, Literal, NamedTuple

from sdtrace.whatif.changes import Change, Outlook, batched
from sdtrace.whatif.image import SURE, Image
from sdtrace.whatif.replay import replay

Basis = Literal["replay", "roofline", "bound"]
_ENDS: Final[tuple[Outlook, Outlook]] = ("best", "worst")


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
    work_ns: int = 0
    """Device work that it takes away; the rest of what it saves is time in which the device waits."""


def per_image(image: Image, count: int) -> Saving:
    """What one of `count` images takes in a batch of them: its share of the batch's time."""
    whole = saving(image, batched(count), "bound", longer=True)
    low, middle, high = (round(each / count) for each in (whole.low_ns, whole.to_ns, whole.high_ns))
    return whole._replace(to_ns=middle, low_ns=low, high_ns=high)


def saving(
    image: Image, change: Change, basis: Basis, *, longer: bool = False, left: Collection[Outlook] = ()
) -> Saving:
    """What an image takes before and after a change, which only with `longer` may slow it down.

    A change takes away what the host does. A recorded wall tells the pace of all of that, and may not hold
    for what is left: at the outlooks in `left` it may run at the pace that the trace's clocks tell.
    """
    changed = change(image.usual, "middle")
    walls = [
        replay(change(image.fast, "best")),
        max(replay(changed, alone=image.alone), image.least_ns(changed)),
        replay(change(image.slow, "worst"), alone=image.alone),
    ]
    for plan, outlook in zip(image.clocked, _ENDS, strict=True):
        if outlook in left:
            walls.append(replay(change(plan, outlook), alone=image.alone))
    work = max(0, int(image.usual.pieces.dur_ns.sum() - changed.pieces.dur_ns.sum()))
    low, high = round(min(walls) * (1 - SURE)), round(max(walls) * (1 + SURE))
    middle = walls[1] if longer else min(walls[1], image.wall.mid_ns)
    return Saving(image.wall.mid_ns, middle, min(low, middle), max(high, middle), basis, work_ns=work)
