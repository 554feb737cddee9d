"""Analyses of what the GPU did: busy and idle time, kernels, communication, annotations, copies."""

from __future__ import annotations

import polars as pl

from sdtrace.hta.answers import Asked, Lacking, Table, need_work, rows, whole
from sdtrace.hta.exact import ExactAnalysis

_ALL_KERNELS = 10**9
"""Where HTA sums kernels up as others, its mean, min and max of the rest are those of sums."""
_FIGURES = {f"{key} (us)": f"{key}_us" for key in ("sum", "mean", "min", "max")}
_KERNELS = {"name": "name", "kernel_type": "kind", **_FIGURES}


def temporal(hta: ExactAnalysis, _: Asked) -> list[Table]:
    """How long the GPU was busy and idle."""
    need_work(hta)
    names = {
        **_rank(hta),
        "kernel_time(us)": "span_us",
        "idle_time(us)": "idle_us",
        "compute_time(us)": "compute_us",
        "non_compute_time(us)": "other_work_us",
        "idle_time_pctg": "idle_pct",
    }
    found = rows(hta.get_temporal_breakdown(visualize=False), names)
    busy = (pl.col("span_us") - pl.col("idle_us")).round(3).alias("busy_us")
    return [
        Table(
            "temporal",
            "GPU busy and idle, first to last kernel",
            found.insert_column(1 + bool(_rank(hta)), busy),
        )
    ]


def _rank(hta: ExactAnalysis) -> dict[str, str]:
    """The column of the rank, where there are several."""
    return {"rank": "rank"} if len(hta.ranks) > 1 else {}


def idle(hta: ExactAnalysis, _: Asked) -> list[Table]:
    """Why each stream was idle."""
    need_work(hta)
    found, _stats = hta.get_idle_time_breakdown(ranks=list(hta.ranks), visualize=False)
    names = {
        **_rank(hta),
        "stream": "stream",
        "idle_category": "cause",
        "idle_time": "idle_us",
        "idle_time_ratio": "share",
    }
    return [Table("idle", "Why each stream was idle", rows(found, names))]


def kernels(hta: ExactAnalysis, _: Asked) -> list[Table]:
    """GPU time by kind of work and by kernel."""
    need_work(hta)
    kinds, found = hta.get_gpu_kernel_breakdown(visualize=False, num_kernels=_ALL_KERNELS)
    kind = {"kernel_type": "kind", "sum": "total_us", "percentage": "pct"}
    ordered = found.sort_values("sum (us)", ascending=False)
    return [
        Table("kernel_kinds", "GPU time by kind of work", rows(kinds, kind)),
        Table("kernels", "Longest kernels", rows(ordered, _KERNELS)),
    ]


def overlap(hta: ExactAnalysis, _: Asked) -> list[Table]:
    """How much communication overlaps computation."""
    need_work(hta)
    names = {**_rank(hta), "comp_comm_overlap_pctg": "overlap_pct"}
    found = rows(hta.get_comm_comp_overlap(visualize=False), names)
    if found["overlap_pct"].null_count():
        raise Lacking("the trace has no communication kernels (NCCL)")
    return [Table("overlap", "Communication that overlaps computation", found)]


def annotated(hta: ExactAnalysis, _: Asked) -> list[Table]:
    """How long the ranges of annotations on the GPU are, and the kernels in them."""
    need_work(hta)
    found = hta.get_gpu_user_annotation_breakdown(visualize=False, num_kernels=_ALL_KERNELS)
    if found is None or found.empty:
        raise Lacking("the trace has no annotations on the GPU (record_function)")
    ordered = found.sort_values("sum (us)", ascending=False)
    work = hta.get_gpu_kernels_with_user_annotations(hta.rank)
    tables = [
        Table(
            "annotations",
            "Ranges of annotations on the GPU, idle time included",
            rows(ordered, {"name": "annotation", **_FIGURES}),
        )
    ]
    if work is not None:
        sums = work.groupby("s_user_annotation")["dur"].agg(["size", "sum"]).reset_index()
        names = {"s_user_annotation": "annotation", "size": "kernels", "sum": "gpu_us"}
        ordered = sums.sort_values("sum", ascending=False)
        tables.append(Table("annotated_kernels", "GPU work by innermost annotation", rows(ordered, names)))
    return tables


def bandwidth(hta: ExactAnalysis, _: Asked) -> list[Table]:
    """How fast copies and fills are."""
    need_work(hta)
    found = hta.get_memory_bw_summary([hta.rank])
    if found is None or found.empty:
        raise Lacking("the trace has no copies or fills with a size")
    flat = found.droplevel(0, axis=1).reset_index()
    names = {"name": "name", "count": "count"} | {key: f"{key}_gbps" for key in ("mean", "min", "50%", "max")}
    return [Table("bandwidth", "Bandwidth of copies and fills, GB/s", whole(rows(flat, names), "count"))]
