"""SQL over analyses, and over nothing else: polars could read any file by the name of a function."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Final

import polars as pl

from sdtrace.errors import UsageError
from sdtrace.fleets.scanning import collected

if TYPE_CHECKING:
    from collections.abc import Mapping

    from sdtrace.api.analysis import Analysis
    from sdtrace.fleets.store import Store

TABLES: Final[dict[str, Callable[[Analysis], pl.DataFrame]]] = {
    "events": lambda one: one.events,
    "launches": lambda one: one.launches,
    "ops": lambda one: one.ops,
    "ops_by_shape": lambda one: one.ops_by_shape,
    "waterfall": lambda one: one.waterfall,
    "kernels": lambda one: one.kernels,
    "categories": lambda one: one.categories,
    "components": lambda one: one.components,
    "phases": lambda one: one.phases,
    "iterations": lambda one: one.iterations,
    "steps": lambda one: one.steps,
    "idle": lambda one: one.idle,
    "compile_stages": lambda one: one.compile_stages,
    "devices": lambda one: one.devices,
    "memory": lambda one: one.memory,
    "findings": lambda one: one.findings,
}
"""Each table, and how an analysis makes it."""
_READERS: Final = re.compile(r"(?<!\w)read_(?:csv|parquet|ipc|json|ndjson)(?!\w)", re.IGNORECASE)
"""Polars' table functions. They are refused anywhere, in texts and comments too: only polars' parser
knows for sure what is a text or a comment."""
_COLUMNS: Final = re.compile(r"; valid columns: \[.*\]$")
"""What polars adds to an error; `_there_is` says it by table."""
_SCAN: Final = re.compile(r"^\s*(?!DF\b)\w+ SCAN\b(?: \[([^,\]]*))?", re.MULTILINE)
"""A file in a plan of polars, should a later version have more of these functions."""
STORE_TABLES: Final = (
    *("traces", "ops", "kernels", "categories", "components", "iterations", "findings"),
    *("jobs", "job_ranks", "failures"),
)
"""Those of `sdtrace.fleets.tables` and of jobs, and what could not be read."""


def query(analyses: Sequence[Analysis], sql: str) -> pl.DataFrame:
    """The rows that `sql` selects from the tables of `TABLES`; each has a first column `trace`.

    Raises UsageError when it is wrong, asks for nothing, or reads anything else.
    """
    asked = {name: make for name, make in TABLES.items() if _speaks_of(name, sql)}
    return run_sql({name: _all_traces(analyses, make) for name, make in asked.items()}, sql)


def query_store(store: Store, sql: str) -> pl.DataFrame:
    """The rows that `sql` selects from the tables of a store (`STORE_TABLES`), of whose files only those
    parts are read that it needs. Raises as `query` does.
    """
    asked = [name for name in STORE_TABLES if _speaks_of(name, sql)]
    frames = {name: store.failures().lazy() if name == "failures" else store.scan(name) for name in asked}
    return run_sql(frames, sql, str(store.folder))


def run_sql(
    frames: Mapping[str, pl.DataFrame | pl.LazyFrame], sql: str, folder: str | None = None
) -> pl.DataFrame:
    """The rows that `sql` selects from `frames`, which may read files of `folder`. Raises as `query` does."""
    if _READERS.search(sql):
        raise _other_table()
    try:
        plan = pl.SQLContext(frames).execute(sql, eager=False)
        scans = _SCAN.findall(plan.explain(optimized=False))
        if any(folder is None or not path.startswith(folder) for path in scans):
            raise _other_table()
        result = plan.collect() if folder is None else collected(plan)
    except pl.exceptions.PolarsError as error:
        reason = _COLUMNS.sub("", (str(error).splitlines() or ["no reason given"])[0])
        raise UsageError(f"the query failed: {reason}; {_there_is(frames)}") from error
    if not result.columns:
        raise UsageError("the query asks for nothing; write SELECT ... FROM events")
    return result


def _speaks_of(name: str, sql: str) -> bool:
    return re.search(rf"(?<!\w){name}(?!\w)", sql, re.IGNORECASE) is not None


def _all_traces(analyses: Sequence[Analysis], make: Callable[[Analysis], pl.DataFrame]) -> pl.DataFrame:
    parts = [make(one).select(pl.lit(one.name, pl.String).alias("trace"), pl.all()) for one in analyses]
    return pl.concat(parts)


def _there_is(frames: Mapping[str, pl.DataFrame | pl.LazyFrame]) -> str:
    """The columns of the tables that the query names, else the tables."""
    if not frames:
        return f"tables: {', '.join(TABLES)}"
    return "; ".join(
        f"{name} has {', '.join(frame.lazy().collect_schema().names())}" for name, frame in frames.items()
    )


def _other_table() -> UsageError:
    return UsageError("a query reads only the trace or store, no other files; write SELECT ... FROM events")
