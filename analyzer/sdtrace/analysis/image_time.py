"""How long a steady iteration takes, and how much of it the GPU works: the figures of every headline.

They are without the profiler wherever that is known or can be estimated. The profiler slows the CPU and
leaves the GPU alone, so the GPU's work is as profiled and its share is of the time without the profiler.
"""

from __future__ import annotations

from statistics import median
from typing import Literal, NamedTuple

from sdtrace import units
from sdtrace.model import TraceReport
from sdtrace.phases.timeline import STEADY


class ImageTime(NamedTuple):
    """A steady iteration in microseconds; `low_us` and `high_us` are None where no range is known."""

    us: float
    low_us: float | None
    high_us: float | None
    how: Literal["measured", "estimate", "as profiled"]

    @property
    def told(self) -> str:
        """The time in words: `33.6 ms`, of an estimate `about 561 ms`."""
        about = "about " if self.how == "estimate" else ""
        return f"{about}{units.duration(self.us)}"

    @property
    def ends(self) -> str:
        """`33.0 to 36.7 ms`; '' where no range is known."""
        if self.low_us is None or self.high_us is None:
            return ""
        return units.span(self.low_us, self.high_us)


def image_time(trace: TraceReport) -> ImageTime | None:
    """A steady iteration without the profiler, else with it; None where neither is known."""
    bare = trace.unprofiled
    if bare is not None:
        how: Literal["measured", "estimate"] = "measured" if bare.source == "recorded" else "estimate"
        return ImageTime(bare.mid_us, bare.low_us, bare.high_us, how)
    if trace.unprofiled_wall_us is not None:
        return ImageTime(trace.unprofiled_wall_us, None, None, "measured")
    steady = trace.steady
    if steady is None:
        return None
    if steady.iterations == 1:
        return ImageTime(steady.usual_us, None, None, "as profiled")
    return ImageTime(steady.usual_us, steady.min_us, steady.max_us, "as profiled")


def gpu_works_us(trace: TraceReport) -> float | None:
    """How long a GPU works in the median steady iteration, at most all of it; None without a GPU or one.

    Of several GPUs: how long at least one does.
    """
    busy = [row.any_busy_us for row in trace.iterations if row.phase == STEADY and row.is_whole]
    whole = image_time(trace)
    if not busy or whole is None or not trace.has_device:
        return None
    return min(median(busy), whole.us)
