"""What a file holds, and what it lost or has wrong: records of `report.json`."""

from __future__ import annotations

from sdtrace.model.struct import Struct


class Events(Struct, kw_only=True, frozen=True):
    """How many events the file holds and what could not be used."""

    total: int
    by_category: dict[str, int]
    skipped: int
    """Events that could not be decoded; counted, never silently dropped."""
    quarantined: int
    """Events whose duration is impossible; left out of every sum and named in a finding."""
    salvaged: bool
    """True when the file ends in the middle and was read up to its last whole event."""


class Lost(Struct, kw_only=True, frozen=True):
    """What the file lost or has wrong; all 0 in a sound trace."""

    launches_without_work: int
    """Calls that launch a kernel, a graph or a copy whose work is not in the file."""
    work_before_launch: int
    """Pieces of device work that begin more than 1 us before their own launch."""
    clock_shift_us: float
    """By how much device events were moved later, where the device's clock was off by a constant; negative
    where they were moved earlier."""
    overlapping_work: int
    """Pieces that begin while earlier work of their stream still runs."""
    foreign_events: int
    """Events with a duration of a kind that is not analysed."""
    empty_iterations: int
    """Iterations without device work between ones that have some."""
    work_without_launch: int = 0
    """Pieces of device work whose launch is not in the file; not those launched before the profile began."""
    work_after_wait: int = 0
    """Pieces of device work that end more than 1 us after a call that waited for them returned."""
    clock_error_us: float = 0.0
    """The most that device work is too early or too late, as its launch and the waits for it show."""
    earlier_work_us: float = 0.0
    """How long devices ran work from before the profile, which is not in the file."""

    @property
    def is_sound(self) -> bool:
        """Whether conclusions about the device rest on whole data."""
        broken = self.launches_without_work + self.work_without_launch + self.overlapping_work
        return not (broken or self.work_before_launch or self.work_after_wait or self.empty_iterations)
