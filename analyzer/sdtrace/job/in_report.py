"""A report of several traces, with the job that they are ranks of."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from msgspec import structs

from sdtrace import model
from sdtrace.analysis.comparison import build_report, unique_names
from sdtrace.analysis.story import Side
from sdtrace.job.rank import Rank
from sdtrace.job.recognise import Together, as_one_job, find_jobs
from sdtrace.job.report import report_on_job


def report_of_all(
    traces: Sequence[model.TraceReport],
    files: Sequence[Sequence[Rank]],
    baseline: str | None = None,
    *,
    is_job: bool = False,
    sides: Sequence[Side] | None = None,
) -> model.Report:
    """The report of `traces`, whose ranks are `files`; of a job only the first rank is compared with others.

    `is_job`: all are of one job, whatever they tell. `sides` (one per trace) tell what the comparison needs
    beyond the reports. Raises UsageError where they cannot be, and as
    `build_report` does.
    """
    named = unique_names(traces)
    called = [
        [replace(rank, name=trace.name) for rank in ranks] for trace, ranks in zip(named, files, strict=True)
    ]
    jobs = [as_one_job(called)] if is_job else find_jobs(called)
    jobs = [job for job in jobs if len(job.ranks) > 1 or len(traces) == 1]
    apart = {rank.name for job in jobs for rank in job.ranks} - {job.ranks[0].name for job in jobs}
    if baseline is not None and jobs and baseline in {rank.name for rank in jobs[0].ranks}:
        apart.add(baseline)
    report = build_report(named, baseline, apart, sides)
    return structs.replace(report, job=_with_others(jobs)) if jobs else report


def _with_others(jobs: Sequence[Together]) -> model.Job:
    """The largest job; of the others a word."""
    job = report_on_job(jobs[0])
    others = [", ".join(rank.name for rank in other.ranks) for other in jobs[1:]]
    if not others:
        return job
    finding = model.Finding(
        id="job.others",
        severity="info",
        title="These traces are of more than one job",
        evidence=f"This is the largest. Others: {'; '.join(others)}.",
        advice="Analyze each job by itself.",
        saving_us=None,
        confidence=jobs[0].confidence,
    )
    return structs.replace(job, findings=[*job.findings, finding])


def why_no_variants(files: Sequence[Sequence[Rank]]) -> str:
    """Why traces are no variants of one another: that they are ranks of one job; '' where they are not."""
    job = next((job for job in find_jobs(files) if len({rank.path for rank in job.ranks}) > 1), None)
    if job is None:
        return ""
    names = " and ".join(rank.name for rank in job.ranks)
    numbers = " and ".join(str(rank.number) for rank in job.ranks)
    return (
        f"{names} are ranks {numbers} of one job, and wait for each other: neither is a variant of the other"
    )
