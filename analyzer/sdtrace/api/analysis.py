"""One trace, or a part of it, as an object."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import fields, replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sdtrace import model
from sdtrace.analysis.options import Options
from sdtrace.analysis.part import Part
from sdtrace.analysis.speed_of_light import WorkStudy
from sdtrace.analysis.study import Study
from sdtrace.analysis.trace_report import op_record, report_on
from sdtrace.api import event_frames
from sdtrace.api.tables import Tables
from sdtrace.attribution.op_table import OpTimes
from sdtrace.job.in_report import report_of_all
from sdtrace.job.rank import ranks_of
from sdtrace.units import counted

if TYPE_CHECKING:
    import polars as pl

    from sdtrace.analysis.trace_report import Known
    from sdtrace.explore import Explored
    from sdtrace.hta.exact import ExactAnalysis

_TOP = 25
"""Rows of long tables in written reports."""


class Analysis(Tables):
    """What is known about one trace, or about a part of it (see `at`). `sdtrace.load` makes one.

    Tables are polars frames with the columns of `report.json`, which docs/columns.md lists with types and
    units: names that end in `_us` are microseconds, exact to the nanosecond; `pct` is percent of device work.
    Each frame is made when it is first asked for, and kept.
    """

    def __init__(self, study: Study, options: Options) -> None:
        """Not for users: `sdtrace.load` knows what to pass. Raises UsageError when there is no such part."""
        self.study = study
        self.options = options
        study.select(options.part)

    @property
    def name(self) -> str:
        """What the trace is called: its file's name without what tells the format.

        >>> getfixture("eager").name
        'h200-fp32_eager'
        """
        return self.study.trace.label

    @cached_property
    def report(self) -> model.TraceReport:
        """The record behind `report.json`, with attributes of the names that stand there.

        Raises UsageError when the options ask for HTA and it is not installed.

        >>> getfixture("eager").report.gpu.launches
        1366
        """
        report = report_on(self.study, self.options, self._work, self._known)
        if not self.options.hta:
            return report
        hta = self.hta()
        from sdtrace.hta.in_report import with_hta  # noqa: PLC0415  # only HTA needs it

        return with_hta(report, self._selection, hta)

    @cached_property
    def events(self) -> pl.DataFrame:
        """Every complete event of the part, one row each; columns as in `sdtrace.api.event_frames.events`.

        Columns: name, category, thread, stream, phase, component, work_category, op, shapes (String);
        start_ns, dur_ns, external_id, correlation, nbytes, iteration, step (Int64).

        >>> getfixture("eager").events.columns[:3]
        ['name', 'category', 'thread']
        """
        return event_frames.events(self._selection)

    @cached_property
    def launches(self) -> pl.DataFrame:
        """Every piece of device work of the part beside its launch and op; see `event_frames.launches`.

        Columns: name, kind, category, device, stream, launch, op, phase, component (String); start_ns,
        dur_ns, launch_start_ns, launch_dur_ns, correlation, nbytes, iteration, step (Int64).

        >>> getfixture("eager").launches.columns[:3]
        ['name', 'kind', 'category']
        """
        return event_frames.launches(self._selection)

    @cached_property
    def memory(self) -> pl.DataFrame:
        """The allocators over time, of the whole trace; empty without `profile_memory=True`.

        Columns: time_us (Float64), since the first event; device (String), such as `cuda:0`; allocated_bytes,
        reserved_bytes (Int64), null where the trace does not tell.

        >>> getfixture("eager").memory.columns
        ['time_us', 'device', 'allocated_bytes', 'reserved_bytes']
        """
        return event_frames.memory(self.study.trace)

    def table(
        self,
        sort_by: str | None = None,
        row_limit: int = 100,
        max_name_column_width: int = 55,
        op_times: str = "torch",
    ) -> str:
        """What `key_averages().table()` prints, rebuilt from the file; arguments as torch has them.

        `op_times="true"` counts each kernel once, for the op that launched it. Raises UsageError for a key to
        sort by that torch does not know.

        >>> a = getfixture("eager")
        >>> print(a.table("self_cuda_time_total", row_limit=1).splitlines()[1].split()[0])
        Name
        """
        from sdtrace.report.torch_table import render_table  # noqa: PLC0415  # only a table needs it

        rows = self.study.op_rows(OpTimes(op_times), self.options.part)
        return render_table(
            [op_record(row) for row in rows],
            sort_by=sort_by,
            row_limit=row_limit,
            max_name_column_width=max_name_column_width,
            device_name=event_frames.device_name(self.study.trace),
            ranges_as_torch=op_times == "torch",
        )

    def at(
        self,
        *,
        phase: str | None = None,
        component: str | None = None,
        iteration: int | None = None,
        step: int | None = None,
    ) -> Analysis:
        """The same trace, limited to a part; what several arguments have in common.

        Device work belongs to the instant and thread of its launch, host events to those of their start.
        Iterations and steps count from 0; a step is one of each iteration, or of `iteration` alone. `ops`,
        `ops_by_shape`, `kernels`, `categories`, `components`, `idle`, `events`, `launches` and the sums of
        `report.gpu` and `report.queue` are limited; `waterfall`, `phases`, `iterations`, `steps`, `memory`,
        `compile_stages`, `devices` and `findings` are always those of the whole trace.

        Raises UsageError when there is no such phase, component, iteration or step.

        >>> a = getfixture("eager")
        >>> unet = a.at(phase="steady", component="unet")
        >>> bool(unet.kernels["total_us"].sum() < a.kernels["total_us"].sum())
        True
        """
        asked = Part(phase, component, iteration, step)
        given = {
            item.name: value for item in fields(Part) if (value := getattr(asked, item.name)) is not None
        }
        part = replace(self.options.part, **given)
        return Analysis(self.study, replace(self.options, part=part))

    def query(self, sql: str) -> pl.DataFrame:
        """The rows that `sql` selects from the tables that `sdtrace query --tables` lists.

        Raises UsageError when the query is wrong, or reads anything but the trace.

        >>> a = getfixture("eager")
        >>> a.query("SELECT sum(dur_ns) AS ns FROM launches WHERE kind = 'kernel'")["ns"][0] > 0
        True
        """
        from sdtrace.api.sql import query  # noqa: PLC0415  # only a query needs it

        return query([self], sql)

    def hta(self) -> ExactAnalysis:
        """The part as a `hta.trace_analysis.TraceAnalysis` (HolisticTraceAnalysis) of one rank, 0.

        Its frame comes from the events that are already read; HTA's loader does not run. Times are exact to
        the nanosecond; `sdtrace.hta.exact.ExactAnalysis` says how, and what the frame lacks.

        Raises UsageError when HTA is not installed (`pip install 'sdtrace[hta]'`), or the part is empty.
        docs/hta.md has more examples.

        >>> hta = getfixture("eager").hta()
        >>> hta.get_temporal_breakdown(visualize=False)["idle_time(us)"].tolist()
        [51584.979]
        """
        from sdtrace.hta import trace_analysis  # noqa: PLC0415  # only HTA needs it

        whole = self.options.part.is_whole
        return trace_analysis(self.study, None if whole else event_frames.chosen(self._selection))

    def save(
        self,
        folder: str | Path,
        formats: Sequence[str] = ("html", "md", "json"),
        *,
        top: int = _TOP,
        force: bool = False,
    ) -> list[Path]:
        """Write reports into `folder`: any of html, md, json, csv and parquet; the files that were written.

        Raises OutputError when one cannot be written or, without `force`, is there already and not as
        sdtrace wrote it; UsageError for an unknown format.

        >>> [path.name for path in getfixture("eager").save(getfixture("tmp_path"), ["json"])]
        ['report.json']
        """
        from sdtrace.api.page import pages_of  # noqa: PLC0415  # only writing needs it
        from sdtrace.report.write import write_reports  # noqa: PLC0415  # as above

        pages = pages_of([self], formats)
        report = report_of_all([self.report], [ranks_of(self.study, self.options.rules)])
        return write_reports(report, Path(folder), list(formats), top=top, force=force, pages=pages)

    def __repr__(self) -> str:
        """Such as `<sdtrace.Analysis of x: 2 images, 9,988 events>`."""
        report = self.report
        what = counted(len(report.iterations), report.noun)
        part = "" if self.options.part.is_whole else f" at {self.options.part}"
        return f"<sdtrace.Analysis of {self.name}{part}: {what}, {counted(report.events.total, 'event')}>"

    def _repr_html_(self) -> str:
        """Headline, phases and findings, for a notebook."""
        from sdtrace.report.notebook import render_notebook  # noqa: PLC0415  # only a notebook needs it

        return render_notebook(self.report)

    @cached_property
    def _work(self) -> WorkStudy:
        return WorkStudy(self.study, self.options.peaks)

    @property
    def _known(self) -> Known | None:
        """The tables that follow from the sums for a page, where these are there already."""
        if "_explored" not in self.__dict__ or not self.options.part.is_whole:
            return None
        from sdtrace.explore.limited import known_tables  # noqa: PLC0415  # only a page needs it

        return known_tables(self._explored)

    @cached_property
    def _explored(self) -> Explored:
        """Sums for `report.html`; asked for before the report, which then takes its tables from them."""
        from sdtrace.explore import explore  # noqa: PLC0415  # only a page needs it

        return explore(self._work, self.options)

    @cached_property
    def _selection(self) -> Any:
        return self.study.select(self.options.part)

    @cached_property
    def _frames(self) -> dict[str, pl.DataFrame]:
        return {}

    def _frame(self, table: str) -> pl.DataFrame:
        from sdtrace.tables.frames import frame  # noqa: PLC0415  # polars takes 0.1 s to import

        if table not in self._frames:
            self._frames[table] = frame(table, getattr(self.report, table))
        return self._frames[table]
