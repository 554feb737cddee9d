"""A trace for HolisticTraceAnalysis (HTA), filled from our arrays. HTA's own loader never runs."""

from __future__ import annotations

from collections.abc import Sequence
from importlib import import_module
from typing import TYPE_CHECKING

from sdtrace.errors import UsageError
from sdtrace.intervals import Bools
from sdtrace.job.clocks import set_clocks
from sdtrace.job.matching import match_calls
from sdtrace.job.rank import Rank

if TYPE_CHECKING:
    from sdtrace.analysis.study import Study
    from sdtrace.hta.exact import ExactAnalysis


def trace_analysis(study: Study, chosen: Bools | None = None) -> ExactAnalysis:
    """A `hta.trace_analysis.TraceAnalysis` of a trace, its rank being 0; see `ExactAnalysis`.

    `chosen` (bool, one per event) limits it to a part of the events. Raises UsageError when HTA is not
    installed, or no event is left.
    """
    need_hta()
    from sdtrace.hta.exact import ExactAnalysis, OneRank  # noqa: PLC0415  # HTA and pandas take a second
    from sdtrace.hta.loaded import RANK  # noqa: PLC0415  # as above

    return ExactAnalysis({RANK: OneRank(study, chosen)})


def job_analysis(ranks: Sequence[tuple[Rank, Study]]) -> ExactAnalysis:
    """The same of ranks of one job under their numbers, on the clock that their collectives set.

    Raises UsageError when HTA is not installed, or a rank has no event.
    """
    need_hta()
    from sdtrace.hta.exact import ExactAnalysis, OneRank  # noqa: PLC0415  # as above

    job = [rank for rank, _ in ranks]
    clocks = set_clocks(job, match_calls(job))
    return ExactAnalysis(
        {
            rank.number or 0: OneRank(study, add_ns=clocks.base_ns[place])
            for place, (rank, study) in enumerate(ranks)
        }
    )


def need_hta() -> None:
    """Import HTA. Raises UsageError, which says how to install it, when it is not there."""
    try:
        import_module("sdtrace.hta.exact")
    except ImportError as error:
        missing = error.name or "HTA"
        raise UsageError(f"{missing} is not installed; run: pip install 'sdtrace[hta]'") from error
