"""Findings about why the device waited, and about the profiler's own weight."""

from __future__ import annotations

from collections.abc import Iterator

from sdtrace.findings.evidence import Evidence, Finding
from sdtrace.findings.text import listed, percent, seconds

_MUCH = 0.15
_SOME = 0.02


def find(e: Evidence) -> Iterator[Finding]:
    """What the host kept the device waiting for."""
    yield from _launch_bound(e)
    yield from _sync(e)
    yield from _stall(e)
    yield from _profiler(e)


def _launch_bound(e: Evidence) -> Iterator[Finding]:
    idle = e.steady_idle.get("launch_bound", 0)
    span = e.steady_work_ns + sum(e.steady_idle.values())
    if idle < _MUCH * span or not span:
        return
    survives = _survives(e)
    yield Finding(
        "host.launch_bound",
        "high" if idle > span / 3 else "medium",
        "The device waits for the host to launch work",
        f"{percent(idle, span)} of steady time the queue is empty while the host is dispatching. {survives}",
        'Launch less: `torch.compile`, and `mode="reduce-overhead"` (CUDA graphs) where shapes are fixed '
        "(variant `bf16_sdpa_cudagraphs`); larger batches.",
        saving_ns=_capped_saving(e, idle),
        confidence="likely" if e.unprofiled_wall_ns else "guess",
    )


def _survives(e: Evidence) -> str:
    """Whether the conclusion holds without the profiler, which slows the host and not the device."""
    if e.unprofiled_wall_ns is None or e.steady_wall_ns is None:
        return (
            "The profiler slows the host, so without it the share is smaller; "
            "by how much, this trace does not tell."
        )
    work = e.per_iteration(e.steady_work_ns)
    idle = max(0, e.unprofiled_wall_ns - work)
    if idle < _SOME * e.unprofiled_wall_ns:
        whole = seconds(e.unprofiled_wall_ns)
        return f"Without the profiler it is gone: {whole} an iteration, {seconds(work)} of it work."
    return (
        f"It survives without the profiler: of {seconds(e.unprofiled_wall_ns)} an iteration, "
        f"{percent(idle, e.unprofiled_wall_ns)} is not device work."
    )


def _capped_saving(e: Evidence, idle: int) -> int:
    saving = e.per_iteration(idle)
    if e.unprofiled_wall_ns is None:
        return saving
    return min(saving, max(0, e.unprofiled_wall_ns - e.per_iteration(e.steady_work_ns)))


def _sync(e: Evidence) -> Iterator[Finding]:
    idle = e.steady_idle.get("sync", 0)
    span = e.steady_work_ns + sum(e.steady_idle.values())
    if not span or idle < _SOME * span:
        return
    ops = (
        listed([culprit.name for culprit in e.sync_culprits]) if e.sync_culprits else "blocking runtime calls"
    )
    yield Finding(
        "host.sync",
        "medium",
        "The host waits for the device, and the device then for the host",
        f"{percent(idle, span)} of steady time is idle around blocking calls, most from {ops}.",
        "Avoid `.item()`, `.cpu()`, and printing tensors inside the loop; keep schedulers' tensors "
        "on the device.",
        saving_ns=e.per_iteration(idle),
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
        "Device times are not affected. Take wall times and idle shares of this trace as upper bounds.",
    )
