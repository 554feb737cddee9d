"""What a user may ask of an analysis."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from sdtrace.analysis.part import WHOLE, Part
from sdtrace.attribution.op_table import OpTimes
from sdtrace.breakdowns.rules import Rules, load_rules
from sdtrace.errors import UsageError
from sdtrace.phases.timeline import PHASES
from sdtrace.suggestions import did_you_mean


@dataclass(frozen=True)
class Options:
    """`part` limits ops, kernels, categories, components, idle time and queue to a part of the run.

    `hta` adds the analyses of HolisticTraceAnalysis to the report.
    """

    rules: Rules
    part: Part = WHOLE
    op_times: OpTimes = OpTimes.TRUE
    hta: bool = False
    peaks: Path | None = None
    """A TOML file with what the card can do (docs/peaks.md), where it is to win over what else is known."""

    @classmethod
    def of(
        cls,
        phase: str | None = None,
        op_times: str = "true",
        rules: Path | None = None,
        hta: bool = False,
        peaks: Path | None = None,
    ) -> Options:
        """Options as typed. Raises UsageError when a phase is none or the rules cannot be used."""
        if phase is not None and phase not in PHASES:
            hint = did_you_mean(phase, PHASES)
            raise UsageError(f"no phase {phase!r}{hint}; phases are {', '.join(PHASES)}")
        return cls(load_rules(rules), Part(phase), OpTimes(op_times), hta, peaks)
