"""What a user may ask of an analysis."""

from __future__ import annotations

from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path

from sdtrace.attribution.op_table import OpTimes
from sdtrace.breakdowns.rules import Rules, load_rules
from sdtrace.errors import UsageError
from sdtrace.phases.timeline import PHASES


@dataclass(frozen=True)
class Options:
    """`phase` limits ops, kernels, categories, components and idle time to one phase; None is all."""

    rules: Rules
    phase: str | None = None
    op_times: OpTimes = OpTimes.TRUE

    @classmethod
    def of(cls, phase: str | None = None, op_times: str = "true", rules: Path | None = None) -> Options:
        """Options as typed. Raises UsageError when a phase is none or the rules cannot be used."""
        if phase is not None and phase not in PHASES:
            close = get_close_matches(phase, PHASES, n=1)
            hint = f"did you mean {close[0]!r}? " if close else ""
            raise UsageError(f"no phase {phase!r}; {hint}phases are {', '.join(PHASES)}")
        return cls(load_rules(rules), phase, OpTimes(op_times))
