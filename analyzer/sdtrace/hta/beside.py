"""What HTA and sdtrace both measure, side by side, with the reason for each difference."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from typing import Final, NamedTuple

import numpy as np
import polars as pl

from sdtrace.analysis.part import Selection
from sdtrace.hta.answers import Result
from sdtrace.model import HtaMeasure, TraceReport
from sdtrace.units import count

UNEXPLAINED: Final = "The reason is not known."
_MEMORY, _COMMUNICATION = "MEMORY", "COMMUNICATION"
_LAUNCHES: Final = frozenset(
    {"cudaLaunchKernel", "cudaLaunchKernelExC", "cudaMemcpyAsync", "cudaMemsetAsync"}
)
"""The launch calls that HTA knows."""
_MOST_NAMES: Final = 3
Tables = Mapping[str, pl.DataFrame]


class Ours(NamedTuple):
    """What sdtrace found: the report, and the part of the trace that it is of."""

    report: TraceReport
    part: Selection

    @property
    def is_part(self) -> bool:
        """Whether the report is of a part of the trace."""
        return not self.part.part.is_whole

    @property
    def has_several(self) -> bool:
        """Whether there are several GPUs."""
        return len(self.report.devices) > 1


def measures(ours: Ours, results: Iterable[Result]) -> list[HtaMeasure]:
    """One record for each thing that both measure; none without GPU work."""
    tables = {table.name: table.rows for result in results for table in result.tables}
    if "temporal" not in tables:
        return []
    return [
        *_busy_and_idle(ours, tables),
        *_work(ours, tables),
        *_launches(ours, tables),
        *_steps(ours, tables),
    ]


def _time(measure: str, ours_us: float, hta_us: float, reason: str) -> HtaMeasure:
    return HtaMeasure(
        measure=measure,
        ours_us=ours_us,
        hta_us=hta_us,
        difference_us=round(hta_us - ours_us, 3) + 0.0,  # no minus before nothing
        ours_count=None,
        hta_count=None,
        reason=reason,
    )


def _number(measure: str, ours: int, hta: int, reason: str) -> HtaMeasure:
    return HtaMeasure(
        measure=measure,
        ours_us=None,
        hta_us=None,
        difference_us=None,
        ours_count=ours,
        hta_count=hta,
        reason=reason,
    )


def _same(ours_us: float, hta_us: float) -> bool:
    """Whether two sums of exact times are equal to the nanosecond."""
    return abs(ours_us - hta_us) < 0.0005


def _busy_and_idle(ours: Ours, tables: Tables) -> Iterator[HtaMeasure]:
    gpu, found = ours.report.gpu, tables["temporal"].row(0, named=True)
    busy_us, idle_us = found["busy_us"], found["idle_us"]
    reason = "Both count an instant once, however many streams work."
    if not _same(gpu.busy_us, busy_us):
        several = "sdtrace adds up the GPUs; HTA counts an instant once, however many GPUs work."
        reason = several if ours.has_several else UNEXPLAINED
    yield _time("GPU busy", gpu.busy_us, busy_us, reason)
    yield _time("GPU idle", gpu.idle_us, idle_us, _idle_reason(ours, idle_us))
    if "idle" in tables:
        streams_us = float(tables["idle"]["idle_us"].sum())
        yield _time("Idle time of streams", gpu.idle_us, streams_us, _streams_reason(ours, tables["idle"]))


def _idle_reason(ours: Ours, idle_us: float) -> str:
    if _same(ours.report.gpu.idle_us, idle_us):
        return "Both count from the first to the last work."
    if ours.is_part:
        return "sdtrace counts within the part; HTA counts from its first to its last work, with all between."
    if ours.has_several:
        return "sdtrace adds up the GPUs, each from the first to the last work of its process."
    return UNEXPLAINED


def _streams_reason(ours: Ours, idle: pl.DataFrame) -> str:
    reason = "HTA adds up the streams: one is idle while another one works."
    if idle["stream"].n_unique() == 1:
        reason = "There is one stream."
    if _overlaps_within_a_stream(ours.part):
        reason += " Where work of one stream overlaps, HTA counts negative idle time."
    return reason


def _overlaps_within_a_stream(part: Selection) -> bool:
    """Whether any work begins while earlier work of its stream runs, as launches that wait for none may."""
    work, trace = part.study.linked.work, part.study.trace
    row = work.row if part.work is None else work.row[part.work]
    row = row[np.lexsort((trace.start_ns[row], trace.thread[row]))]
    same = np.diff(trace.thread[row]) == 0
    return bool((same & (trace.start_ns[row[1:]] < trace.end_ns[row[:-1]])).any())


def _work(ours: Ours, tables: Tables) -> Iterator[HtaMeasure]:
    gpu, kinds, kernels = ours.report.gpu, tables["kernel_kinds"], tables["kernels"]
    is_memory = pl.col("kind") == _MEMORY
    parts = (
        ("Kernels", gpu.kernel_us, ~is_memory, ~is_memory),
        ("Copies and fills", gpu.memcpy_us + gpu.memset_us, pl.col("kind").str.contains(_MEMORY), is_memory),
    )
    for measure, ours_us, of_kinds, of_kernels in parts:
        hta_us = float(kinds.filter(of_kinds)["total_us"].sum())
        added_us = float(kernels.filter(of_kernels)["sum_us"].sum())
        yield _time(measure, ours_us, hta_us, _work_reason(ours_us, hta_us, added_us))
    collectives_us = sum(row.gpu_us for row in ours.report.categories if row.category == "collective")
    hta_us = float(kernels.filter(pl.col("kind") == _COMMUNICATION)["sum_us"].sum())
    if collectives_us or hta_us:
        same = _same(collectives_us, hta_us)
        reason = "Both go by names." if same else "HTA goes by names that begin with nccl."
        yield _time("Communication", collectives_us, hta_us, reason)


def _work_reason(ours_us: float, hta_us: float, added_us: float) -> str:
    """Why times of work differ; `added_us` is the sum of durations of what HTA takes for such work."""
    if _same(ours_us, hta_us):
        return "None of them overlap: instants and durations give the same."
    if _same(ours_us, added_us):
        return "HTA counts an instant once where they overlap; sdtrace adds up durations."
    return "HTA tells kernels from copies by their names, sdtrace by their kind in the trace."


def _launches(ours: Ours, tables: Tables) -> Iterator[HtaMeasure]:
    queue, gpu = ours.report.queue, ours.report.gpu
    found = tables.get("launches")
    if found is not None:
        yield _number("Launches", gpu.launches, found.height, _launch_reason(ours, found.height))
        if queue is not None:
            reason = "HTA counts from the end of the call, sdtrace from its start."
            if found.height != gpu.launches:
                reason += " They do not count the same launches."
            yield _time("Launch delay, median", queue.delay_median_us, _median(found["delay_us"]), reason)
    if queue is not None and "queue" in tables:
        reason = (
            "HTA counts work that has not begun, by stream, the new one included; "
            "sdtrace counts work that has not finished when the call begins."
        )
        longest = tables["queue"]["max"].max()
        yield _number("Launch queue, longest", queue.depth_max, int(str(longest).partition(".")[0]), reason)


def _median(values: pl.Series) -> float:
    return float(np.median(values.to_numpy()))


def _launch_reason(ours: Ours, hta: int) -> str:
    names = _launch_names(ours.part)
    unknown = {name: calls for name, calls in names.most_common() if name not in _LAUNCHES}
    extra = hta - (ours.report.gpu.launches - sum(unknown.values()))
    parts = []
    if unknown:
        shown = [f"{count(calls)} of {name}" for name, calls in list(unknown.items())[:_MOST_NAMES]]
        rest = "" if len(unknown) <= _MOST_NAMES else " and others"
        parts.append(f"HTA leaves out calls whose names it does not know: {', '.join(shown)}{rest}.")
    if extra > 0:
        parts.append(f"HTA counts {count(extra)} more: a call once for each piece of its work.")
    elif extra < 0:
        parts.append(f"HTA finds no work for {count(-extra)} calls: it joins both by correlation alone.")
    return " ".join(parts) or "Both count calls whose work is in the trace."


def _launch_names(part: Selection) -> Counter[str]:
    """How often each call launched work of the part."""
    work, trace = part.study.linked.work, part.study.trace
    launch = work.launch if part.work is None else work.launch[part.work]
    calls = np.unique(launch[launch >= 0])
    numbers, times = np.unique(trace.name[calls], return_counts=True)
    return Counter({trace.names[n]: c for n, c in zip(numbers.tolist(), times.tolist(), strict=True)})


def _steps(ours: Ours, tables: Tables) -> Iterator[HtaMeasure]:
    if "steps" in tables:
        found, iterations = tables["steps"].height, len(ours.report.iterations)
        same = "Each step is an iteration."
        other = "sdtrace's iterations are not the profiler's steps, or a step has no work."
        yield _number("Steps", iterations, found, same if found == iterations else other)
