"""Ranks of one job as an object."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from sdtrace import model
from sdtrace.analysis.options import Options
from sdtrace.api.analysis import Analysis
from sdtrace.api.loading import Source, load
from sdtrace.errors import UsageError
from sdtrace.job.in_report import report_of_all
from sdtrace.job.rank import ranks_and_studies
from sdtrace.job.recognise import as_one_job
from sdtrace.units import counted

if TYPE_CHECKING:
    import polars as pl

    from sdtrace.hta.exact import ExactAnalysis


def load_job(*sources: Analysis | Source, options: Options | None = None) -> JobAnalysis:
    """Read the traces of the ranks of one job, one each or several in one file.

    Each is an `Analysis`, or what `load` takes. That they are of one job is taken for granted.

    Raises UsageError without any, or where two traces tell that they are the same rank; else as `load`.

    >>> import sdtrace
    >>> job = sdtrace.load_job(*getfixture("two_ranks"))
    >>> job
    <sdtrace.JobAnalysis of 2 ranks: 3 shared collectives>
    >>> job.late.sort("by_us")["doing"].to_list()[-1]
    'nothing recorded on the CPU for 19.3 ms after `aten::mm`'
    """
    if not sources:
        raise UsageError("load_job needs the traces of at least one rank")
    return JobAnalysis([one if isinstance(one, Analysis) else load(one, options) for one in sources])


class JobAnalysis:
    """What is known about ranks that worked together. `sdtrace.load_job` makes one.

    Tables are polars frames; docs/columns.md lists their columns under `job_ranks` and so on.
    """

    def __init__(self, analyses: Sequence[Analysis]) -> None:
        """Not for users: `sdtrace.load_job` knows what to pass. Raises UsageError as that does."""
        self.analyses = list(analyses)
        """Each trace by itself, in the order given."""
        self._ranks = [ranks_and_studies(one.study, one.options.rules) for one in analyses]
        self._report = report_of_all(
            [one.report for one in analyses],
            [[rank for rank, _ in ranks] for ranks in self._ranks],
            is_job=True,
        )

    @property
    def report(self) -> model.Job:
        """The record behind `job` in `report.json`: verdict, clocks, tables and findings.

        >>> job = getfixture("job")
        >>> job.report.clocks.collectives
        3
        """
        job = self._report.job
        if job is None:
            raise TypeError("a report of a job has a job")
        return job

    @cached_property
    def ranks(self) -> pl.DataFrame:
        """One row per rank: wall, compute, copies, communication and what of it is exposed or waiting.

        >>> getfixture("job").ranks["rank"].to_list()
        [0, 1]
        """
        return self._frame("ranks")

    @cached_property
    def idle(self) -> pl.DataFrame:
        """Idle time of each rank by cause.

        >>> getfixture("job").idle.columns
        ['rank', 'cause', 'us', 'gaps']
        """
        return self._frame("idle")

    @cached_property
    def collectives(self) -> pl.DataFrame:
        """Collectives by kind, size, type and group: calls, time, waiting and bandwidths.

        >>> getfixture("job").collectives["calls"].sum()
        3
        """
        return self._frame("collectives")

    @cached_property
    def late(self) -> pl.DataFrame:
        """The last rank to arrive at each collective, by how much, and what it was doing.

        >>> getfixture("job").late["by_us"].to_list()
        [0.0, 19385.0, 2000.0]
        """
        return self._frame("late")

    def hta(self) -> ExactAnalysis:
        """The ranks as a `hta.trace_analysis.TraceAnalysis` (HolisticTraceAnalysis), on one clock.

        Each rank has its number. `sdtrace.hta.exact.ExactAnalysis` says how exact it is and what it lacks.
        Raises UsageError when HTA is not installed (`pip install 'sdtrace[hta]'`).

        >>> hta = getfixture("job").hta()
        >>> hta.get_temporal_breakdown(visualize=False)["rank"].tolist()
        [0, 1]
        """
        from sdtrace.hta import job_analysis  # noqa: PLC0415  # only HTA needs it

        study_of = {id(rank.calls): study for ranks in self._ranks for rank, study in ranks}
        # Numbers are given anew, and calls stay the same object.
        job = as_one_job([[rank for rank, _ in ranks] for ranks in self._ranks])
        return job_analysis([(rank, study_of[id(rank.calls)]) for rank in job.ranks])

    def save(
        self, folder: str | Path, formats: Sequence[str] = ("html", "md", "json"), *, force: bool = False
    ) -> list[Path]:
        """Write reports of the job and its traces into `folder`, as `Analysis.save` does.

        >>> [path.name for path in getfixture("job").save(getfixture("tmp_path"), ["json"])]
        ['report.json']
        """
        from sdtrace.api.page import pages_of  # noqa: PLC0415  # only writing needs it
        from sdtrace.report.write import write_reports  # noqa: PLC0415  # as above

        pages = pages_of(self.analyses, formats)
        return write_reports(self._report, Path(folder), list(formats), top=25, force=force, pages=pages)

    def __repr__(self) -> str:
        """Such as `<sdtrace.JobAnalysis of 2 ranks: 12 shared collectives>`."""
        ranks, shared = len(self.report.ranks), len(self.report.late)
        return f"<sdtrace.JobAnalysis of {counted(ranks, 'rank')}: {counted(shared, 'shared collective')}>"

    def _frame(self, table: str) -> pl.DataFrame:
        from sdtrace.tables.frames import frame  # noqa: PLC0415  # polars takes 0.1 s to import

        return frame(f"job_{table}", getattr(self.report, table))
