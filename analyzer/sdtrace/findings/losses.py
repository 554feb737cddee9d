"""Findings about what the file lost of the device, or has at times that cannot be."""

from __future__ import annotations

from collections.abc import Iterator

from sdtrace.attribution.losses import Losses
from sdtrace.findings.evidence import Evidence
from sdtrace.findings.finding import Finding, rows_of
from sdtrace.findings.text import time
from sdtrace.units import count, counted

_BY_CATEGORY = "SELECT category, count(*) AS events FROM events GROUP BY category"
_SMALL_NS = 20_000
"""Clocks that differ by so little, as those of AMD GPUs do, move no more than the edges of gaps."""
_RESTS_ON_IT = "Idle time, busy shares and the GPU time of all tables rest on it."

_SMALL = "That is too little to matter: under a thousandth of an iteration."


def find(e: Evidence) -> Iterator[Finding]:
    """What is missing or impossible, and which figures that touches."""
    if e.losses is not None:
        yield from _clock(e, e.losses)
        yield from _missing_work(e, e.losses)
        yield from _missing_launches(e, e.losses)
    yield from _earlier(e)
    yield from _overlap(e)
    yield from _empty_iterations(e)
    yield from _foreign(e)


def _clock(e: Evidence, lost: Losses) -> Iterator[Finding]:
    if not lost.work_before_launch and not lost.work_after_wait:
        return
    is_small = lost.is_small(e.steady_wall_ns)
    yield Finding(
        "trace.clock",
        "info" if is_small else "low" if 0 < lost.clock_error_ns < _SMALL_NS else "high",
        _wrong_times(lost),
        f"{_clocks_apart(lost)} {_SMALL if is_small else _RESTS_ON_IT}",
        "Nothing to do." if is_small else "Record again. Durations of kernels are right either way.",
        confidence="likely" if lost.clock_shift_ns else "certain",
        evidence_rows=rows_of("lost", ["work_before_launch", "work_after_wait", "clock_shift_us"]),
        verify=e.analyze,
    )


def _wrong_times(lost: Losses) -> str:
    early, late = lost.work_before_launch, lost.work_after_wait
    if not late:
        return f"{_pieces(early)} {'begins' if early == 1 else 'begin'} before {_their(early)} own launch"
    ends = f"{'ends' if late == 1 else 'end'} after the call that waited for {'it' if late == 1 else 'them'}"
    also = f", {count(early)} {'begins' if early == 1 else 'begin'} before the launch" if early else ""
    return f"{_pieces(late)} {ends}{also}"


def _clocks_apart(lost: Losses) -> str:
    """By how much, and what was done about it."""
    shift = lost.clock_shift_ns
    if not shift:
        return (
            "That is impossible: the clocks of CPU and GPU differ, here by up to "
            f"{time(lost.clock_error_ns)}, and not by a constant. GPU events stay where the file has them."
        )
    is_behind = shift > 0
    return (
        f"The GPU's clock was {'behind' if is_behind else 'ahead'} by at least {time(abs(shift))}, the same "
        f"throughout. GPU events were moved by that much; they may belong even "
        f"{'later' if is_behind else 'earlier'}."
    )


def _missing_work(e: Evidence, lost: Losses) -> Iterator[Finding]:
    calls = lost.launches_without_work
    if not calls:
        return
    none_at_all = not e.work_ns
    yield Finding(
        "trace.lost_work",
        "high" if none_at_all or 20 * calls > e.kernels else "medium",
        "The GPU's events are missing from this trace"
        if none_at_all
        else f"{counted(calls, 'call')} cannot be matched with GPU work"
        if _ids_disagree(lost)
        else f"The GPU work of {counted(calls, 'call')} is not in the file",
        f"{_lost_calls(lost)} {'Only CPU activity is available.' if none_at_all else _RESTS_ON_IT}",
        _WITHOUT_COUNTERS if none_at_all and e.has_counters else _RECORD_ALL,
        evidence_rows=rows_of("lost", ["launches_without_work"]),
        verify=e.query(_BY_CATEGORY),
    )


_RECORD_ALL = (
    "The profiler lost its records, or stopped before the GPU was done. Profile fewer steps, call "
    "`torch.cuda.synchronize()` before it stops, and run no other profiler at the same time."
)
_WITHOUT_COUNTERS = (
    "Performance counters were recorded in place of kernels (`profiler_metrics` of `experimental_config`), "
    "and slow every call down. Profile without them to see where the time goes."
)


def _ids_disagree(lost: Losses) -> bool:
    """Whether as much work has no launch: it is there, under other ids or none."""
    return 2 * lost.work_without_launch > lost.launches_without_work


def _lost_calls(lost: Losses) -> str:
    times = f"The CPU launched work {counted(lost.launches_without_work, 'time')}"
    if not _ids_disagree(lost):
        return f"{times} whose kernels or copies the file does not hold."
    return (
        f"{times} without a kernel or copy of the same `correlation`, and the launch of "
        f"{_pieces(lost.work_without_launch)} is not known. The ids that link the two were lost or changed."
    )


def _missing_launches(e: Evidence, lost: Losses) -> Iterator[Finding]:
    work = lost.work_without_launch
    if not work:
        return
    yield Finding(
        "trace.lost_launches",
        "high" if 20 * work > e.kernels else "medium",
        f"The launch of {_pieces(work)} is not in the file"
        if e.has_host
        else "The trace holds no CPU activity",
        f"{'It' if work == 1 else 'They'} may count for no op, and what the GPU waited for before "
        f"{'it' if work == 1 else 'them'} is not known. Iterations may be wrong, for work belongs to the one "
        "that launched it."
        if e.has_host
        else "Only GPU events are in the file. Nothing tells ops, iterations, or what the GPU waited for.",
        f"{_KEEP_CALLS} Where nothing was filtered, the profiler of this device does not tell which call "
        "launched what: kernels and their times are right all the same."
        if e.has_host
        else f"Record with `ProfilerActivity.CPU` as well. {_KEEP_CALLS}",
        evidence_rows=rows_of("lost", ["work_without_launch"]),
        verify=e.query(_BY_CATEGORY),
    )


_KEEP_CALLS = (
    "A tool that filters a trace must keep calls such as `cudaLaunchKernel`, with their `correlation`."
)


def _pieces(number: int) -> str:
    return f"{counted(number, 'piece')} of GPU work"


def _their(number: int) -> str:
    return "its" if number == 1 else "their"


def _earlier(e: Evidence) -> Iterator[Finding]:
    if not e.earlier_ns:
        return
    yield Finding(
        "trace.earlier_work",
        "low",
        f"The GPU was still busy when the profile began, for {time(e.earlier_ns)}",
        "The first work in the file was launched that long before it began, and nothing in the file ran "
        f"meanwhile. So it waited for work from before the profile. This time counts for no {e.noun} and "
        f"not as idle: the first {e.noun} lasts from the end of that work.",
        f"Nothing is wrong with the program. To see whole {e.noun}s, record several in a row.",
        confidence="likely",
        evidence_rows=rows_of("lost", ["earlier_work_us"]),
        verify=e.query("SELECT name, launch_start_ns, start_ns FROM launches ORDER BY start_ns LIMIT 20"),
    )


def _overlap(e: Evidence) -> Iterator[Finding]:
    overlapping = 0 if e.losses is None else e.losses.overlapping_work
    if not overlapping:
        return
    yield Finding(
        "trace.overlap",
        "medium",
        f"{_pieces(overlapping)} {'overlaps' if overlapping == 1 else 'overlap'} others of "
        f"{_their(overlapping)} stream",
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
        verify=e.query(_BY_CATEGORY),
    )
