"""Traces against one another, once it is clear that they did the same work."""

from __future__ import annotations

from collections.abc import Sequence

from msgspec.structs import replace

from sdtrace.analysis.conditions import parse_condition
from sdtrace.analysis.matched_work import steady_items
from sdtrace.analysis.regression import Depth, Regression, compare_traces
from sdtrace.analysis.same_work import differing_work
from sdtrace.analysis.speed_of_light import WorkStudy
from sdtrace.analysis.story import side_of
from sdtrace.api.analysis import Analysis
from sdtrace.api.loading import Source, load
from sdtrace.errors import DifferentWork
from sdtrace.job.in_report import why_no_variants
from sdtrace.job.rank import ranks_of
from sdtrace.model import TraceReport
from sdtrace.phases.timeline import STEADY
from sdtrace.safe_text import visible


def compare(
    base: Analysis | Source,
    *others: Analysis | Source,
    fail_on: Sequence[str] = (),
    allow_different_work: bool = False,
) -> Regression:
    """Compare traces with `base` by steady iteration: time, launches, memory, and which work moved.

    Each is an `Analysis`, or what `load` takes. `fail_on` are conditions such as `steady_ms>+5%`; the
    verdicts on them stand in the result, whose times are in the unit that their names end in.

    Raises DifferentWork when a trace did other work than `base` (model, size, steps, batch, images), or two
    are ranks of one job, unless `allow_different_work`; UsageError for a condition that is none, or that a
    trace does not tell enough for.

    >>> import sdtrace
    >>> found = sdtrace.compare(getfixture("eager_trace"), getfixture("eager_trace"))
    >>> [measure.change_pct for measure in found.differences[0].measures if measure.metric == "gpu_ms"]
    [0.0]
    """
    conditions = [parse_condition(text) for text in fail_on]
    first, *rest = (one if isinstance(one, Analysis) else load(one) for one in (base, *others))
    if not allow_different_work:
        if why := why_no_variants([ranks_of(one.study, one.options.rules) for one in (first, *rest)]):
            raise DifferentWork(f"{why}; --allow-different-work (allow_different_work=True) compares them")
        for other in rest:
            if how := differing_work(first.study, other.study):
                did = f"{other.name} did other work than {first.name}: {'; '.join(how)}"
                raise DifferentWork(f"{did}; --allow-different-work (allow_different_work=True) compares it")
    reports = [_steady(one) for one in (first, *rest)]
    studies = [one.study for one in (first, *rest)]
    items = [steady_items(WorkStudy(study)) for study in studies]
    depth = Depth([side_of(study) for study in studies], items)
    return compare_traces(reports[0], reports[1:], conditions, depth)


def _steady(one: Analysis) -> TraceReport:
    """The report on the steady phase; its name and path as text, which those of files need not be."""
    report = one.at(phase=STEADY).report
    return replace(report, name=visible(report.name), path=visible(report.path))
