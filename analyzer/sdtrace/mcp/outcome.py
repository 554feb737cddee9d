"""What was measured after a change, against what a finding promised."""

from __future__ import annotations

from statistics import median, quantiles
from typing import Any, Final, NamedTuple

from sdtrace import units
from sdtrace.model import Finding, TraceReport
from sdtrace.phases.timeline import STEADY

_ENOUGH: Final = 0.75
"""The share of a promised saving that must be measured, where the promise has no range."""
_ONCE: Final = "overhead."
"""How ids of findings about one-time cost begin."""
_FEW: Final = 3


class _Walls(NamedTuple):
    """Microseconds of an iteration: the middle, and a range that holds half of them or more."""

    middle: float
    low: float
    high: float
    iterations: int


def judge(before: TraceReport, after: TraceReport, found: Finding, *, is_unprofiled: bool) -> str:
    """Whether the promise came true, in a sentence or two.

    An iteration is faster or slower only where the middle halves of the iterations lie apart. A promise
    with a range came true where the measured range meets it, one without where three quarters are measured.
    `is_unprofiled` says whether both runs also timed iterations without the profiler.
    """
    if found.id.startswith(_ONCE):
        return _once(before, after)
    first, second = _walls(before, is_unprofiled), _walls(after, is_unprofiled)
    if first is None or second is None:
        return f"unknown. A trace has no steady {before.noun} to measure."
    measured = _change(first, second, "without" if is_unprofiled else "with")
    if not is_unprofiled:
        measured += ", which slows the CPU"
    if min(first.iterations, second.iterations) < _FEW:
        measured += f"; record more {before.noun}s to be sure"
    if second.low > first.high:
        return f"did not come true. It became slower: {measured}."
    if second.high >= first.low:
        return f"did not come true. No change beyond the spread: {measured}."
    estimates = None if is_unprofiled else _estimates(before, after)
    kept = _kept(found, *(estimates or (first, second)))
    estimate = f" Estimated without the profiler: {_from_to(*estimates)}." if estimates else ""
    return f"{kept} Measured: {measured}.{estimate}"


def _kept(found: Finding, first: _Walls, second: _Walls) -> str:
    """What became of the promise, where iterations did get faster."""
    us = first.middle - second.middle
    saved = f"{units.duration(us)} saved"
    record: Any = getattr(found, "saving", None)
    if record is not None:
        least, most = record.from_us - record.high_us, record.from_us - record.low_us
        if first.high - second.low < least:
            return f"came true in part, {saved} of {units.duration(least)} at least."
        is_more = first.low - second.high > most
        return f"came true, and more than promised: {saved}." if is_more else f"came true, {saved}."
    if not found.saving_us:
        return f"faster, {saved}. The finding promised no figure."
    word = "came true" if us >= _ENOUGH * found.saving_us else "came true in part"
    return f"{word}, {saved}: {100 * us / found.saving_us:.0f} % of what was promised."


def _once(before: TraceReport, after: TraceReport) -> str:
    """The one-time cost, which every trace measures once."""
    first, second = before.overhead.paid_us, after.overhead.paid_us
    word = "came true" if second < first else "did not come true"
    change = f"{units.duration(first)} -> {units.duration(second)}"
    return f"{word}. One-time cost: {change}, each measured once."


def _walls(report: TraceReport, is_unprofiled: bool) -> _Walls | None:
    """Of steady iterations, with or without the profiler."""
    if is_unprofiled:
        recorded = report.run.get("unprofiled_wall_s")
        walls = [second * 1e6 for second in recorded] if isinstance(recorded, list) else []
    else:
        walls = [row.wall_us for row in report.iterations if row.phase == STEADY and row.is_whole]
    if len(walls) < 2:
        return _Walls(walls[0], walls[0], walls[0], 1) if walls else None
    low, _, high = quantiles(walls, n=4, method="inclusive")
    return _Walls(median(walls), low, high, len(walls))


def _estimates(before: TraceReport, after: TraceReport) -> tuple[_Walls, _Walls] | None:
    """An iteration of both without the profiler, where both reports estimate it."""
    first, second = (getattr(report, "unprofiled", None) for report in (before, after))
    if first is None or second is None:
        return None
    return _Walls(first.mid_us, first.low_us, first.high_us, 1), _Walls(
        second.mid_us, second.low_us, second.high_us, 1
    )


def _from_to(first: _Walls, second: _Walls) -> str:
    return f"{units.duration(first.middle)} -> {units.duration(second.middle)}"


def _change(first: _Walls, second: _Walls, how: str) -> str:
    medians = f"medians of {first.iterations} and {second.iterations}"
    return f"{_from_to(first, second)} each ({medians}) {how} the profiler"
