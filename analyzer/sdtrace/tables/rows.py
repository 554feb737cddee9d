"""Which records a table shows to people, and in which order."""

from __future__ import annotations

from sdtrace.model import Kernel, Op, Phase, TraceReport

UNCOVERED = "outside every phase"
"""The part of the wall that no phase covers."""
_SIGNIFICANT = 0.0005
"""Below this share of the wall, what no phase covers is rounding and not worth a row."""


def wall_us(trace: TraceReport) -> float:
    """What phases are a share of: the wall, or their sum if that is more."""
    return max(trace.wall_us, sum(row.wall_us for row in trace.phases))


def phases(trace: TraceReport) -> list[Phase]:
    """Every phase that took any time, in the model's order, then what none of them covers."""
    rows = [row for row in trace.phases if row.wall_us > 0 or row.gpu_us > 0]
    rest = wall_us(trace) - sum(row.wall_us for row in trace.phases)
    if rows and rest >= _SIGNIFICANT * wall_us(trace):
        rows.append(Phase(phase=UNCOVERED, wall_us=rest, gpu_us=0.0, gpu_events=0))
    return rows


def ops(trace: TraceReport) -> list[Op]:
    """Ops with most self GPU time first, then self CPU time; ranges and waits, which are no work, last.

    Device rows that the kernel table has are left out, so that no time is listed twice.
    """
    kernels = {kernel.name for kernel in trace.kernels}
    rows = [op for op in trace.ops if not (op.is_work and op.name in kernels)]
    return sorted(rows, key=lambda op: (op.is_range or op.is_wait, -op.self_device_us, -op.self_cpu_us))


def kernels(trace: TraceReport) -> list[Kernel]:
    """Kernels with most GPU time first."""
    return sorted(trace.kernels, key=lambda kernel: -kernel.total_us)


def kind_of(op: Op) -> str:
    """What a row of the op table is, where it is no op of the CPU: `device` work or a `range`."""
    if op.is_range or op.is_wait:
        return "range" if op.is_range else "wait"
    return "" if op.device_type == "cpu" else "device"
