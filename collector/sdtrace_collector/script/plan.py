"""Which calls are left out, timed without the profiler, and profiled."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Literal

from sdtrace_collector.before_and_after import before_profile

Part = Literal["left out", "timed", "profiled", "after"]
ALL: Final = 1 << 62
"""As many calls as there are."""


@dataclass(frozen=True, slots=True)
class Plan:
    """Calls by their order: left out until warm, timed, profiled, timed again; when cold, profiled first.

    Half of the `unprofiled` are timed before and half after the profile, all before one without end.
    With `try_first` the first call is profiled as well, although it is left out: kept only if no call comes
    that should be profiled. With `repeat` the first call is made again until there are enough.

    >>> [Plan(skip=1, unprofiled=1, profile=1).part_of(number) for number in range(4)]
    ['left out', 'timed', 'profiled', 'after']
    >>> [Plan(skip=0, unprofiled=3, profile=1).part_of(number) for number in range(4)]
    ['timed', 'timed', 'profiled', 'timed']
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
        before = self.timed_before
        parts: tuple[tuple[Part, int], ...] = (
            ("left out", self.skip),
            ("timed", before),
            ("profiled", self.profile),
            ("timed", self.unprofiled - before),
        )
        for part, count in parts:
            if number < count:
                return part
            number -= count
        return "after"

    @property
    def timed_before(self) -> int:
        """How many calls are timed before the profile."""
        if self.cold:
            return 0
        return self.unprofiled if self.profile >= ALL else before_profile(self.unprofiled)

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
