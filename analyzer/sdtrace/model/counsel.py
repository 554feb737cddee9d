"""The iteration without the profiler, what changes bring, and the verdict: records of `report.json`."""

from __future__ import annotations

from typing import Literal

from sdtrace.model.struct import Struct


class Unprofiled(Struct, kw_only=True, frozen=True):
    """A steady iteration without the profiler: as the collector timed it, or estimated from the trace."""

    source: Literal["recorded", "estimated"]
    low_us: float
    """The range: of what was recorded its fastest and slowest, of an estimate where it should lie."""
    mid_us: float
    high_us: float


class Saving(Struct, kw_only=True, frozen=True):
    """A steady iteration without the profiler before and after a change."""

    from_us: float
    to_us: float
    low_us: float
    """`low_us` to `high_us` is the range of `to_us`."""
    high_us: float
    basis: Literal["replay", "roofline", "bound"]
    """`replay`: every kernel stays as it is. `roofline`: kernels reach what the card can do. `bound`: a
    library decides what replaces the kernels; the range is as wide as it was measured to be."""
    step_us: float
    """What it brings after the changes of the findings listed before it."""


class VerdictWhat(Struct, kw_only=True, frozen=True):
    """What ran, as far as the trace tells; '' where it does not."""

    model: str = ""
    size: str = ""
    steps: int | None = None
    dtype: str = ""
    device: str = ""
    torch: str = ""


class VerdictLine(Struct, kw_only=True, frozen=True):
    """One answer of the verdict: `lead` is what a reader in a hurry needs, `rest` what belongs to it."""

    label: str
    """Ran, Takes, Dominates, Overhead, Fix first, Brings; Look at where no saving is known."""
    lead: str
    rest: str


class VerdictPart(Struct, kw_only=True, frozen=True):
    """A part of a steady iteration: GPU work by component or kind, or the GPU's idle time."""

    name: str
    us: float
    is_idle: bool


class Verdict(Struct, kw_only=True, frozen=True):
    """The trace in a few lines: what ran, how long it takes, what dominates, what to do first."""

    text: str
    """All lines as one text."""
    confidence: Literal["certain", "likely", "guess"]
    what: VerdictWhat
    lines: list[VerdictLine] = []
    parts: list[VerdictPart] = []
    """What a steady iteration consists of; they sum to the time that the verdict gives it."""
    first: str = ""
    """The id of the finding to act on first; '' where none brings anything."""
