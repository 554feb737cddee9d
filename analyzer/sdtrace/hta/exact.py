"""HTA's analyses, exact to the nanosecond."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from copy import copy
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from hta.analyzers.breakdown_analysis import BreakdownAnalysis
from hta.analyzers.communication_analysis import CommunicationAnalysis
from hta.analyzers.cuda_kernel_analysis import CudaKernelAnalysis
from hta.trace_analysis import TraceAnalysis

from sdtrace.analysis.study import Study
from sdtrace.errors import UsageError
from sdtrace.hta.columns import FIRST_INDEX, WAIT, columns, frame_rows, symbols
from sdtrace.hta.failures import say_what_is_lacking
from sdtrace.hta.loaded import RANK, LoadedTrace, Raw, raw_trace
from sdtrace.hta.op_delays import op_delays
from sdtrace.hta.sequence_overlay import draw, lay_over
from sdtrace.hta.sequences import Launched, Pattern, as_frame, find_sequences, ranked
from sdtrace.intervals import Bools

_TIMES = ("ts", "dur", "end")
_STATISTICS = ("mean", "std", "min", "25%", "50%", "75%", "max")


@say_what_is_lacking(of=TraceAnalysis)
class ExactAnalysis(TraceAnalysis):
    """`hta.trace_analysis.TraceAnalysis` of one trace. Rank 0 holds it, whatever its rank was.

    `t.traces[0]` is the frame as HTA has it. Its ts, dur and end are float64 microseconds since the trace's
    first event; each has all its nanoseconds. Sums of floats would not, and HTA rounds some to whole
    microseconds. So the analyses that sum times work on `nanoseconds`, the same frame in int64 nanoseconds,
    without the waits (`cuda_sync`), which are no work. Their results are in microseconds again.

    Unlike after HTA's own loader, no event is cut to whole microseconds and the last profiler step stays. The
    frame lacks `input_dims`, `input_type`, `input_strides`, the links from forward to backward, and what a
    wait waits for (`wait_on_stream` is -1): the critical path does not follow waits for other streams.

    Methods that lay results over the trace write gzipped JSON. Where HTA raises, a method raises UsageError,
    whose one line says what the trace lacks.

    For example, `sdtrace.load("run.json").hta().get_temporal_breakdown(visualize=False)`.
    """

    def __init__(self, study: Study, chosen: Bools | None = None) -> None:
        """Raises UsageError when no event is left."""
        self.study = study
        trace = study.trace
        rows = frame_rows(trace, chosen)
        if not rows.size:
            raise UsageError(f"{trace.label}: there is no event for HTA")
        texts, names, categories = symbols(trace)
        exact = pd.DataFrame(dict(columns(study, rows, names, categories)), copy=False)
        exact.index = pd.Index(exact["index"].to_numpy())

        def raw() -> Raw:
            # A closure: HTA copies its trace deeply, and must not copy ours.
            return raw_trace(trace)

        def load(frame: Any) -> LoadedTrace:
            return LoadedTrace(trace, frame, texts, raw)

        self.t = load(exact.assign(**{name: exact[name] / 1000 for name in _TIMES}))
        waits = exact["cat"] == texts.index(WAIT) if WAIT in trace.categories else None
        self.nanoseconds = load(exact if waits is None else exact[~waits])

    @property
    def has_work(self) -> bool:
        """Whether there is any kernel, copy or fill."""
        return bool((self.nanoseconds.get_trace(RANK)["stream"] >= 0).any())

    def writing_to(self, folder: Path) -> ExactAnalysis:
        """The same analysis, whose traces with counters go to `folder` instead of beside the trace."""
        other = copy(self)
        other.t = self.t.in_folder(folder)
        return other

    def get_temporal_breakdown(self, visualize: bool = True) -> Any:
        """As HTA's, in microseconds; exact."""
        found = BreakdownAnalysis.get_temporal_breakdown(self.nanoseconds, visualize)
        return _microseconds(found, [name for name in found if name.endswith("(us)")])

    def get_gpu_kernel_breakdown(
        self,
        visualize: bool = True,
        duration_ratio: float = 0.8,
        num_kernels: int = 10,
        include_memory_kernels: bool = True,
        image_renderer: str = "",
    ) -> tuple[Any, Any]:
        """As HTA's, in microseconds; exact."""
        if visualize:
            super().get_gpu_kernel_breakdown(
                True, duration_ratio, num_kernels, include_memory_kernels, image_renderer
            )
        kinds, kernels = BreakdownAnalysis.get_gpu_kernel_breakdown(
            self.nanoseconds, False, duration_ratio, num_kernels, include_memory_kernels, image_renderer
        )
        times = [name for name in kernels if name.endswith("(us)")]
        return _microseconds(kinds, ["sum"]), _microseconds(kernels, [*times, "stddev"])

    def get_gpu_user_annotation_breakdown(
        self,
        use_gpu_annotation: bool = True,
        visualize: bool = True,
        duration_ratio: float = 0.8,
        num_kernels: int = 1000,
        allowlist_patterns: list[str] | None = None,
        image_renderer: str | None = None,
    ) -> Any:
        """As HTA's, in microseconds; exact."""
        limits = (duration_ratio, num_kernels, allowlist_patterns, image_renderer)
        if visualize:
            super().get_gpu_user_annotation_breakdown(use_gpu_annotation, True, *limits)
        found = BreakdownAnalysis.get_gpu_user_annotation_breakdown(
            self.nanoseconds, use_gpu_annotation, False, *limits
        )
        if found is None:
            return None
        return _microseconds(found, [*(name for name in found if name.endswith("(us)")), "stddev"])

    def get_aten_op_kernels_and_delay(
        self, ranks: Sequence[int] | None = None, sort_by: Sequence[str] | None = None
    ) -> dict[int, Any]:
        """The frame that HTA defines, computed by `op_delays`; nothing is drawn."""
        inside = np.zeros(len(self.study.trace), np.bool_)
        inside[self.t.get_trace(RANK)["index"].to_numpy() - FIRST_INDEX] = True
        found = op_delays(self.study, inside, sort_by or ["occurrence_count"])
        return dict.fromkeys(ranks or [RANK], found)

    def get_idle_time_breakdown(
        self,
        ranks: Sequence[int] | None = None,
        streams: Sequence[int] | None = None,
        visualize: bool = True,
        visualize_pctg: bool = True,
        show_idle_interval_stats: bool = False,
        consecutive_kernel_delay: int = 30,
    ) -> tuple[Any, Any]:
        """As HTA's, in microseconds, `consecutive_kernel_delay` too; exact."""
        asked = (list(streams) if streams else None, visualize, visualize_pctg, show_idle_interval_stats)
        delay = consecutive_kernel_delay * 1000
        found = [
            BreakdownAnalysis.get_idle_time_breakdown(self.nanoseconds, delay, rank, *asked)
            for rank in ranks or [RANK]
        ]
        times = _microseconds(pd.concat([times for times, _ in found]), ["idle_time"])
        if not show_idle_interval_stats:
            return times, None
        return times, _microseconds(pd.concat([stats for _, stats in found]), _STATISTICS)

    def get_comm_comp_overlap(self, visualize: bool = True) -> Any:
        """As HTA's; of exact times."""
        return CommunicationAnalysis.get_comm_comp_overlap(self.nanoseconds, visualize)

    def get_cuda_kernel_launch_stats(
        self,
        ranks: Sequence[int] | None = None,
        runtime_cutoff: int = 50,
        launch_delay_cutoff: int = 100,
        include_memory_events: bool = True,
        visualize: bool = True,
    ) -> dict[int, Any]:
        """As HTA's, in microseconds; exact."""
        if visualize:
            super().get_cuda_kernel_launch_stats(
                ranks, runtime_cutoff, launch_delay_cutoff, include_memory_events, True
            )
        found = CudaKernelAnalysis.cuda_kernel_launch_stats(
            self.nanoseconds,
            list(ranks or [RANK]),
            include_memory_events=include_memory_events,
            visualize=False,
        )
        times = ["cpu_duration", "gpu_duration", "launch_delay"]
        return {rank: _microseconds(frame, times) for rank, frame in found.items()}

    def get_frequent_cuda_kernel_sequences(
        self,
        operator_name: str,
        output_dir: str | None,
        min_pattern_len: int = 3,
        rank: int = RANK,
        top_k: int = 5,
        visualize: bool = False,
        compress_other_kernels: bool = True,
    ) -> Any:
        """As HTA's, in microseconds; exact. The trace with the sequences goes to the folder `output_dir`.

        Ops on the CPU count; HTA finds none where an annotation on the GPU has the same name.
        """
        found = self._sequences(operator_name, min_pattern_len)
        symbols = self.t.symbol_table.get_sym_table()
        frame = as_frame(found, symbols)
        if found and output_dir is not None:
            raw = self.t.get_raw_trace_for_one_rank(rank)
            shown = ranked(found, symbols)[:top_k]
            lay_over(raw, shown, found, symbols, compress=compress_other_kernels)
            name = Path(self.t.trace_files[rank]).name
            self.t.write_raw_trace(str(Path(output_dir) / f"overlaid_{name}"), raw)
        if found and visualize:
            draw(frame[:top_k], rank)
        return frame

    def kernel_sequences(self, operator_name: str, min_pattern_len: int = 3) -> Any:
        """What `get_frequent_cuda_kernel_sequences` returns, without a trace that shows the sequences."""
        found = self._sequences(operator_name, min_pattern_len)
        return as_frame(found, self.t.symbol_table.get_sym_table())

    def _sequences(self, operator: str, least: int) -> Mapping[Pattern, Launched]:
        return find_sequences(self.nanoseconds, self.study.trace.thread.astype(np.int64), operator, least)


def _microseconds(frame: Any, names: Iterable[str]) -> Any:
    """The frame with the columns `names` in microseconds instead of nanoseconds."""
    return frame.assign(**{name: frame[name] / 1000 for name in names})
