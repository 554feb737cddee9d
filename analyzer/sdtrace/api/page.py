"""What a report of traces takes from an analysis beside its own report."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sdtrace.analysis.matched_work import steady_items
from sdtrace.analysis.story import Side, side_of
from sdtrace.api.analysis import Analysis
from sdtrace.report.exploration import Exploration, explored_page

if TYPE_CHECKING:
    from collections.abc import Sequence


def page_of(analysis: Analysis) -> Exploration:
    """The script's data and the tables of steady state, small enough to outlive the analysis."""
    explored = analysis._explored
    return explored_page(explored, analysis.report, analysis.options)


def side_of_one(analysis: Analysis, *, is_matched: bool) -> Side:
    """What a comparison needs of an analysis; its GPU work by op and shape only where that `is_matched`."""
    return side_of(analysis.study, steady_items(analysis._work) if is_matched else None)


def pages_of(analyses: Sequence[Analysis], formats: Sequence[str]) -> list[Exploration]:
    """One for each analysis where a page is asked for, else none."""
    return [page_of(one) for one in analyses] if "html" in formats else []
