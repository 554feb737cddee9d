"""Findings about the trace itself: what is damaged, and which of torch's rows mislead."""

from __future__ import annotations

from collections.abc import Iterator

from sdtrace.findings.evidence import Evidence
from sdtrace.findings.finding import Finding, rows_of
from sdtrace.findings.text import listed, percent, time
from sdtrace.units import counted

_RECORD_GPU = (
    "Record with `ProfilerActivity.CUDA`. "
    "If that was on, the profiler could not use the GPU's tracing library."
)


_WATCH_THREADS = (
    "the profiler sees ops only of the thread that starts it, and of those that work for it: start it in the "
    "thread that runs the model, or pass `experimental_config=torch._C._profiler._ExperimentalConfig("
    "profile_all_threads=True)`, which newer torch has."
)
_MUCH_UNWATCHED = 0.1
"""Share of GPU work without an op from which that is told."""


def find(e: Evidence) -> Iterator[Finding]:
    """What a reader must know before trusting the numbers."""
    if e.quarantined:
        yield Finding(
            "trace.impossible",
            "high",
            f"{counted(e.quarantined, 'event')} with impossible times: left out of every sum",
            f"Such as {listed(e.quarantined_examples, 2)}.",
            "Record the trace again; a damaged disk or a profiler bug writes such numbers.",
            evidence_rows=rows_of("events", ["quarantined"]),
            verify=e.analyze,
        )
    if e.salvaged:
        yield Finding(
            "trace.cut",
            "high",
            "The file ends in the middle",
            "Everything up to its last whole event is counted, the rest is lost. GPU events come last in "
            "a file: device times, launches and shares are of the part that is left.",
            "The process died while writing, or the disk was full: export again.",
            evidence_rows=rows_of("events", ["salvaged"]),
            verify=e.analyze,
        )
    if e.skipped:
        yield Finding(
            "trace.skipped",
            "medium",
            f"{counted(e.skipped, 'event')} could not be read",
            "They are damaged or lack a field that an event must have. They are in no table and no sum.",
            "Export the trace again if their time matters.",
            evidence_rows=rows_of("events", ["skipped"]),
            verify=e.analyze,
        )
    yield from _no_work(e)
    yield from _no_ops(e)
    yield from _ranges(e)
    yield from _no_replay(e)
    yield from _other_ranks(e)


def _no_work(e: Evidence) -> Iterator[Finding]:
    if any(phase.gpu_events for phase in e.phases.values()) or (e.losses and e.losses.launches_without_work):
        return
    if not e.has_host:
        yield Finding(
            "trace.nothing",
            "high",
            "The profiler recorded nothing",
            "The file has no op, no call of the GPU's runtime and no GPU work.",
            f"With a `schedule`, call `step()` until its active steps are over. If threads do the work: "
            f"{_WATCH_THREADS}",
            evidence_rows=rows_of("events", ["by_category"]),
            verify=e.analyze,
        )
        return
    named = f" ({e.device_name})" if e.device_name else ""
    yield Finding(
        "trace.no_device_work",
        "info",
        "The trace holds no GPU work",
        "It has no kernel, copy or fill: only CPU activity is available.",
        f"This is normal for CPU runs. For a run on a GPU: {_RECORD_GPU[0].lower()}{_RECORD_GPU[1:]}"
        if e.on_cpu
        else f"The trace names a GPU{named}, so the GPU was not used, or its events were not recorded. "
        f"If it was used: {_RECORD_GPU[0].lower()}{_RECORD_GPU[1:]}",
        evidence_rows=rows_of("events", ["by_category"]),
        verify=e.query("SELECT category, count(*) AS events FROM events GROUP BY category"),
    )


def _no_ops(e: Evidence) -> Iterator[Finding]:
    pieces, ns, threads = e.unwatched
    if ns < _MUCH_UNWATCHED * e.work_ns or not pieces:
        return
    yield Finding(
        "trace.no_ops",
        "medium",
        f"{percent(ns, e.work_ns)} of GPU work was launched where no op was recorded",
        f"The calls that launched {counted(pieces, 'kernel')} or copies ran on "
        f"{counted(threads, 'thread')} without ops. So tables by op have only the calls, and shapes, "
        "data types and components are not known.",
        f"Record with `ProfilerActivity.CPU`. If that was on: {_WATCH_THREADS}",
        evidence_rows=rows_of("events", ["by_category"]),
        verify=e.query("SELECT op, sum(dur_ns) / 1e6 AS ms FROM launches GROUP BY op ORDER BY ms DESC"),
    )


def _no_replay(e: Evidence) -> Iterator[Finding]:
    if not e.unlike or not e.n_steady:
        return
    yield Finding(
        "trace.no_replay",
        "info",
        "What changes would bring is not computed for this trace",
        f"That takes a replay of an {e.noun}, and there is none: {e.unlike}.",
        "Where findings name a saving all the same, it is the most that there can be.",
        evidence_rows=rows_of("iterations", e.steady_iterations),
        verify=e.query("SELECT index, phase, wall_us / 1000 AS ms FROM iterations"),
    )


def _other_ranks(e: Evidence) -> Iterator[Finding]:
    if e.collectives is None or e.unlike:
        return
    yield Finding(
        "trace.other_ranks",
        "info",
        "Savings are of this rank alone",
        f"Its collectives take {percent(e.collectives.work_ns, e.steady_work_ns)} of steady device time. A "
        "saving takes them to last as long as they did, other ranks' time in them included.",
        "Make a change on all ranks. One that makes this rank alone faster makes it wait longer for the "
        "others. Analyze the traces of all ranks together to see who waits.",
        confidence="likely",
        evidence_rows=rows_of("categories", ["collective"]),
        verify=e.steady_work("category = 'collective'"),
    )


def _ranges(e: Evidence) -> Iterator[Finding]:
    """Device rows of annotations as long as all GPU work: torch's table shows over 100 % for them."""
    large = sorted((row for row in e.ranges if row.total_ns > e.work_ns / 2), key=lambda row: -row.total_ns)
    if not large or not e.work_ns:
        return
    largest, others = large[0], large[1:3]
    also = " and ".join(f"`{row.name}` ({percent(row.total_ns, e.work_ns)})" for row in others)
    yield Finding(
        "trace.ranges",
        "info",
        f"`{largest.name}` is a range, not work",
        f"torch's table shows it with {percent(largest.total_ns, e.work_ns)} of Self CUDA, "
        f"{time(largest.total_ns)}, where all work takes {time(e.work_ns)}. "
        "It spans from the first to the last kernel launched in it, idle time included."
        f"{f' The same is true of {also}.' if also else ''}",
        "Read such rows as wall time on the GPU. Here they have no percentage.",
        evidence_rows=rows_of("ops", [row.name for row in large]),
        verify=e.query(
            "SELECT name, self_device_us / 1000 AS ms FROM ops "
            "WHERE device_type = 'device' AND is_user_annotation ORDER BY ms DESC LIMIT 10"
        ),
    )
