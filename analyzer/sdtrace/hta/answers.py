"""What an analysis of HTA answers: tables, or one line that says what the trace lacks."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import polars as pl

from sdtrace.errors import UsageError
from sdtrace.hta.exact import ExactAnalysis


class Asked(NamedTuple):
    """What the analyses are to look at; None leaves the choice to them.

    `operator` is part of the name of ops, `annotation` of annotations; `instance` is which of these, from 0.
    """

    operator: str | None = None
    annotation: str | None = None
    instance: int | None = None


class Table(NamedTuple):
    """A result. `name` is for files; times are in columns whose names end in `_us`.

    `note` says in one line where the figures mislead; else it is empty.
    """

    name: str
    title: str
    rows: pl.DataFrame
    note: str = ""


class Result(NamedTuple):
    """What an analysis found: tables, traces to open (file name to content), or what the trace `lacks`."""

    analysis: str
    tables: Sequence[Table]
    lacks: str = ""
    files: Mapping[str, bytes] = {}


class Lacking(UsageError):
    """What the trace lacks for an analysis, in one line."""


def need_work(hta: ExactAnalysis) -> None:
    """Raise Lacking where the trace has no GPU work."""
    if not hta.has_work:
        raise Lacking("the trace has no GPU work")


def rows(frame: Any, names: Mapping[str, str]) -> pl.DataFrame:
    """Some columns of a pandas frame under other names; floats to three decimals, null for NaN."""
    return pl.DataFrame({new: [_value(item) for item in frame[old].tolist()] for old, new in names.items()})


def whole(frame: pl.DataFrame, *names: str) -> pl.DataFrame:
    """The frame with the columns `names` as integers."""
    return frame.with_columns(pl.col(name).cast(pl.Int64) for name in names)


def _value(item: object) -> object:
    if not isinstance(item, float):
        return item
    return None if math.isnan(item) else round(item, 3)
