"""Small inputs of kinds that people meet (`tests/field`), studied and reported on."""

from __future__ import annotations

from pathlib import Path

from sdtrace.analysis.study import Study
from sdtrace.model import Finding, TraceReport
from tests import loaded

FIELD = Path(__file__).parent / "field"


def study_of(name: str) -> Study:
    """The input of this name (`busy_idle.json`), studied."""
    return loaded.study_of(FIELD / name)


def report_of(name: str, phase: str | None = None) -> TraceReport:
    """Its report, of all or of one phase."""
    return loaded.report_of(FIELD / name, phase)


def findings_of(name: str) -> dict[str, Finding]:
    """Its findings by id."""
    return {item.id: item for item in report_of(name).findings}
