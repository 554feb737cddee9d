"""What a store holds, to be compared."""

from __future__ import annotations

from pathlib import Path

import polars as pl
from polars.testing import assert_frame_equal

from sdtrace.fleets.job_rows import OF_JOBS
from sdtrace.fleets.store import open_store
from sdtrace.fleets.tables import TABLES

ALL = (*TABLES, *OF_JOBS)


def rows(store: Path) -> dict[str, pl.DataFrame]:
    """Every table, in an order of its own."""
    opened = open_store(store)
    return {table: opened.scan(table).sort(pl.all()).collect() for table in ALL}


def assert_same(one: Path, other: Path) -> None:
    """Fail where two stores do not hold the same rows."""
    ours, theirs = rows(one), rows(other)
    for table in ALL:
        assert_frame_equal(ours[table], theirs[table])
    reasons = [open_store(store).failures().drop("at").sort(pl.all()) for store in (one, other)]
    assert_frame_equal(*reasons)
