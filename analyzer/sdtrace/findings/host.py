"""Findings about why the device waited, and about the profiler's own weight."""

from __future__ import annotations

from collections.abc import Iterator

from sdtrace.findings.evidence import Evidence, Finding
from sdtrace.findings.text import listed, percent, seconds

_MUCH = 0.15
_SOME = 0.02
_GAPS_MATTER = 0.05
_START_NS = 5_000
"""Between pieces of queued work the hardware itself takes one or two microseconds."""


def find(e: Evidence) -> Iterator[Finding]:
    """What the host kept the device waiting for."""
    if _is_much(e.steady_idle.get("launch_bound", 0), e):
        yield from _launch_bound(e)
    else:
        yield from _waiting_component(e)
    yield from _sync(e)
    yield from _data_wait(e)
    yield from _gaps(e)
    yield from _stall(e)
    yield from _profiler(e)


def _is_much(idle: int, e: Evidence) -> bool:
    return idle > 0 and idle >= _MUCH * e.steady_span_ns


def _launch_bound(e: Evidence) -> Iterator[Finding]:
    idle = e.steady_idle["launch_bound"]
    share = min(idle / e.steady_span_ns, e.unprofiled_idle_share)
    most = listed([culprit.name for culprit in e.launch_bound_culprits])
    yield Finding(
        "host.launch_bound",
        "high" if share > 1 / 3 else "medium" if share > _MUCH else "low" if share > _SOME else "info",
        "The device waits for the host to launch work",
        f"{percent(idle, e.steady_span_ns)} of steady time the queue is empty while the host is on its way "
        f"to the next launch{f', most before work of {most}' if most else ''}. {_survives(e)}",
        _launch_less(e),
        saving_ns=_saving(e, idle),
        confidence="likely" if e.unprofiled_idle_ns is not None else "guess",
    )


def _waiting_component(e: Evidence) -> Iterator[Finding]:
    """One part of the pipeline that keeps the device waiting where the whole does not."""
    for part in e.launch_bound_components[:1]:
        share = min(part.idle_ns / e.steady_span_ns, e.unprofiled_idle_share)
        if share < _SOME or 2 * part.idle_ns < e.steady_idle["launch_bound"]:
            return
        idle, work = e.per_iteration(part.idle_ns), e.per_iteration(part.work_ns)
        of_steady = percent(part.idle_ns, e.steady_span_ns)
        once = " A prompt's embeddings can also be kept." if part.component == "text_encoder" else ""
        yield Finding(
            "host.component",
            "medium" if share > _GAPS_MATTER else "low",
            f"The device waits while the host launches {part.component}",
            f"{seconds(idle)} an iteration, {of_steady} of steady time, the queue is empty there, to launch "
            f"{seconds(work)} of work.",
            f'Replay it from CUDA graphs, by compiling it with `mode="reduce-overhead"`.{once}',
            saving_ns=_saving(e, part.idle_ns),
            confidence="likely",
        )


def _launch_less(e: Evidence) -> str:
    """What helps depends on what was done already."""
    if e.replays_graphs:
        return (
            "Most work comes from CUDA graphs already: what is left is Python between their replays and "
            "whatever is in no graph. Compile that too, move work out of the loop, or make larger batches."
        )
    hint = e.variant_hint("bf16_sdpa_cudagraphs")
    graphs = f'`mode="reduce-overhead"` (CUDA graphs){hint} where shapes are fixed'
    if e.is_compiled:
        return f"Compile with {graphs}; compile what still runs op by op; larger batches."
    return f"Launch less: `torch.compile`, best with {graphs}; larger batches."


def _survives(e: Evidence) -> str:
    """Whether the conclusion holds without the profiler, which slows the host and not the device."""
    if e.unprofiled_idle_ns is None or e.unprofiled_wall_ns is None:
        return (
            "The profiler slows the host, so without it the share is smaller; "
            "by how much, this trace does not tell."
        )
    whole = seconds(e.unprofiled_wall_ns)
    if e.unprofiled_idle_share < _SOME:
        work = seconds(e.per_iteration(e.steady_work_ns))
        return f"Without the profiler it is gone: {whole} an iteration, {work} of it work."
    share = percent(e.unprofiled_idle_ns, e.unprofiled_wall_ns)
    return f"It survives without the profiler: of {whole} an iteration, {share} is not device work."


