"""The tables of HolisticTraceAnalysis in a report; empty without `--hta`."""

from __future__ import annotations

from typing import Final

from sdtrace import model, units
from sdtrace.tables.columns import READ, Column, Kind
from sdtrace.tables.notes import hta_note
from sdtrace.tables.shared_columns import DATA_ONLY, PAGES_AND_DATA
from sdtrace.tables.table import Table


def _figure(time_us: float | None, number: int | None) -> str:
    return units.count(number) if time_us is None else units.duration(time_us)


def _difference(row: model.HtaMeasure) -> str:
    if row.difference_us is None:
        return f"{(row.hta_count or 0) - (row.ours_count or 0):+,}"
    return f"{row.difference_us:+,.3f} µs"


HTA: Final = Table(
    id="hta",
    title="HTA beside sdtrace",
    record=model.HtaMeasure,
    rows=lambda trace: trace.hta,
    help="What HolisticTraceAnalysis and sdtrace both measure. Filled with --hta.",
    is_wide=True,
    is_complete=True,
    columns=(
        Column("measure", "Measure", Kind.TEXT, "What both measure."),
        Column("ours_us", "sdtrace", Kind.TIME, "The time that sdtrace finds.", DATA_ONLY),
        Column("hta_us", "HTA", Kind.TIME, "The time that HTA finds in the same events.", DATA_ONLY),
        Column("difference_us", "Difference", Kind.TIME, "HTA less sdtrace.", DATA_ONLY),
        Column("ours_count", "sdtrace", Kind.COUNT, "The number that sdtrace finds.", DATA_ONLY),
        Column("hta_count", "HTA", Kind.COUNT, "The number that HTA finds in the same events.", DATA_ONLY),
        Column(
            "ours",
            "sdtrace",
            Kind.FIGURE,
            "What sdtrace finds.",
            READ,
            lambda row: _figure(row.ours_us, row.ours_count),
        ),
        Column(
            "theirs",
            "HTA",
            Kind.FIGURE,
            "What HTA finds in the same events.",
            READ,
            lambda row: _figure(row.hta_us, row.hta_count),
        ),
        Column("difference", "Difference", Kind.FIGURE, "HTA less sdtrace, exactly.", READ, _difference),
        Column("reason", "Reason", Kind.PROSE, "Why they differ, or why they do not.", PAGES_AND_DATA),
    ),
    note=hta_note,
)

HTA_RESULTS: Final = Table(
    id="hta_results",
    title="HTA's analyses",
    record=model.HtaResult,
    rows=lambda trace: trace.hta_results,
    help="The first rows of HolisticTraceAnalysis's analyses. Filled with --hta; `sdtrace hta` has all.",
    is_wide=True,
    is_complete=True,
    columns=(
        Column("item", "Item", Kind.NAME, "What the figures are of.", PAGES_AND_DATA),
        Column("analysis", "Analysis", Kind.TEXT, "As `sdtrace hta --only` names it.", PAGES_AND_DATA),
        Column("total_us", "Time", Kind.TIME, "The time that HTA finds.", PAGES_AND_DATA, optional=True),
        Column("pct", "Share", Kind.SHARE, "Percent of the whole.", PAGES_AND_DATA, optional=True),
        Column("count", "Number", Kind.COUNT, "How many.", PAGES_AND_DATA, optional=True),
        Column("note", "Note", Kind.PROSE, "What it is of, or what the trace lacks.", PAGES_AND_DATA),
    ),
)
