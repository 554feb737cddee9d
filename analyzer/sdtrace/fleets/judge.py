"""What the runs of a store say together: changes, hosts, outliers, advice, trends."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, Literal

import numpy as np
import polars as pl

from sdtrace import units
from sdtrace.fleets import record
from sdtrace.fleets.hosts import outliers, slow_hosts
from sdtrace.fleets.robust import slope, spread
from sdtrace.fleets.scanning import collected
from sdtrace.fleets.series import MEASURES, RunSeries, Shift, all_series, levels, shifts
from sdtrace.fleets.store import Store
from sdtrace.fleets.waiting import late_hosts, said, waiting_jobs
from sdtrace.version import VERSION

HOURS: Final = 1000.0
"""GPU hours that savings are counted in, where nobody says how many there are."""
_TRACES: Final = (
    *("trace_id", "trace", "source", "day", "at", "work", "variant", "model", "card", "torch", "host"),
    *("commit", "job", "steady_source", *MEASURES),
)
_FACTS: Final = ("model", "card", "torch", "host")
_WITH_IT: Final = ("torch", "commit", "host", "job")
"""Facts that may explain a change."""
_AROUND: Final = 8
"""Runs on each side of a change whose kernels are compared."""
_MOST_MOVED: Final = 5
_MOST_SERIES: Final = 100
_MOST_DAYS: Final = 400
_MOST_VALUES: Final = 50
"""Of a fact, those with most runs."""
_MOST_FAILURES: Final = 20
_LEAST_FOR_TREND: Final = 8
_Medians = list[tuple[str, float, float]]


def judge(store: Store, hours: float = HOURS) -> record.FleetReport:
    """The report of a store. Raises UsageError while it holds no traces."""
    traces = collected(store.scan("traces").select(_TRACES))
    found = all_series(traces)
    moved = {one.key: [shift for measure in MEASURES for shift in shifts(one, measure)] for one in found}
    runs = _runs(found, moved)
    changes = [_change(store, one, shift) for one in found for shift in moved[one.key]]
    changes.sort(key=lambda change: -change.change_pct)
    hosts, failures = slow_hosts(runs, hours), store.failures()
    days = sorted(day for day in traces["day"].unique().to_list() if day)
    advice = _advice(store, traces.height, hours)
    jobs = waiting_jobs(store)
    summary = _summary(traces.height, changes, hosts, advice)
    return record.FleetReport(
        schema=record.REPORT_SCHEMA,
        version=VERSION,
        store=str(store.folder),
        traces=traces.height,
        unreadable=failures.height,
        first_day=days[0] if days else "",
        last_day=days[-1] if days else "",
        hours=hours,
        summary=" ".join(filter(None, (summary, said(jobs)))),
        series=[_series(one, moved[one.key]) for one in found[:_MOST_SERIES]],
        changes=changes,
        slow_hosts=hosts,
        outliers=outliers(runs),
        advice=advice,
        trends=[trend for fact in _FACTS for trend in _trends(runs, fact)],
        failures=failures["reason"].head(_MOST_FAILURES).to_list(),
        jobs=jobs,
        late_hosts=late_hosts(store),
    )


def _runs(found: Sequence[RunSeries], moved: dict[tuple[str, ...], list[Shift]]) -> pl.DataFrame:
    """Every run with what is usual there and then, and two ratios: to that, and to its whole series."""
    parts = []
    for one in found:
        of_steady = [shift for shift in moved[one.key] if shift.measure == "steady_us"]
        usual = levels(one, of_steady)
        values = one.values("steady_us")
        parts.append(
            one.rows.with_columns(
                pl.Series("usual_us", usual),
                pl.Series("ratio", values / usual),
                pl.Series("relative", values / np.nanmedian(values)),
            )
        )
    if parts:
        return pl.concat(parts)
    empty = dict.fromkeys(("usual_us", "ratio", "relative"), pl.Float64)
    return pl.DataFrame(schema={**dict.fromkeys(_TRACES, pl.String), **empty})


def _series(one: RunSeries, moved: Sequence[Shift]) -> record.Series:
    work, variant, card, source = one.key
    about = spread(one.values("steady_us"))
    last = levels(one, [shift for shift in moved if shift.measure == "steady_us"])[-1]
    return record.Series(
        work=work,
        variant=variant,
        card=card,
        source=source,
        runs=one.rows.height,
        first_day=one.rows["day"][0],
        last_day=one.rows["day"][-1],
        median_us=about.median,
        mad_us=about.mad,
        last_us=float(last),
        days=_days(one.rows),
    )


def _days(rows: pl.DataFrame) -> list[record.Day]:
    """The days of a series; of very many, the last ones."""
    found = rows.group_by("day", maintain_order=True).agg(pl.len(), pl.col("steady_us").median())
    return [record.Day(day=day, runs=n, median_us=us) for day, n, us in found.tail(_MOST_DAYS).iter_rows()]


def _change(store: Store, one: RunSeries, shift: Shift) -> record.Change:
    work, variant, card, _ = one.key
    before, after = one.rows[shift.start : shift.at], one.rows[shift.at : shift.end]
    return record.Change(
        measure=shift.measure,
        work=work,
        variant=variant,
        card=card,
        before_us=shift.before,
        after_us=shift.after,
        change_pct=100 * (shift.after / shift.before - 1),
        p=shift.p,
        runs_before=before.height,
        runs_after=after.height,
        first_trace=after["trace"][0],
        first_source=after["source"][0],
        first_day=after["day"][0],
        with_it=[told for fact in _WITH_IT if (told := _changed(fact, before, after))],
        moved=[] if shift.measure == "once_us" else _moved(store, before, after),
    )


def _changed(fact: str, before: pl.DataFrame, after: pl.DataFrame) -> str:
    """`torch 2.10 to 2.11` where all runs before have one value, and all after another; else ''."""
    values = [rows[fact].unique().to_list() for rows in (before, after)]
    if any(len(found) != 1 or not found[0] for found in values) or values[0] == values[1]:
        return ""
    return f"{fact} {values[0][0]} to {values[1][0]}"


def _moved(store: Store, before: pl.DataFrame, after: pl.DataFrame) -> list[record.Moved]:
    """Components and kernels whose GPU time changed most, of the runs around the change."""
    near = before["trace_id"].tail(_AROUND).to_list(), after["trace_id"].head(_AROUND).to_list()
    components = _medians(store, "components", "component", "gpu_us", near)
    kernels = _medians(store, "kernels", "name", "total_us", near)
    kinds: list[tuple[Literal["component", "kernel"], _Medians]] = [
        ("component", components),
        ("kernel", kernels),
    ]
    return [
        record.Moved(kind=kind, name=name, before_us=old, after_us=new)
        for kind, rows in kinds
        for name, old, new in rows[:_MOST_MOVED]
        if old != new
    ]


def _medians(store: Store, table: str, name: str, time: str, near: tuple[list[str], list[str]]) -> _Medians:
    """The median time of each name in an iteration, before and after, most changed first."""
    rows = collected(
        store.scan(table)
        .filter(pl.col("trace_id").is_in([*near[0], *near[1]]) & (pl.col("iterations") > 0))
        .group_by("trace_id", name)
        .agg((pl.col(time).sum() / pl.col("iterations").first()).alias("us"))
    )
    sums = [
        rows.filter(pl.col("trace_id").is_in(ids)).group_by(name).agg(pl.col("us").median()) for ids in near
    ]
    both = sums[0].join(sums[1], on=name, how="full", coalesce=True, suffix="_after").fill_null(0.0)
    ordered = both.sort((pl.col("us_after") - pl.col("us")).abs(), name, descending=[True, False])
    return [(row[0], row[1], row[2]) for row in ordered.select(name, "us", "us_after").iter_rows()]


def _advice(store: Store, traces: int, hours: float) -> list[record.Advice]:
    """Findings by how many GPU hours they would save, then by how many traces have them.

    Each trace stands for the same GPU time; of it a finding saves the share that its replay tells.
    """
    share = (pl.col("from_us") - pl.col("to_us")) / pl.col("from_us")
    rows = collected(
        store.scan("findings")
        .filter(pl.col("severity") != "info")
        .with_columns(share.alias("share"))
        .group_by("id")
        .agg(
            pl.col("title").sort_by("share", descending=True, nulls_last=True).first(),
            pl.col("trace_id").n_unique().alias("traces"),
            pl.col("share").sum(),
            pl.col("share").count().alias("known"),
        )
    )
    found = [
        record.Advice(
            id=row["id"],
            title=row["title"],
            traces=row["traces"],
            traces_pct=100 * row["traces"] / traces,
            hours=hours * row["share"] / traces if row["known"] else None,
        )
        for row in rows.iter_rows(named=True)
    ]
    return sorted(found, key=lambda one: (-(one.hours or 0), -one.traces, one.id))


def _trends(runs: pl.DataFrame, fact: str) -> list[record.Trend]:
    """Each value of a fact, those with most runs first."""
    groups = runs.filter(pl.col(fact) != "").partition_by(fact, maintain_order=True)
    groups.sort(key=lambda group: -group.height)
    return [_trend(fact, group.sort("at")) for group in groups[:_MOST_VALUES]]


def _trend(fact: str, rows: pl.DataFrame) -> record.Trend:
    months = rows["at"].dt.epoch("s").to_numpy() / (30 * 86400)
    enough = rows.height >= _LEAST_FOR_TREND and rows["day"].n_unique() > 1
    grown = slope(months, np.log(rows["relative"].to_numpy())) if enough else 0.0
    return record.Trend(
        fact=fact,
        value=rows[fact][0],
        runs=rows.height,
        first_day=rows["day"][0],
        last_day=rows["day"][-1],
        relative=float(np.median(rows["relative"].to_numpy())),
        pct_in_30_days=100 * float(np.expm1(grown)) if enough else None,
    )


def _summary(
    traces: int,
    changes: Sequence[record.Change],
    hosts: Sequence[record.SlowHost],
    advice: Sequence[record.Advice],
) -> str:
    """The store in a few sentences."""
    sentences = [f"{units.counted(traces, 'trace')}."]
    slower = [change for change in changes if change.change_pct > 0]
    if slower:
        worst = slower[0]
        places = {(change.work, change.variant, change.card, change.first_trace) for change in slower}
        sentences.append(
            f"{units.counted(len(places), 'regression')}; the largest: {MEASURES[worst.measure]} takes "
            f"{units.share(worst.change_pct)} more from {worst.first_trace} on ({worst.first_day})."
        )
    else:
        sentences.append("No regressions.")
    if hosts:
        named = ", ".join(f"{one.host} ({units.share(one.slower_pct)})" for one in hosts[:3])
        sentences.append(f"Slower than others with the same work: {named}.")
    if advice and advice[0].hours:
        sentences.append(f"Most to save: {advice[0].title} ({units.counted(advice[0].traces, 'trace')}).")
    return " ".join(sentences)
