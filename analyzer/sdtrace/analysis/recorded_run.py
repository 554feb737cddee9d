"""What the collector wrote about the run, checked: a trace may hold anything under that key."""

from __future__ import annotations

from collections.abc import Mapping
from statistics import median
from typing import Any, NamedTuple


class RecordedRun(NamedTuple):
    """Times in integer nanoseconds; None and empty where the trace does not tell."""

    variant: str | None
    unprofiled_wall_ns: int | None
    """Median wall of a steady iteration without the profiler."""
    unprofiled_walls_ns: list[int]
    """All of them."""
    warmup_wall_ns: list[int]
    """Walls of the iterations before the profiler started, the first of which may hold compilation."""


def recorded_run(run: Mapping[str, Any]) -> RecordedRun:
    """The facts needed here, from metadata of schema `sdtrace.run/1`."""
    variant = run.get("variant")
    unprofiled = _walls(run.get("unprofiled_wall_s"))
    return RecordedRun(
        variant if isinstance(variant, str) else None,
        round(median(unprofiled)) if unprofiled else None,
        unprofiled,
        _walls(run.get("warmup_wall_s")),
    )


def _walls(seconds: object) -> list[int]:
    if not isinstance(seconds, list):
        return []
    return [round(value * 1e9) for value in seconds if isinstance(value, int | float) and 0 < value < 1e6]
