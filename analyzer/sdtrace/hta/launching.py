"""Analyses of how work gets to the GPU: launches, queue, kernels of ops."""

from __future__ import annotations

from sdtrace.hta.answers import Asked, Lacking, Table, need_work, rows, whole
from sdtrace.hta.choices import default_operator
from sdtrace.hta.exact import ExactAnalysis
from sdtrace.units import count

_MIN_SEQUENCE = 3


def launches(hta: ExactAnalysis, _: Asked) -> list[Table]:
    """Time of the call, of the GPU work, and between them."""
    need_work(hta)
    found = hta.get_cuda_kernel_launch_stats(visualize=False)[hta.rank]
    if found.empty:
        raise Lacking("no launch has a name that HTA knows (cudaLaunchKernel, cudaMemcpyAsync and so on)")
    names = {"cpu_duration": "cpu_us", "gpu_duration": "gpu_us", "launch_delay": "delay_us"}
    summary = found[list(names)].describe().drop("count").reset_index()
    return [
        Table(
            "launch_summary",
            f"Call, GPU work and delay of {count(len(found))} launches",
            rows(summary, {"index": "of", **names}),
        ),
        Table("launches", "Each launch", rows(found, {"correlation": "correlation", **names})),
    ]


def queue(hta: ExactAnalysis, _: Asked) -> list[Table]:
    """How many kernels wait in the launch queue."""
    need_work(hta)
    found = hta.get_queue_length_summary_from_time_series(hta.get_queue_length_time_series([hta.rank]))
    if found is None:
        raise Lacking("no launch that HTA knows has GPU work")
    flat = found.droplevel(0, axis=1).reset_index()
    names = {name: name for name in ("stream", "count", "mean", "std", "min", "50%", "75%", "max")}
    return [Table("queue", "Kernels in the launch queue", whole(rows(flat, names), "count"))]


def full_queue(hta: ExactAnalysis, _: Asked) -> list[Table]:
    """How long the CPU waits for room in the launch queue."""
    need_work(hta)
    found = hta.get_time_spent_blocked_on_full_queue(hta.get_queue_length_time_series([hta.rank]))
    if found is None or found.empty:
        raise Lacking("the launch queue was never full (1,024 kernels)")
    names = {
        "stream": "stream",
        "duration_at_max_queue_length": "full_us",
        "relative_duration_at_max_queue_length": "share",
    }
    return [Table("full_queue", "Time with a full launch queue", rows(found, names))]


def ops(hta: ExactAnalysis, _: Asked) -> list[Table]:
    """The kernels that each op launches, and the delays until then."""
    need_work(hta)
    found = hta.get_aten_op_kernels_and_delay()[hta.rank]
    if found.empty:
        raise Lacking("no op whose name begins with aten:: launches GPU work")
    names = {
        "aten_op_name": "op",
        "kernel_sequence": "kernels",
        "occurrence_count": "count",
        "avg_aten_op_launch_delay": "op_to_launch_us",
        "avg_runtime_delay": "launch_to_gpu_us",
    }
    return [Table("ops", "Kernels of ops, and mean delays", rows(found, names))]


def sequences(hta: ExactAnalysis, asked: Asked) -> list[Table]:
    """Kernel sequences that an op launches again and again."""
    need_work(hta)
    operator = asked.operator or default_operator(hta.study, _MIN_SEQUENCE)
    if operator is None:
        raise Lacking(f"no op launches {_MIN_SEQUENCE} kernels or more")
    found = hta.kernel_sequences(operator, _MIN_SEQUENCE)
    if found.empty:
        raise Lacking(f"no {operator} launches {_MIN_SEQUENCE} kernels or more; choose with --operator")
    names = {
        "pattern": "kernels",
        "count": "count",
        "GPU kernel duration (us)": "gpu_us",
        "CPU op duration (us)": "cpu_us",
    }
    return [Table("sequences", f"Frequent kernel sequences of {operator}", rows(found, names))]
