"""Findings about what the file lost of the device, or has at times that cannot be."""

from __future__ import annotations

from collections.abc import Iterator

from sdtrace.findings.evidence import Evidence
from sdtrace.findings.finding import Finding, rows_of
from sdtrace.findings.text import time
from sdtrace.units import count, counted

_RESTS_ON_IT = "Idle time, busy shares and the GPU time of all tables rest on it."


def find(e: Evidence) -> Iterator[Finding]:
    """What is missing or impossible, and which figures that touches."""
    yield from _clock(e)
    yield from _missing_work(e)
    yield from _overlap(e)
    yield from _empty_iterations(e)
    yield from _foreign(e)


def _clock(e: Evidence) -> Iterator[Finding]:
    lost = e.losses
    if lost is None or not lost.work_before_launch:
        return
    shift = lost.clock_shift_ns
    yield Finding(
        "trace.clock",
        "high",
        f"{count(lost.work_before_launch)} pieces of GPU work begin before their own launch",
        f"The GPU's clock was behind by at least {time(shift)}, the same throughout. GPU events were moved "
        f"by that much; they may belong even later. {_RESTS_ON_IT}"
        if shift
        else f"That is impossible: the clocks of CPU and GPU differ, and not by a constant. {_RESTS_ON_IT}",
        "Record again. Durations of kernels are right either way.",
        confidence="likely" if shift else "certain",
        evidence_rows=rows_of("lost", ["work_before_launch", "clock_shift_us"]),
        verify=e.analyze,
    )


def _missing_work(e: Evidence) -> Iterator[Finding]:
    lost = e.losses
    if lost is None or not lost.launches_without_work:
        return
    none_at_all = not e.work_ns
    yield Finding(
        "trace.lost_work",
        "high" if none_at_all or 20 * lost.launches_without_work > e.kernels else "medium",
        "The GPU's events are missing from this trace"
        if none_at_all
        else f"The GPU work of {counted(lost.launches_without_work, 'call')} is not in the file",
        f"The CPU launched work {count(lost.launches_without_work)} times whose kernels or copies the file "
        f"does not hold. {'Only CPU activity is available.' if none_at_all else _RESTS_ON_IT}",
        "The profiler lost its records, or stopped before the GPU was done. Profile fewer steps, call "
        "`torch.cuda.synchronize()` before it stops, and run no other profiler at the same time.",
        evidence_rows=rows_of("lost", ["launches_without_work"]),
        verify=e.query("SELECT category, count(*) AS events FROM events GROUP BY category"),
    )


def _overlap(e: Evidence) -> Iterator[Finding]:
    if e.losses is None or not e.losses.overlapping_work:
        return
    yield Finding(
        "trace.overlap",
        "medium",
        f"{count(e.losses.overlapping_work)} pieces of GPU work overlap others of their stream",
        f"A stream runs one piece at a time, so these times are wrong. {_RESTS_ON_IT}",
        "Record again; a merger of traces that mixed up streams writes such times too.",
        evidence_rows=rows_of("lost", ["overlapping_work"]),
        verify=e.query(
            "SELECT stream, name, start_ns, dur_ns FROM launches ORDER BY stream, start_ns LIMIT 20"
        ),
    )


def _empty_iterations(e: Evidence) -> Iterator[Finding]:
    if not e.empty_iterations:
        return
    yield Finding(
        "trace.empty_iterations",
        "medium",
        f"{counted(e.empty_iterations, e.noun)} without GPU work, between {e.noun}s that have some",
        "Their GPU events were lost, or they did something else. Medians include them.",
        f"Look at the {e.noun}s that have none; record fewer steps if events were lost.",
        confidence="likely",
        evidence_rows=rows_of("lost", ["empty_iterations"]),
        verify=e.query("SELECT index, gpu_events, wall_us / 1000 AS ms FROM iterations"),
    )


def _foreign(e: Evidence) -> Iterator[Finding]:
    if e.losses is None or not e.losses.foreign_events:
        return
    yield Finding(
        "trace.foreign",
        "info",
        f"{counted(e.losses.foreign_events, 'event')} of a kind that is not analysed",
        "They have a duration, and a category that torch.profiler does not write. They count in no sum.",
        "`sdtrace query` shows them, and Perfetto draws them.",
        evidence_rows=rows_of("lost", ["foreign_events"]),
        verify=e.query("SELECT category, count(*) AS events FROM events GROUP BY category"),
    )
