"""HTA's analyses as a part of a report."""

from __future__ import annotations

from typing import Final

from msgspec import structs

from sdtrace.analysis.part import Selection
from sdtrace.hta.answers import Asked
from sdtrace.hta.beside import Ours, measures
from sdtrace.hta.exact import ExactAnalysis
from sdtrace.hta.report_rows import hta_results
from sdtrace.hta.results import ANALYSES, run
from sdtrace.model import TraceReport

_NOT_IN_A_REPORT: Final = frozenset({"tracks"})


def with_hta(report: TraceReport, part: Selection, hta: ExactAnalysis) -> TraceReport:
    """The report with `hta` and `hta_results` filled: HTA's analyses of the same part of the trace."""
    results = [run(hta, name, Asked()) for name in ANALYSES if name not in _NOT_IN_A_REPORT]
    return structs.replace(
        report, hta=measures(Ours(report, part), results), hta_results=hta_results(results)
    )
