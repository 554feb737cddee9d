"""What the collector wrote about the run, checked: a trace may hold anything under that key."""

from __future__ import annotations

from collections.abc import Mapping
from statistics import median
from typing import Any, NamedTuple


class RecordedRun(NamedTuple):
    """Times in integer nanoseconds; None and empty where the trace does not tell."""

    variant: str | None
    unprofiled_walls_ns: list[int]
    """Walls of steady iterations without the profiler."""
    warmup_wall_ns: list[int]
    """Walls of the iterations before the profiler started, the first of which may hold compilation."""

    @property
    def unprofiled_wall_ns(self) -> int | None:
        """The median of the walls without the profiler."""
        return round(median(self.unprofiled_walls_ns)) if self.unprofiled_walls_ns else None


def recorded_run(run: Mapping[str, Any]) -> RecordedRun:
    """The facts needed here, from metadata of schema `sdtrace.run/1`."""
    variant = run.get("variant")
    unprofiled = _walls(run.get("unprofiled_wall_s"))
    return RecordedRun(
        variant if isinstance(variant, str) else None,
        unprofiled,
        _walls(run.get("warmup_wall_s")),
    )


def _walls(seconds: object) -> list[int]:
    if not isinstance(seconds, list):
        return []
    return [round(value * 1e9) for value in seconds if isinstance(value, int | float) and 0 < value < 1e6]
