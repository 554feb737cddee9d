"""What `report.html` holds of an analysis beside its report."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sdtrace.api.analysis import Analysis
from sdtrace.report.exploration import Exploration, explored_page

if TYPE_CHECKING:
    from collections.abc import Sequence


def page_of(analysis: Analysis) -> Exploration:
    """The script's data and the tables of steady state, small enough to outlive the analysis."""
    explored = analysis._explored
    return explored_page(explored, analysis.report, analysis.options)


def pages_of(analyses: Sequence[Analysis], formats: Sequence[str]) -> list[Exploration]:
    """One for each analysis where a page is asked for, else none."""
    return [page_of(one) for one in analyses] if "html" in formats else []
