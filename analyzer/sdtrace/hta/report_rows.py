"""HTA's results as records of a report: the first rows of each table."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

import polars as pl

from sdtrace.hta.answers import Result, Table
from sdtrace.model import HtaResult

_MOST: Final = 5
"""Rows of a table; `sdtrace hta` has all."""
_NO_ITEM: Final = "-"
_OF: Final = {"mean": "mean", "50%": "median", "max": "longest"}
_Row = dict[str, Any]
_Fields = dict[str, Any]


def hta_results(results: Sequence[Result]) -> list[HtaResult]:
    """The figures of each analysis, or a row that says what the trace lacks for it."""
    records = []
    for result in results:
        if result.lacks:
            records.append(HtaResult(item=_NO_ITEM, analysis=result.analysis, note=_sentence(result.lacks)))
        records += [record for table in result.tables for record in _of_table(result.analysis, table)]
    return records


def _of_table(analysis: str, table: Table) -> list[HtaResult]:
    shape = _SHAPES.get(table.name)
    if shape is None:
        return []
    records = []
    for place, row in enumerate(_first(table).to_dicts()):
        fields = shape(row)
        first = place == 0
        notes = [table.title if first else "", fields.pop("note", ""), table.note if first else ""]
        note = " ".join(_sentence(text) for text in notes if text)
        records.append(HtaResult(analysis=analysis, note=note, **fields))
    return records


def _first(table: Table) -> pl.DataFrame:
    """The rows to show: the first ones, of a distribution its mean, median and highest."""
    if table.name == "launch_summary":
        return table.rows.filter(pl.col("of").is_in(list(_OF)))
    return table.rows.head(_MOST)


def _sentence(text: str) -> str:
    text = text[0].upper() + text[1:]
    return text if text.endswith(".") else f"{text}."


def _idle(row: _Row) -> _Fields:
    item = f"stream {row['stream']}, {row['cause']}"
    return {"item": item, "total_us": row["idle_us"], "pct": 100 * row["share"]}


def _annotated(row: _Row) -> _Fields:
    return {"item": row["annotation"] or "no annotation", "total_us": row["gpu_us"], "count": row["kernels"]}


def _bandwidth(row: _Row) -> _Fields:
    return {"item": row["name"], "count": row["count"], "note": f"mean {row['mean_gbps']:,.3f} GB/s"}


def _delay(row: _Row) -> _Fields:
    return {"item": f"launch delay, {_OF[row['of']]}", "total_us": row["delay_us"]}


def _queue(row: _Row) -> _Fields:
    return {"item": f"stream {row['stream']}", "count": int(row["max"]), "note": f"mean {row['mean']:,.3f}"}


def _full(row: _Row) -> _Fields:
    return {"item": f"stream {row['stream']}", "total_us": row["full_us"], "pct": 100 * row["share"]}


def _op(row: _Row) -> _Fields:
    to_launch, to_gpu = f"{row['op_to_launch_us']:,.3f} µs", f"{row['launch_to_gpu_us']:,.3f} µs"
    note = f"{to_launch} from the op to its launch, {to_gpu} from there to the kernel"
    return {"item": f"{row['op']}: {row['kernels']}", "count": row["count"], "note": note}


def _edges(name: str) -> Callable[[_Row], _Fields]:
    return lambda row: {
        "item": row[name] or "no event",
        "total_us": row["total_us"],
        "count": row["edges"],
    }


_SHAPES: Final[Mapping[str, Callable[[_Row], _Fields]]] = {
    "idle": _idle,
    "kernel_kinds": lambda row: {"item": row["kind"], "total_us": row["total_us"], "pct": row["pct"]},
    "overlap": lambda row: {"item": "communication", "pct": row["overlap_pct"]},
    "annotations": lambda row: {"item": row["annotation"], "total_us": row["sum_us"]},
    "annotated_kernels": _annotated,
    "bandwidth": _bandwidth,
    "launch_summary": _delay,
    "queue": _queue,
    "full_queue": _full,
    "ops": _op,
    "sequences": lambda row: {"item": row["kernels"], "total_us": row["gpu_us"], "count": row["count"]},
    "steps": lambda row: {"item": f"step {row['step']}"},
    "stragglers": lambda row: {"item": f"rank {row['rank']}"},
    "counters": lambda row: {"item": row["name"], "total_us": row["dur"]},
    "critical_path_bound": _edges("bound"),
    "critical_path_event": _edges("event"),
}
"""The figures in a row of each table, by its name. `temporal` and kernels stand beside sdtrace's own."""
