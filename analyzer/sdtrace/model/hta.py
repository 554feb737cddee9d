"""What HolisticTraceAnalysis says, beside ours: records of `report.json`."""

from __future__ import annotations

from sdtrace.model.struct import Struct


class HtaMeasure(Struct, kw_only=True, frozen=True):
    """What HTA (HolisticTraceAnalysis) and sdtrace both measure: a time, or a number of something."""

    measure: str
    ours_us: float | None
    """None, as `hta_us` and `difference_us`, where the measure is a number."""
    hta_us: float | None
    difference_us: float | None
    """HTA's less ours."""
    ours_count: int | None
    hta_count: int | None
    reason: str
    """Why they differ, or why they do not."""


class HtaResult(Struct, kw_only=True, frozen=True):
    """A figure of one of HTA's analyses; without figures, `note` says what the trace lacks for it."""

    item: str
    """What the figures are of: a kernel, a stream, a cause."""
    analysis: str
    """As `sdtrace hta --only` names it."""
    total_us: float | None = None
    pct: float | None = None
    """Percent of what the analysis divides by."""
    count: int | None = None
    note: str = ""
