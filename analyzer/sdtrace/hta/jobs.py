"""Analyses of what only some traces have: profiler steps, several ranks, performance counters."""

from __future__ import annotations

import polars as pl

from sdtrace.hta.answers import Asked, Lacking, Table
from sdtrace.hta.exact import ExactAnalysis


def steps(hta: ExactAnalysis, _: Asked) -> list[Table]:
    """The numbers of the profiler's steps."""
    found = hta.get_profiler_steps()
    if not found:
        raise Lacking("the trace has no profiler steps (ProfilerStep#N)")
    return [Table("steps", "Profiler steps", pl.DataFrame({"step": [int(step) for step in found]}))]


def stragglers(hta: ExactAnalysis, _: Asked) -> list[Table]:
    """Ranks that start their communication later than others."""
    if len(hta.t.get_all_traces()) < 2:
        raise Lacking("the trace is of one rank; stragglers need those of several")
    found = pl.DataFrame({"rank": hta.get_potential_stragglers()}, schema={"rank": pl.Int64})
    return [Table("stragglers", "Late ranks", found)]


def counters(hta: ExactAnalysis, _: Asked) -> list[Table]:
    """Performance counters of kernels by op."""
    found = hta.get_cupti_counter_data_with_operators([hta.rank])
    if not found:
        raise Lacking("the trace has no CUPTI performance counters (cuda_profiler_range)")
    names = ("name", "top_level_op", "bottom_level_op", "dur")
    frame = found[0][[name for name in names if name in found[0]]]
    return [Table("counters", "Kernels with performance counters", pl.DataFrame(frame.to_dict("list")))]
