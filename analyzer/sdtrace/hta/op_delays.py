"""The kernels that each ATen op launches, and how long they take to begin."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

import numpy as np
import pandas as pd

from sdtrace.analysis.study import Study
from sdtrace.intervals import Bools, Int64s

_ATEN: Final = "aten::"
_COLUMNS: Final = (
    *("aten_op_name", "kernel_sequence", "occurrence_count"),
    *("avg_aten_op_launch_delay", "avg_runtime_delay"),
)


def op_delays(study: Study, inside: Bools, sort_by: Sequence[str]) -> Any:
    """The frame that HTA's `get_aten_op_kernels_and_delay` defines, of the events `inside` (bool, one each).

    HTA itself looks through all ops for each launch, takes those of other threads too, leaves out copies and
    fills, and fails where a launch has no work or several pieces of it.

    Columns: aten_op_name (str); kernel_sequence (str, names joined by " -> "); occurrence_count (int);
    avg_aten_op_launch_delay, from the start of the op to that of its first launch, and avg_runtime_delay,
    from there to its first kernel (float, microseconds, three decimals).
    """
    trace, work = study.trace, study.linked.work
    op = _aten_ops(study)
    held = np.flatnonzero((op >= 0) & (work.launch >= 0) & inside[work.row])
    launch, row, op = work.launch[held], work.row[held], op[held]
    start = trace.start_ns
    order = np.lexsort((start[row], start[launch], op))
    launch, row, op = launch[order], row[order], op[order]
    _, first, calls = np.unique(op, return_index=True, return_counts=True)
    names = np.array(trace.names, dtype=object)[trace.name[row]].tolist()
    host = study.linked.host
    each = pd.DataFrame(
        {
            "aten_op_name": np.array(trace.names, dtype=object)[host.name[op[first]]],
            "kernel_sequence": [
                " -> ".join(names[begin : begin + number])
                for begin, number in zip(first.tolist(), calls.tolist(), strict=True)
            ],
            "launch_delay": (start[launch[first]] - start[host.row[op[first]]]) / 1000,
            "runtime_delay": (start[row[first]] - start[launch[first]]) / 1000,
        }
    )
    if each.empty:
        return pd.DataFrame(columns=list(_COLUMNS))
    groups = each.groupby(["aten_op_name", "kernel_sequence"])
    found = groups.agg(
        occurrence_count=("launch_delay", "count"),
        avg_aten_op_launch_delay=("launch_delay", "mean"),
        avg_runtime_delay=("runtime_delay", "mean"),
    )
    return found.round(3).reset_index().sort_values(list(sort_by), ascending=False)


def _aten_ops(study: Study) -> Int64s:
    """The innermost ATen op around the launch of each piece of work, -1 for none."""
    host, op = study.linked.host, study.linked.work.op.copy()
    is_aten = np.array([name.startswith(_ATEN) for name in study.trace.names], np.bool_)[host.name]
    while (outside := np.flatnonzero((op >= 0) & ~is_aten[op])).size:
        op[outside] = host.tree_parent[op[outside]]
    return op
