"""The device's copies of user annotations: from the first to the last kernel under each, per stream."""

from __future__ import annotations

from typing import Final

from sdtrace.attribution.nesting import Int64s
from sdtrace.trace import Trace

RANGES: Final = frozenset({"gpu_user_annotation"})


def range_bounds(trace: Trace, rows: Int64s) -> tuple[Int64s, Int64s]:
    """Start and duration of ranges in nanoseconds, as torch has them: Kineto writes `ts - 1`, `dur + 2`.

    The duration of a range shorter than that in the file is negative.
    """
    return trace.start_ns[rows] + 1, trace.dur_ns[rows] - 2
