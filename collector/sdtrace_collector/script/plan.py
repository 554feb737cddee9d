"""Which calls are left out, timed without the profiler, and profiled."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Literal

Part = Literal["left out", "timed", "profiled", "after"]
ALL: Final = 1 << 62
"""As many calls as there are."""


@dataclass(frozen=True, slots=True)
class Plan:
    """Calls by their order: left out until warm, then timed bare, then profiled; when cold, profiled first.

    With `try_first` the first call is profiled as well, although it is left out: kept only if no call comes
    that should be profiled. With `repeat` the first call is made again until there are enough.

    >>> [Plan(skip=1, unprofiled=1, profile=1).part_of(number) for number in range(4)]
    ['left out', 'timed', 'profiled', 'after']
    >>> [Plan(skip=0, unprofiled=1, profile=1, cold=True).part_of(number) for number in range(2)]
    ['profiled', 'timed']
    """

    skip: int = 2
    unprofiled: int = 3
    profile: int = 2
    cold: bool = False
    try_first: bool = False
    repeat: bool = False

    def part_of(self, number: int) -> Part:
        """What becomes of a call, counted from 0."""
        parts: list[tuple[Part, int]] = [("timed", self.unprofiled), ("profiled", self.profile)]
        first: list[tuple[Part, int]] = [("left out", self.skip)]
        for part, count in first + (parts[::-1] if self.cold else parts):
            if number < count:
                return part
            number -= count
        return "after"

    @property
    def calls(self) -> int:
        """How many calls it takes."""
        return self.skip + self.unprofiled + self.profile

    def fitting(self, calls: int) -> Plan | None:
        """A plan for so few calls: one left out, the rest shared; None where there is but one."""
        if calls < 2:
            return None
        profile = min(self.profile, max(1, (calls - 1) // 2))
        return Plan(skip=1, unprofiled=calls - 1 - profile, profile=profile)
