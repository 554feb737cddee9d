"""The first columns of every row of a store: the facts of its run."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any, Final

import polars as pl

from sdtrace.analysis.study import Study
from sdtrace.fleets.facts import GIVEN, start_ns

FACTS: Final[dict[str, Any]] = {
    "trace_id": pl.String,
    "trace": pl.String,
    "day": pl.String,
    "at": pl.Datetime("us", "UTC"),
    **dict.fromkeys(GIVEN, pl.String),
    "rank": pl.Int64,
}
"""The first columns of every table."""
_PART: Final = {"part": pl.String, "iterations": pl.Int64}
_RANKED: Final = "distributedInfo"


def head_of(study: Study, digest: str, facts: dict[str, str]) -> dict[str, Any]:
    """The values of `FACTS` for a trace."""
    began = start_ns(study)
    told = study.trace.top_level.get(_RANKED)
    rank = told.get("rank") if isinstance(told, dict) else None
    return {
        "trace_id": digest,
        "trace": study.trace.label,
        "day": facts["day"],
        "at": None if began is None else datetime.fromtimestamp(began / 1e9, UTC),
        **{name: facts[name] for name in GIVEN},
        "rank": rank if isinstance(rank, int) else None,
    }


def with_head(head: dict[str, Any], rows: pl.DataFrame) -> pl.DataFrame:
    """The rows behind the columns of `head`, which may also have `part` and `iterations`."""
    types = FACTS | _PART
    return rows.select(*(pl.lit(value, types[name]).alias(name) for name, value in head.items()), pl.all())
