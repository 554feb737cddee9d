"""What a change brings, in words: one wording for terminal, pages, JSON texts and assistants."""

from __future__ import annotations

from typing import Final

from sdtrace import units
from sdtrace.model import Saving

_NO_GAIN: Final = "no gain on its own"
_LEAST: Final = 0.005
"""Of an iteration: what a change brings after others is not told where it is less."""


def gains(saving: Saving) -> bool:
    """Whether the change alone makes an iteration shorter, by as much as three digits show."""
    return saving.to_us < saving.from_us and _told(saving.to_us) != _told(saving.from_us)


def before_and_after(saving: Saving) -> str:
    """`227 ms → 80.4 ms`; of a change that alone brings nothing `no gain on its own`.

    Both are without the profiler.
    """
    if not gains(saving):
        return f"{_NO_GAIN}{_later(saving)}"
    return f"{_told(saving.from_us)} → {_told(saving.to_us)}"


def likely_range(saving: Saving) -> str:
    """The range of the time after the change: `67.5 to 90.5 ms`.

    A change that is replayed takes host or GPU time away and adds none. So an end of the range above today's
    time says only that today's time is not known well enough to be sure of a gain, and it is told as that:
    `222 ms at best, no gain at worst`. `report.json` has both ends.
    """
    low, high = _told(saving.low_us), _told(saving.high_us)
    if saving.high_us >= saving.from_us or high == _told(saving.from_us):
        return f"{low} at best, no gain at worst"
    return units.span(saving.low_us, saving.high_us)


def promised(saving: Saving) -> str:
    """Before, after and the range: `227 ms → 80.4 ms (67.5 to 90.5 ms)`."""
    told = before_and_after(saving)
    return f"{told} ({likely_range(saving)})" if gains(saving) else told


def _later(saving: Saving) -> str:
    """What it brings after the changes before it, where that is something."""
    is_more = saving.step_us > 0 and saving.step_us >= _LEAST * saving.from_us
    return f"; saves {_told(saving.step_us)} after the fixes above" if is_more else ""


def _told(us: float) -> str:
    return units.duration(us)
