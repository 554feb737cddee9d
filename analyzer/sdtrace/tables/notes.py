"""The sentence under a table."""

from __future__ import annotations

from sdtrace import units
from sdtrace.model import TraceReport
from sdtrace.phases.timeline import WARMUP

_ONCE = (
    "Each kernel counts once, for the op that launched it, so GPU times can differ from torch's own table."
)
_TORCH = "Figures are torch's own, including work it counts twice."
_RANGE = " A range spans the work under an annotation, idle time included: it is no work and has no share."
_HTA = (
    "HTA's analyses ran on the events that sdtrace read. HTA's own loader would cut times to whole "
    "microseconds and leave out the last profiler step."
)


def hta_note(trace: TraceReport) -> str:
    """What HTA's figures are of; empty where it did not run."""
    return _HTA if trace.hta else ""


def phases_note(trace: TraceReport) -> str:
    """Why warmup has two values; empty where it has one."""
    whole = sum(row.wall_us for row in trace.phases if row.phase == WARMUP)
    beyond = trace.overhead.warmup_us
    if not beyond or not whole or units.duration(whole) == units.duration(beyond):
        return ""
    return (
        f"Warmup lasts {units.duration(whole)} and makes {trace.noun}s too: {units.duration(beyond)} of it "
        f"is beyond what steady {trace.noun}s take, and counts as one-time cost."
    )


def idle_note(trace: TraceReport) -> str:
    """How well the CPU kept the GPU fed; empty where nothing was launched."""
    queue = trace.queue
    if queue is None:
        return ""
    empty = units.percent(queue.found_empty, queue.launches)
    return (
        f"{empty} of {units.count(queue.launches)} launches found the GPU's queue empty. Half of the work "
        f"began within {units.duration(queue.delay_median_us)} of its launch. "
        f"{units.count(queue.short_kernels)} of {units.count(queue.kernels)} kernels took under 5 µs, "
        f"{units.duration(queue.short_us)} in all."
    )


def op_note(trace: TraceReport) -> str:
    """How GPU times of ops are counted; empty for a trace without GPU work."""
    if not trace.has_device:
        return ""
    return (_ONCE if trace.op_times == "true" else _TORCH) + _RANGE
