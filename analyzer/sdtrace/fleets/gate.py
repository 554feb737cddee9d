"""A trace against what earlier runs of the same work on the same card had."""

from __future__ import annotations

import io
from collections.abc import Iterator, Mapping
from typing import Any, Final, NamedTuple

import numpy as np
import polars as pl

from sdtrace import units
from sdtrace.errors import UnreadableTrace, UsageError
from sdtrace.fleets import record
from sdtrace.fleets.facts import check
from sdtrace.fleets.items import Outcome, Task, encode
from sdtrace.fleets.jobs import update_jobs
from sdtrace.fleets.robust import TO_SIGMA, Values, spread
from sdtrace.fleets.scanning import collected
from sdtrace.fleets.series import MEASURES
from sdtrace.fleets.sources import resolve
from sdtrace.fleets.store import Store, alone
from sdtrace.fleets.task import outcome_of
from sdtrace.version import VERSION

_COMPONENT: Final = "GPU time of "
_ONCE: Final = "once_us"
_NEGLIGIBLE: Final = 0.01
"""Share of GPU time below which a component is not judged."""


class Limits(NamedTuple):
    """How far from the median a run may lie: `mads` times 1.4826 MAD or `least_pct`, whichever is more.

    Fewer than `runs` earlier runs are not enough; of more than `last`, the latest count.
    """

    mads: float = 4.0
    least_pct: float = 5.0
    runs: int = 5
    last: int = 50


def task_of(source: str, facts: Mapping[str, str] | None = None, from_path: str = "") -> Task:
    """The task of reading one trace. Raises UsageError where `source` names several, or a fact is none."""
    given = dict(facts or {})
    check(given, from_path)
    found = resolve([source])
    if len(found) > 1:
        raise UsageError(f"{source}: names {len(found)} traces; give one")
    if isinstance(found[0], UnreadableTrace):
        raise found[0]
    return Task(found[0], given, from_path)


def read(task: Task) -> Outcome:
    """The tables of the trace that is to be judged. Raises UnreadableTrace when it cannot be read."""
    outcome = outcome_of(task)
    if outcome.status != "done":
        raise UnreadableTrace(outcome.reason)
    return outcome


def judge_trace(store: Store, outcome: Outcome, limits: Limits) -> record.Gate:
    """Hold a trace against the runs of a store that did the same work on the same card, itself left out."""
    tables = {name: pl.read_ipc_stream(io.BytesIO(packed)) for name, packed in outcome.tables.items()}
    mine = tables["traces"].row(0, named=True)
    earlier = _earlier(store, mine, limits.last)
    rows = list(_rows(store, tables, mine, earlier, limits)) if earlier.height >= limits.runs else []
    enough = f"{units.counted(earlier.height, 'earlier run')} of this work on this card"
    return record.Gate(
        schema=record.GATE_SCHEMA,
        version=VERSION,
        trace=mine["trace"],
        work=mine["work"],
        variant=mine["variant"],
        card=mine["card"],
        runs=earlier.height,
        rows=rows,
        note="" if rows else f"Nothing was judged: {enough}, and {limits.runs} are needed.",
    )


def learn(store: Store, outcome: Outcome) -> None:
    """Add the trace to the store. Raises OutputError while another process writes it."""
    with alone(store.folder):
        digests = store.digests()
        store.spool(encode(outcome))
        store.commit(digests)
        update_jobs(store)


def _earlier(store: Store, mine: dict[str, Any], last: int) -> pl.DataFrame:
    """Runs of the same work, in order of time; those that began later are none of them."""
    if not store.log.files:
        return pl.DataFrame()
    same = pl.all_horizontal(*(pl.col(name) == mine[name] for name in ("work", "variant", "card")))
    rows = store.scan("traces").filter(same & (pl.col("trace_id") != mine["trace_id"]))
    if mine["at"] is not None:
        rows = rows.filter(pl.col("at").is_null() | (pl.col("at") <= mine["at"]))
    return collected(rows.sort("at").tail(last))


def _rows(
    store: Store,
    tables: dict[str, pl.DataFrame],
    mine: dict[str, Any],
    earlier: pl.DataFrame,
    limits: Limits,
) -> Iterator[record.GateRow]:
    for measure, said in MEASURES.items():
        before = earlier
        if measure == "steady_us":
            before = earlier.filter(pl.col("steady_source") == mine["steady_source"])
        values = before[measure].drop_nulls().to_numpy()
        least_us = limits.least_pct / 100 * (mine["steady_us"] or 0) if measure == _ONCE else 0.0
        yield from _row(said, mine[measure], values, limits, least_us)
    ours = _components(tables["components"].lazy())
    theirs = _components(store.scan("components"), earlier["trace_id"].to_list())
    total = sum(ours["us"].to_list())
    for name, value in ours.select("component", "us").iter_rows():
        if value >= _NEGLIGIBLE * total:
            values = theirs.filter(pl.col("component") == name)["us"].to_numpy()
            yield from _row(f"{_COMPONENT}{name}", value, values, limits)


def _components(rows: pl.LazyFrame, traces: list[str] | None = None) -> pl.DataFrame:
    """GPU time of each component in a steady iteration, trace by trace."""
    if traces is not None:
        rows = rows.filter(pl.col("trace_id").is_in(traces))
    time = pl.col("gpu_us") / pl.col("iterations")
    steady = rows.filter(pl.col("iterations") > 0)
    return collected(steady.select("trace_id", "component", time.alias("us")))


def _row(
    said: str, value: float | None, values: Values, limits: Limits, least_us: float = 0.0
) -> Iterator[record.GateRow]:
    """The measure against its earlier values; nothing where one side does not tell it.

    `least_us` is what it may always differ by: of what is paid once, where that is next to nothing.
    """
    if value is None or len(values) < limits.runs or not np.isfinite(values).all():
        return
    median, mad = spread(values)
    by_share = limits.least_pct / 100 * median
    limit = median + max(limits.mads * TO_SIGMA * mad, by_share, least_us)
    state: record.State = "usual"
    if abs(value - median) > limit - median:
        state = "worse" if value > median else "better"
    shown = [units.duration(us) for us in (median, mad, limit)]
    least = f", {units.duration(least_us)}" if least_us > by_share else ""
    yield record.GateRow(
        measure=said,
        us=value,
        runs=len(values),
        median_us=median,
        mad_us=mad,
        limit_us=limit,
        state=state,
        arithmetic=f"{shown[0]} + max({limits.mads:g} x {TO_SIGMA} x {shown[1]}, {limits.least_pct:g} % of "
        f"{shown[0]}{least}) = {shown[2]}",
    )
