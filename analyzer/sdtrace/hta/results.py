"""HTA's analyses of a trace by name: each gives tables, or one line that says what the trace lacks."""

from __future__ import annotations

import logging
import math
import tempfile
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, Final, NamedTuple

import pandas
import polars as pl

from sdtrace.hta.choices import default_annotation, default_operator
from sdtrace.hta.exact import ExactAnalysis
from sdtrace.hta.loaded import RANK
from sdtrace.units import count

_FAILURES: Final = (
    ArithmeticError,
    AssertionError,
    AttributeError,
    LookupError,
    RecursionError,
    SystemError,
    TypeError,
    ValueError,
)
"""What HTA raises for traces that it does not expect."""
_MIN_SEQUENCE: Final = 3
_NEWEST_PANDAS: Final = 2
"""The newest that HTA 0.5 builds call graphs with."""
_ALL_KERNELS: Final = 10**9
"""Where HTA sums kernels up as others, its mean, min and max of the rest are those of sums."""


class Asked(NamedTuple):
    """What the analyses are to look at; None leaves the choice to them.

    `operator` is part of the name of ops, `annotation` of annotations; `instance` is which of these, from 0.
    """

    operator: str | None = None
    annotation: str | None = None
    instance: int | None = None


class Table(NamedTuple):
    """A result. `name` is for files; times are in columns whose names end in `_us`."""

    name: str
    title: str
    rows: pl.DataFrame


class Result(NamedTuple):
    """What an analysis found: tables, or what the trace `lacks` for it."""

    analysis: str
    tables: Sequence[Table]
    lacks: str = ""


class _Lacking(Exception):
    """What the trace lacks."""


def run(hta: ExactAnalysis, name: str, asked: Asked) -> Result:
    """The result of the analysis `name`, one of `ANALYSES`."""
    try:
        with _quiet():
            return Result(name, ANALYSES[name](hta, asked))
    except _Lacking as error:
        return Result(name, [], str(error))
    except _FAILURES as error:
        return Result(name, [], _failure(error))


def _failure(error: BaseException) -> str:
    """One line on what HTA raised; where a pandas that it does not know is the likely cause, that."""
    if int(pandas.__version__.partition(".")[0]) > _NEWEST_PANDAS:
        return f"HTA fails with pandas {pandas.__version__}; run: pip install 'pandas<{_NEWEST_PANDAS + 1}'"
    first = (str(error).splitlines() or [""])[0]
    return f"HTA fails on this trace: {f'{type(error).__name__}: {first}'.rstrip(': ')}"


@contextmanager
def _quiet() -> Iterator[None]:
    """Without what HTA logs and warns of: the result says it, or the line in its place."""
    before = logging.root.manager.disable
    logging.disable(logging.CRITICAL)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        logging.disable(before)


def _temporal(hta: ExactAnalysis, _: Asked) -> list[Table]:
    _need_work(hta)
    names = {
        "kernel_time(us)": "span_us",
        "idle_time(us)": "idle_us",
        "compute_time(us)": "compute_us",
        "non_compute_time(us)": "other_work_us",
        "idle_time_pctg": "idle_pct",
    }
    rows = _rows(hta.get_temporal_breakdown(visualize=False), names)
    busy = (pl.col("span_us") - pl.col("idle_us")).round(3).alias("busy_us")
    return [Table("temporal", "GPU busy and idle, first to last kernel", rows.insert_column(1, busy))]


def _idle(hta: ExactAnalysis, _: Asked) -> list[Table]:
    _need_work(hta)
    found, _stats = hta.get_idle_time_breakdown(visualize=False)
    names = {"stream": "stream", "idle_category": "cause", "idle_time": "idle_us", "idle_time_ratio": "share"}
    return [Table("idle", "Why each stream was idle", _rows(found, names))]


def _kernels(hta: ExactAnalysis, _: Asked) -> list[Table]:
    _need_work(hta)
    kinds, kernels = hta.get_gpu_kernel_breakdown(visualize=False, num_kernels=_ALL_KERNELS)
    times = {f"{key} (us)": f"{key}_us" for key in ("sum", "mean", "min", "max")}
    kind = {"kernel_type": "kind", "sum": "total_us", "percentage": "pct"}
    ordered = kernels.sort_values("sum (us)", ascending=False)
    return [
        Table("kernel_kinds", "GPU time by kind of work", _rows(kinds, kind)),
        Table("kernels", "Longest kernels", _rows(ordered, {"name": "name", "kernel_type": "kind", **times})),
    ]


def _overlap(hta: ExactAnalysis, _: Asked) -> list[Table]:
    _need_work(hta)
    found = _rows(hta.get_comm_comp_overlap(visualize=False), {"comp_comm_overlap_pctg": "overlap_pct"})
    if found["overlap_pct"].null_count():
        raise _Lacking("the trace has no communication kernels (NCCL)")
    return [Table("overlap", "Communication that overlaps computation", found)]