def _saving(e: Evidence, idle: int) -> int:
    """Idle time of one cause per iteration; of the idle time without the profiler its share, if less."""
    saving = e.per_iteration(idle)
    if e.unprofiled_idle_ns is None:
        return saving
    return min(saving, round(e.unprofiled_idle_ns * idle / sum(e.steady_idle.values())))


def _sync(e: Evidence) -> Iterator[Finding]:
    idle = e.steady_idle.get("sync", 0)
    if idle < _SOME * e.steady_span_ns or not idle:
        return
    ops = (
        listed([culprit.name for culprit in e.sync_culprits]) if e.sync_culprits else "blocking runtime calls"
    )
    yield Finding(
        "host.sync",
        "medium",
        "The host waits for the device, and the device then for the host",
        f"{percent(idle, e.steady_span_ns)} of steady time is idle around blocking calls, most from {ops}.",
        "Avoid `.item()`, `.cpu()`, branches on tensors and printing them inside the loop; keep a "
        "scheduler's timesteps on the host, its other tensors on the device.",
        saving_ns=_saving(e, idle),
        confidence="likely",
    )


def _data_wait(e: Evidence) -> Iterator[Finding]:
    idle = e.steady_idle.get("data_wait", 0)
    if idle < _SOME * e.steady_span_ns or not idle:
        return
    yield Finding(
        "host.data",
        "medium",
        "The device waits for the next batch of data",
        f"{percent(e.loading_ns, e.phases['steady'].wall_ns)} of steady time the host is in the data loader; "
        f"the device is idle for {percent(idle, e.loading_ns)} of that.",
        "More workers (`num_workers`), `pin_memory=True` with `non_blocking=True` copies, or less work per "
        "sample.",
        saving_ns=_saving(e, idle),
        confidence="likely",
    )


def _gaps(e: Evidence) -> Iterator[Finding]:
    idle = e.steady_idle.get("device_gap", 0)
    if idle < _GAPS_MATTER * e.steady_span_ns or not e.device_gaps:
        return
    share, mean = percent(idle, e.steady_span_ns), idle / e.device_gaps
    evidence = f"{share} of steady time, in {e.device_gaps:,} gaps of {seconds(mean)} on average."
    if mean < _START_NS:
        yield Finding(
            "device.gaps",
            "low",
            "Starting one piece of queued work after the other adds up",
            evidence,
            "Fewer, larger kernels: fuse more, make larger batches.",
            confidence="likely",
        )
    else:
        yield Finding(
            "device.gaps",
            "high" if idle > e.steady_span_ns / 3 else "medium",
            "The device stands still although work is queued on it",
            f"{evidence} The host had launched what comes next.",
            "Look at what begins after these gaps: it waits on the device, for an event of another stream, "
            "for another device or rank, or for a copy. `sdtrace open` shows the gaps.",
            confidence="likely",
        )


def _stall(e: Evidence) -> Iterator[Finding]:
    stall = e.phases.get("stall")
    if stall is None or not stall.wall_ns:
        return
    yield Finding(
        "host.stall",
        "medium",
        f"{seconds(stall.wall_ns)} of wall time is explained by no event",
        "More than 100 ms at a time without any op, runtime call or device work.",
        "Python code outside PyTorch, I/O, or a compile that this torch version does not mark. "
        "Record with `with_stack=True`.",
        confidence="guess",
    )


def _profiler(e: Evidence) -> Iterator[Finding]:
    if e.unprofiled_wall_ns is None or e.steady_wall_ns is None or e.unprofiled_wall_ns <= 0:
        return
    slowdown = e.steady_wall_ns / e.unprofiled_wall_ns
    if slowdown < 1.1:
        return
    yield Finding(
        "host.profiler",
        "info",
        f"Profiling itself made an iteration {slowdown:.2f} times as long",
        f"{seconds(e.unprofiled_wall_ns)} without the profiler, {seconds(e.steady_wall_ns)} with it.",
        "The device's own times are not affected. Take host and idle times of this trace as upper bounds."
        if e.work_ns
        else "Take the times of this trace as upper bounds.",
    )
