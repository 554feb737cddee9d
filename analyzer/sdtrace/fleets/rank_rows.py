"""What a store keeps of a trace that may be part of a job: its ranks, each with all that its job needs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any, Final

import polars as pl

from sdtrace.analysis.study import Study
from sdtrace.breakdowns.rules import Rules
from sdtrace.fleets.head import with_head
from sdtrace.job.packed import pack
from sdtrace.job.rank import Rank, ranks_of
from sdtrace.job.recognise import is_part

RANKS: Final = "ranks"
"""The table of these rows, of which `jobs` and `job_ranks` are made."""
_RANK: Final[dict[str, Any]] = {
    "source": pl.String,
    "began_ns": pl.Int64,
    "ended_ns": pl.Int64,
    "collectives": pl.Int64,
    "packed": pl.Binary,
}


def rank_rows(study: Study, rules: Rules, source: str, head: Mapping[str, Any]) -> dict[str, pl.DataFrame]:
    """The rows of `RANKS`, one a rank of the trace; {} where nothing says that it is part of a job.

    `began_ns` and `ended_ns` are on the rank's own clock; `packed` is what `sdtrace.job.packed` reads.
    """
    ranks = [replace(rank, path=source) for rank in ranks_of(study, rules)]
    if len(ranks) == 1 and not is_part(ranks[0]):
        return {}
    rows = pl.DataFrame([_row(rank, source) for rank in ranks], schema=_RANK)
    numbers = pl.Series("rank", [rank.number for rank in ranks], pl.Int64)
    return {RANKS: with_head(dict(head), rows).with_columns(numbers)}


def _row(rank: Rank, source: str) -> dict[str, Any]:
    return {
        "source": source,
        "began_ns": rank.base_ns + rank.start_ns,
        "ended_ns": rank.base_ns + rank.end_ns,
        "collectives": len(rank.calls),
        "packed": pack(rank),
    }