def _launches(hta: ExactAnalysis, _: Asked) -> list[Table]:
    _need_work(hta)
    found = hta.get_cuda_kernel_launch_stats(visualize=False)[RANK]
    if found.empty:
        raise _Lacking("no launch has a name that HTA knows (cudaLaunchKernel, cudaMemcpyAsync and so on)")
    names = {"cpu_duration": "cpu_us", "gpu_duration": "gpu_us", "launch_delay": "delay_us"}
    summary = found[list(names)].describe().drop("count").reset_index()
    return [
        Table(
            "launch_summary",
            f"Call, GPU work and delay of {count(len(found))} launches",
            _rows(summary, {"index": "of", **names}),
        ),
        Table("launches", "Each launch", _rows(found, {"correlation": "correlation", **names})),
    ]


def _queue(hta: ExactAnalysis, _: Asked) -> list[Table]:
    _need_work(hta)
    found = hta.get_queue_length_summary()
    if found is None:
        raise _Lacking("no launch that HTA knows has GPU work")
    flat = found.droplevel(0, axis=1).reset_index()
    names = {name: name for name in ("stream", "count", "mean", "std", "min", "50%", "75%", "max")}
    return [Table("queue", "Kernels in the launch queue", _whole(_rows(flat, names)))]


def _sequences(hta: ExactAnalysis, asked: Asked) -> list[Table]:
    _need_work(hta)
    operator = asked.operator or default_operator(hta.study, _MIN_SEQUENCE)
    if operator is None:
        raise _Lacking(f"no op launches {_MIN_SEQUENCE} kernels or more")
    with tempfile.TemporaryDirectory(prefix="sdtrace-") as folder:
        found = hta.kernel_sequences(operator, folder, _MIN_SEQUENCE)
    if found.empty:
        raise _Lacking(f"no {operator} launches {_MIN_SEQUENCE} kernels or more; choose with --operator")
    names = {
        "pattern": "kernels",
        "count": "count",
        "GPU kernel duration (us)": "gpu_us",
        "CPU op duration (us)": "cpu_us",
    }
    return [Table("sequences", f"Frequent kernel sequences of {operator}", _rows(found, names))]


def _critical_path(hta: ExactAnalysis, asked: Asked) -> list[Table]:
    _need_work(hta)
    annotation, instance = default_annotation(hta, asked.annotation, asked.instance)
    where = f"of {annotation}, instance {instance}" if annotation else "of the whole trace"
    try:
        found = hta.critical_path_analysis(RANK, annotation, instance)
    except AssertionError as error:
        what = f"HTA finds no critical path {where}"
        raise _Lacking(f"{what}; choose another with --annotation and --instance") from error
    if found is None:
        raise _Lacking(f"no annotation has a name with {annotation}; choose with --annotation")
    graph, has_path = found
    if not has_path:
        raise _Lacking("HTA finds no path: the order of its events contradicts itself")
    path = graph.get_critical_path_breakdown()
    return [
        Table(f"critical_path_{name}", f"Critical path {where}, by {name}", _grouped(path, column, name))
        for column, name in (("bound_by", "bound"), ("s_name", "event"))
    ]


def _grouped(path: Any, column: str, name: str) -> pl.DataFrame:
    """Edges of a path and their time by a column, longest first."""
    sums = path.groupby(column, dropna=False)["duration"].agg(["size", "sum"]).reset_index()
    ordered = sums[sums["sum"] > 0].sort_values("sum", ascending=False)
    return _rows(ordered, {column: name, "size": "edges", "sum": "total_us"})


ANALYSES: Final[Mapping[str, Callable[[ExactAnalysis, Asked], list[Table]]]] = {
    "temporal": _temporal,
    "idle": _idle,
    "kernels": _kernels,
    "overlap": _overlap,
    "launches": _launches,
    "queue": _queue,
    "sequences": _sequences,
    "critical-path": _critical_path,
}
"""The analyses by the names that people type."""


def _need_work(hta: ExactAnalysis) -> None:
    if not (hta.nanoseconds.get_trace(RANK)["stream"] >= 0).any():
        raise _Lacking("the trace has no GPU work")


def _rows(frame: Any, names: Mapping[str, str]) -> pl.DataFrame:
    """Some columns of a pandas frame under other names; floats to three decimals, null for NaN."""
    return pl.DataFrame({new: [_value(item) for item in frame[old].tolist()] for old, new in names.items()})


def _value(item: object) -> object:
    if not isinstance(item, float):
        return item
    return None if math.isnan(item) else round(item, 3)


def _whole(frame: pl.DataFrame) -> pl.DataFrame:
    """The frame with its column `count` as integers."""
    return frame.with_columns(pl.col("count").cast(pl.Int64))
