"""HTA's analyses as a part of a report."""

from __future__ import annotations

from typing import Final

from msgspec import structs

from sdtrace.analysis.part import Selection
from sdtrace.hta.answers import Asked, Result
from sdtrace.hta.beside import Ours, measures
from sdtrace.hta.exact import ExactAnalysis
from sdtrace.hta.loaded import RANK
from sdtrace.hta.report_rows import hta_results
from sdtrace.hta.results import ANALYSES, run
from sdtrace.model import TraceReport

_NOT_IN_A_REPORT: Final = frozenset({"tracks"})
_MOST_EVENTS: Final = 100_000
_SLOW: Final = frozenset({"sequences"})
"""HTA takes ten seconds and more for these with more events than that."""


def with_hta(report: TraceReport, part: Selection, hta: ExactAnalysis) -> TraceReport:
    """The report with `hta` and `hta_results` filled: HTA's analyses of the same part of the trace."""
    results = [_run(hta, name) for name in ANALYSES if name not in _NOT_IN_A_REPORT]
    return structs.replace(
        report, hta=measures(Ours(report, part), results), hta_results=hta_results(results)
    )


def _run(hta: ExactAnalysis, name: str) -> Result:
    number = len(hta.nanoseconds.get_trace(RANK))
    if name in _SLOW and number > _MOST_EVENTS:
        return Result(
            name, [], f"left out, for {number:,} events take HTA long; run sdtrace hta --only {name}"
        )
    return run(hta, name, Asked())
