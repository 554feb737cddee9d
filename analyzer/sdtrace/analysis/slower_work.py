"""The same work in two traces, slower in one: what a compiler or another layout made worse."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Mapping
from typing import Final, NamedTuple

from sdtrace import model
from sdtrace.model.work import OpByShape

_SLOWER: Final = 1.1
"""Times per call; kernels of one shape differ by less from run to run."""
_LEAST_SHARE: Final = 0.0005
"""Of the base's device time; less is not worth a line."""
_TRITON: Final = re.compile(r"^triton_\w*?_fused_")
_HEART: Final = re.compile(r"native_group_norm|native_layer_norm|_fused_rms_norm|_?softmax")
"""What a fused kernel is known by, however much of its neighbours is in it."""


class SameWork(NamedTuple):
    """Device microseconds and calls in a steady iteration."""

    us: float
    calls: float


def slower_work(
    base: model.TraceReport, candidate: model.TraceReport
) -> dict[str, tuple[SameWork, SameWork]]:
    """Work that both do as often, and the candidate slower by a tenth; what grew most comes first.

    Ops are the same where name, shapes and types are; fused kernels of Inductor where they hold a norm or a
    softmax in both, all of one kind together.
    """
    before, after = _work(base), _work(candidate)
    total_us = sum(work.us for work in before.values())
    found = {
        name: (before[name], after[name])
        for name in before.keys() & after.keys()
        if _is_slower(name, before[name], after[name])
        and after[name].us - before[name].us >= _LEAST_SHARE * total_us
    }
    return dict(sorted(found.items(), key=lambda pair: pair[1][0].us - pair[1][1].us))


def _work(trace: model.TraceReport) -> Mapping[str, SameWork]:
    n = trace.steady.iterations if trace.steady else 0
    sums: defaultdict[str, list[float]] = defaultdict(lambda: [0.0, 0.0])
    for row in trace.ops_by_shape if n else ():
        name = _name(row)
        if name:
            sums[name][0] += row.device_us / n
            sums[name][1] += row.calls / n
    return {name: SameWork(us, calls) for name, (us, calls) in sums.items()}


def _name(row: OpByShape) -> str:
    if not _TRITON.match(row.op):
        return f"{row.op} {row.input_dims} {row.input_types}"
    found = _HEART.search(row.op)
    return f"{found[0].strip('_')}, fused" if found else ""


def _is_slower(name: str, before: SameWork, after: SameWork) -> bool:
    if name.endswith(", fused"):
        # Fusion cuts the work of one norm into as many kernels as it likes.
        return after.us >= _SLOWER * before.us
    is_as_often = abs(after.calls - before.calls) <= 0.01 * before.calls
    return is_as_often and after.us / after.calls >= _SLOWER * before.us / before.calls
