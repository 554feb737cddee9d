"""A trace for HolisticTraceAnalysis (HTA), filled from our arrays. HTA's own loader never runs."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

from sdtrace.errors import UsageError
from sdtrace.intervals import Bools

if TYPE_CHECKING:
    from sdtrace.analysis.study import Study
    from sdtrace.hta.exact import ExactAnalysis


def trace_analysis(study: Study, chosen: Bools | None = None) -> ExactAnalysis:
    """A `hta.trace_analysis.TraceAnalysis` of a trace, its rank being 0; see `ExactAnalysis`.

    `chosen` (bool, one per event) limits it to a part of the events. Raises UsageError when HTA is not
    installed, or no event is left.
    """
    need_hta()
    from sdtrace.hta.exact import ExactAnalysis  # noqa: PLC0415  # HTA and pandas take a second to import

    return ExactAnalysis(study, chosen)


def need_hta() -> None:
    """Import HTA. Raises UsageError, which says how to install it, when it is not there."""
    try:
        import_module("sdtrace.hta.exact")
    except ImportError as error:
        missing = error.name or "HTA"
        raise UsageError(f"{missing} is not installed; run: pip install 'sdtrace[hta]'") from error
