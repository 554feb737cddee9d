"""HTA's analyses of a trace by name: each gives tables, or one line that says what the trace lacks."""

from __future__ import annotations

import logging
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Final, NamedTuple

from sdtrace.errors import UsageError
from sdtrace.hta import gpu_time, jobs, launching, paths
from sdtrace.hta.answers import Asked, Result, Table
from sdtrace.hta.exact import ExactAnalysis
from sdtrace.hta.failures import FAILURES, as_line

__all__ = ["ANALYSES", "Asked", "Result", "Table", "run"]


class Analysis(NamedTuple):
    """An analysis, and the methods of `hta.trace_analysis.TraceAnalysis` that it asks."""

    answer: Callable[[ExactAnalysis, Asked], Sequence[Table] | Mapping[str, bytes]]
    methods: tuple[str, ...]


ANALYSES: Final[Mapping[str, Analysis]] = {
    "temporal": Analysis(gpu_time.temporal, ("get_temporal_breakdown",)),
    "idle": Analysis(gpu_time.idle, ("get_idle_time_breakdown",)),
    "kernels": Analysis(gpu_time.kernels, ("get_gpu_kernel_breakdown",)),
    "overlap": Analysis(gpu_time.overlap, ("get_comm_comp_overlap",)),
    "annotations": Analysis(
        gpu_time.annotated,
        ("get_gpu_user_annotation_breakdown", "get_gpu_kernels_with_user_annotations"),
    ),
    "bandwidth": Analysis(gpu_time.bandwidth, ("get_memory_bw_summary", "get_memory_bw_time_series")),
    "launches": Analysis(launching.launches, ("get_cuda_kernel_launch_stats",)),
    "queue": Analysis(
        launching.queue,
        (
            "get_queue_length_summary",
            "get_queue_length_time_series",
            "get_queue_length_summary_from_time_series",
        ),
    ),
    "full-queue": Analysis(launching.full_queue, ("get_time_spent_blocked_on_full_queue",)),
    "ops": Analysis(launching.ops, ("get_aten_op_kernels_and_delay",)),
    "sequences": Analysis(launching.sequences, ("get_frequent_cuda_kernel_sequences",)),
    "steps": Analysis(jobs.steps, ("get_profiler_steps",)),
    "stragglers": Analysis(jobs.stragglers, ("get_potential_stragglers",)),
    "counters": Analysis(jobs.counters, ("get_cupti_counter_data_with_operators",)),
    "critical-path": Analysis(paths.critical_path, ("critical_path_analysis",)),
    "tracks": Analysis(paths.tracks, ("generate_trace_with_counters", "overlay_critical_path_analysis")),
}
"""The analyses by the names that people type."""


def run(hta: ExactAnalysis, name: str, asked: Asked) -> Result:
    """The result of the analysis `name`, one of `ANALYSES`."""
    try:
        with _quiet():
            found = ANALYSES[name].answer(hta, asked)
    except UsageError as error:
        return Result(name, [], str(error))
    except FAILURES as error:
        return Result(name, [], as_line(error))
    return Result(name, [], files=found) if isinstance(found, Mapping) else Result(name, found)


@contextmanager
def _quiet() -> Iterator[None]:
    """Without what HTA logs and warns of: the result says it, or the line in its place."""
    before = logging.root.manager.disable
    logging.disable(logging.CRITICAL)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        logging.disable(before)
