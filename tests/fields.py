"""Small inputs of kinds that people meet (`tests/field`), studied and reported on."""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path

from sdtrace.analysis import Options
from sdtrace.analysis.study import Study, study_trace
from sdtrace.analysis.trace_report import report_on
from sdtrace.breakdowns.rules import load_rules
from sdtrace.model import Finding, TraceReport
from sdtrace.trace import load_trace

FIELD = Path(__file__).parent / "field"


@lru_cache(maxsize=8)
def study_of(name: str) -> Study:
    """The input of this name (`busy_idle.json`), studied."""
    return study_trace(load_trace(FIELD / name), load_rules(None))


def report_of(name: str, phase: str | None = None) -> TraceReport:
    """Its report, of all or of one phase."""
    return report_on(study_of(name), Options.of(phase))


def findings_of(name: str) -> dict[str, Finding]:
    """Its findings by id."""
    return {item.id: item for item in report_of(name).findings}
