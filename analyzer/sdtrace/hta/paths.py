"""The critical path, and traces with HTA's results laid over them."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import polars as pl

from sdtrace.errors import UsageError
from sdtrace.hta.answers import Asked, Lacking, Table, need_work, rows
from sdtrace.hta.choices import default_annotation
from sdtrace.hta.exact import ExactAnalysis
from sdtrace.intervals import total, union
from sdtrace.units import count

_MOST_EVENTS = 500_000
"""HTA takes about 20 s and 2 GB for a path through as many."""
_CPU, _GAPS = "cpu_bound", "gpu_kernel_kernel_overhead"
_MAINLY, _BUSY, _TOLERANCE = 0.5, 0.9, 0.05


class CriticalPath(NamedTuple):
    """A critical path and what it is of."""

    graph: Any
    where: str


def critical_path(hta: ExactAnalysis, asked: Asked) -> list[Table]:
    """What the time of an annotation depends on."""
    found = find(hta, asked)
    edges = found.graph.get_critical_path_breakdown()
    note = contradiction(edges, _busy_share(hta, found.graph))
    return [
        Table(
            f"critical_path_{name}", f"Critical path {found.where}, by {name}", _by(edges, column, name), text
        )
        for column, name, text in (("bound_by", "bound", note), ("s_name", "event", ""))
    ]


def find(hta: ExactAnalysis, asked: Asked) -> CriticalPath:
    """The critical path of an annotation, by default else of the whole trace.

    Raises Lacking where there is none, or it takes too long.
    """
    need_work(hta)
    annotation, instance = default_annotation(hta, asked.annotation, asked.instance)
    try:
        return _path(hta, annotation, instance, is_asked=asked.annotation is not None)
    except Lacking:
        if asked.annotation is not None or not annotation:
            raise
        return _path(hta, "", 0, is_asked=False)


def _path(hta: ExactAnalysis, annotation: str, instance: int, *, is_asked: bool) -> CriticalPath:
    where = f"of {annotation}, instance {instance}" if annotation else "of the whole trace"
    number = events_of(hta, annotation, instance)
    if number > _MOST_EVENTS and not is_asked:
        raise Lacking(f"{count(number)} events {where} are too many for HTA; choose with --annotation")
    no_path = f"HTA finds no critical path {where}; choose another with --annotation and --instance"
    try:
        found = hta.critical_path_analysis(hta.rank, annotation, instance)
    except UsageError as error:
        raise Lacking(no_path) from error
    if found is None:
        raise Lacking(f"no annotation has a name with {annotation}; choose with --annotation")
    graph, has_path = found
    if not has_path or not graph.critical_path_nodes:
        raise Lacking(no_path)
    return CriticalPath(graph, where)


def events_of(hta: ExactAnalysis, annotation: str, instance: int) -> int:
    """How many host events start in the annotation."""
    frame, names = hta.t.get_trace(hta.rank), hta.t.symbol_table.get_sym_index()
    if not annotation:
        return len(frame)
    matching = frame[frame["name"].isin([number for name, number in names.items() if annotation in name])]
    if instance >= len(matching):
        return 0
    chosen = matching.iloc[instance]
    return int(((frame["ts"] >= chosen["ts"]) & (frame["ts"] <= chosen["end"])).sum())


def contradiction(edges: Any, busy: float) -> str:
    """Why not to trust a path that blames the CPU or gaps while the GPU works; '' where it may be right.

    `edges` are those of the path, with columns bound_by and duration; `busy` is the share of the path's time
    in which the GPU worked.
    """
    duration = edges["duration"]
    shares = duration.groupby(edges["bound_by"]).sum() / (duration.sum() or 1)
    on_cpu, in_gaps = float(shares.get(_CPU, 0)), float(shares.get(_GAPS, 0))
    if in_gaps > 1 - busy + _TOLERANCE:
        return (
            f"HTA is wrong here: {_GAPS} is {100 * in_gaps:.1f} % of its path, but the GPU was idle for "
            f"{100 * (1 - busy):.1f} % of that time."
        )
    if on_cpu >= _MAINLY and busy >= _BUSY:
        return (
            f"HTA is wrong here: {_CPU} is {100 * on_cpu:.1f} % of its path, but the GPU was busy for "
            f"{100 * busy:.1f} % of that time. The GPU is the bottleneck."
        )
    return ""


def tracks(hta: ExactAnalysis, asked: Asked) -> Mapping[str, bytes]:
    """Traces to open in Perfetto: with queue length and bandwidth as counters, and with the critical path."""
    need_work(hta)
    with tempfile.TemporaryDirectory(prefix="sdtrace-") as name:
        folder = Path(name)
        shadow = hta.writing_to(folder)
        shadow.generate_trace_with_counters()
        with suppress(Lacking):
            shadow.overlay_critical_path_analysis(hta.rank, find(hta, asked).graph, str(folder))
        return {path.name: path.read_bytes() for path in sorted(folder.iterdir())}


def _busy_share(hta: ExactAnalysis, graph: Any) -> float:
    """The share of the path's time in which the GPU worked."""
    nodes = [graph.node_list[number].ts for number in graph.critical_path_nodes]
    start, end = (round(1000 * time) for time in (min(nodes), max(nodes)))
    frame = hta.nanoseconds.get_trace(hta.rank)
    work = frame[(frame["stream"] >= 0) & (frame["end"] > start) & (frame["ts"] < end)]
    busy = union(np.maximum(work["ts"].to_numpy(), start), np.minimum(work["end"].to_numpy(), end))
    return total(busy) / ((end - start) or 1)


def _by(edges: Any, column: str, name: str) -> pl.DataFrame:
    """Edges of a path and their time by a column, longest first."""
    sums = edges.groupby(column, dropna=False)["duration"].agg(["size", "sum"]).reset_index()
    ordered = sums[sums["sum"] > 0].sort_values("sum", ascending=False)
    return rows(ordered, {column: name, "size": "edges", "sum": "total_us"})
