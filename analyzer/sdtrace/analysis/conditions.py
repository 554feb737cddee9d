"""Conditions on a comparison, as typed: `steady_ms>+5%`, `launches>=2000`."""

from __future__ import annotations

import re
from operator import ge, gt, le, lt
from typing import Final, NamedTuple

from sdtrace.errors import UsageError
from sdtrace.suggestions import did_you_mean

METRICS: Final = {
    "steady_ms": "wall time of a steady iteration, without the profiler where all traces tell it",
    "gpu_ms": "GPU time of a steady iteration",
    "launches": "launches in a steady iteration",
    "paid_ms": "one-time cost: in the trace and before the profiler started",
    "before_profile_ms": "one-time cost before the profiler started",
    "overhead_ms": "one-time cost in the trace: the next four together",
    "compile_ms": "CPU time in torch.compile",
    "autotune_ms": "CPU time in autotuning",
    "capture_ms": "CPU time in CUDA graph capture",
    "warmup_ms": "what first calls take longer than steady ones",
    "peak_memory_mib": "most device memory in use, from the facts of the run",
}
"""What can be compared, and what it means."""
_OPERATORS: Final = {">": gt, "<": lt, ">=": ge, "<=": le}
_CONDITION: Final = re.compile(r"\s*(\w+)\s*(>=|<=|>|<)\s*([+-]?)(\d+(?:\.\d+)?)\s*(%?)\s*", re.ASCII)


class Condition(NamedTuple):
    """`METRIC OP VALUE`; a relative value is percent of change from the base."""

    text: str
    metric: str
    operator: str
    value: float
    is_relative: bool

    def limit(self, base: float) -> float:
        """The absolute value that `base` makes of it."""
        return base * (1 + self.value / 100) if self.is_relative else self.value

    def is_met(self, base: float, candidate: float) -> bool:
        """Whether a candidate's figure meets the condition."""
        return bool(_OPERATORS[self.operator](candidate, self.limit(base)))


def parse_condition(text: str) -> Condition:
    """A condition as typed. Raises UsageError that says what is wrong with it."""
    found = _CONDITION.fullmatch(text)
    if found is None:
        raise UsageError(
            f"cannot read the condition {text!r}; write METRIC OP VALUE with one of > < >= <=, "
            "such as 'steady_ms>200' or 'steady_ms>+5%'"
        )
    metric, operator, sign, digits, percent = found.groups()
    if metric not in METRICS:
        hint = did_you_mean(metric, METRICS)
        raise UsageError(f"no metric {metric!r} in {text!r}{hint}; metrics are {', '.join(METRICS)}")
    if percent and not sign:
        raise UsageError(f"{digits}% in {text!r}: up or down? write +{digits}% or -{digits}%")
    if sign and not percent:
        raise UsageError(
            f"{sign}{digits} in {text!r} is neither absolute ({digits}) nor relative ({sign}{digits}%)"
        )
    return Condition(text.strip(), metric, operator, float(sign + digits), bool(percent))
