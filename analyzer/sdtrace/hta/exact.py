"""HTA's analyses, exact to the nanosecond."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterable, Mapping, Sequence
from copy import copy
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from hta.analyzers.breakdown_analysis import BreakdownAnalysis
from hta.analyzers.communication_analysis import CommunicationAnalysis
from hta.analyzers.cuda_kernel_analysis import CudaKernelAnalysis
from hta.trace_analysis import TraceAnalysis

from sdtrace.analysis.study import Study
from sdtrace.errors import UsageError
from sdtrace.hta.columns import FIRST_INDEX, WAIT, Symbols, columns, frame_rows
from sdtrace.hta.failures import say_what_is_lacking
from sdtrace.hta.late_ranks import late_starts, stragglers
from sdtrace.hta.loaded import LoadedTrace, Raw, raw_trace
from sdtrace.hta.op_delays import op_delays
from sdtrace.hta.sequence_overlay import draw, lay_over
from sdtrace.hta.sequences import Launched, Pattern, as_frame, find_sequences, ranked
from sdtrace.intervals import Bools

_TIMES = ("ts", "dur", "end")
_STATISTICS = ("mean", "std", "min", "25%", "50%", "75%", "max")


class OneRank(NamedTuple):
    """A rank: what is known of its trace, the part of its events, and what its clock is set forward by."""

    study: Study
    chosen: Bools | None = None
    add_ns: int = 0


@say_what_is_lacking(of=TraceAnalysis)
class ExactAnalysis(TraceAnalysis):
    """`hta.trace_analysis.TraceAnalysis` of one trace, or of the ranks of a job.

    One trace is rank 0, whatever its rank was; the ranks of a job have their own numbers, and one clock.
    `t.traces[0]` is the frame as HTA has it. Its ts, dur and end are float64 microseconds since the first
    event; each has all its nanoseconds. Sums of floats would not, and HTA rounds some to whole microseconds.
    So the analyses that sum times work on `nanoseconds`, the same frame in int64 nanoseconds, without the
    waits (`cuda_sync`), which are no work. Their results are in microseconds again.

    Unlike after HTA's own loader, no event is cut to whole microseconds and the last profiler step stays. The
    frame lacks `input_dims`, `input_type`, `input_strides`, the links from forward to backward, and what a
    wait waits for (`wait_on_stream` is -1): the critical path does not follow waits for other streams.

    Methods that lay results over the trace write gzipped JSON. Where HTA raises, a method raises UsageError,
    whose one line says what the trace lacks.

    For example, `sdtrace.load("run.json").hta().get_temporal_breakdown(visualize=False)`.
    """

    def __init__(self, ranks: Mapping[int, OneRank]) -> None:
        """Raises UsageError when a rank has no event left."""
        self.ranks = dict(sorted(ranks.items()))
        symbols = Symbols(one.study.trace for one in self.ranks.values())
        exact = {rank: _exact(one, symbols) for rank, one in self.ranks.items()}
        traces = {rank: one.study.trace for rank, one in self.ranks.items()}

        def raw(rank: int) -> Raw:
            # A closure: HTA copies its trace deeply, and must not copy ours.
            return raw_trace(traces[rank])

        def load(frames: Mapping[int, Any]) -> LoadedTrace:
            return LoadedTrace(traces, frames, symbols.texts, raw)

        self.t = load(
            {
                rank: frame.assign(**{name: frame[name] / 1000 for name in _TIMES})
                for rank, frame in exact.items()
            }
        )
        wait = symbols.texts.index(WAIT) if WAIT in symbols.texts else None
        self.nanoseconds = load({rank: frame[frame["cat"] != wait] for rank, frame in exact.items()})

    @property
    def rank(self) -> int:
        """The lowest rank: the one that methods look at where nobody says which."""
        return min(self.ranks)

    @property
    def study(self) -> Study:
        """That of the lowest rank."""
        return self.ranks[self.rank].study

    @property
    def has_work(self) -> bool:
        """Whether there is any kernel, copy or fill."""
        return any((frame["stream"] >= 0).any() for frame in self.nanoseconds.traces.values())

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
        return {rank: self._op_delays(rank, sort_by or ["occurrence_count"]) for rank in ranks or [self.rank]}

    def _op_delays(self, rank: int, sort_by: Sequence[str]) -> Any:
        study = self.ranks[rank].study
        inside = np.zeros(len(study.trace), np.bool_)
        inside[self.t.get_trace(rank)["index"].to_numpy() - FIRST_INDEX] = True
        return op_delays(study, inside, sort_by)

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
            for rank in ranks or [self.rank]
        ]
        times = _microseconds(pd.concat([times for times, _ in found]), ["idle_time"])
        if not show_idle_interval_stats:
            return times, None
        return times, _microseconds(pd.concat([stats for _, stats in found]), _STATISTICS)

    def get_potential_stragglers(
        self,
        profiler_steps: list[int] | None = None,
        num_candidates: int = 2,
        visualize: bool = False,
        straggler_identification_impl: Callable[..., Any] = late_starts,
    ) -> list[int]:
        """As HTA's; of collectives by their newer names too (`ncclDevKernel`), and not all ranks.

        Without profiler steps the iterations that sdtrace finds are taken, counted from 1.
        """
        frames = {rank: self.t.get_trace(rank) for rank in self.ranks}
        return stragglers(
            {rank: (frame, self.ranks[rank].study) for rank, frame in frames.items()},
            self.t.symbol_table.get_sym_table(),
            profiler_steps,
            straggler_identification_impl,
            num_candidates,
            visualize,
        )

    def get_comm_comp_overlap(self, visualize: bool = True) -> Any:
        """As HTA's; of exact times."""
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", FutureWarning)  # HTA's own, of pandas 3
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
            list(ranks or [self.rank]),
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
        rank: int | None = None,
        top_k: int = 5,
        visualize: bool = False,
        compress_other_kernels: bool = True,
    ) -> Any:
        """As HTA's, in microseconds; exact. The trace with the sequences goes to the folder `output_dir`.

        Ops on the CPU count; HTA finds none where an annotation on the GPU has the same name.
        """
        rank = self.rank if rank is None else rank
        found = self._sequences(operator_name, min_pattern_len, rank)
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
        found = self._sequences(operator_name, min_pattern_len, self.rank)
        return as_frame(found, self.t.symbol_table.get_sym_table())

    def _sequences(self, operator: str, least: int, rank: int) -> Mapping[Pattern, Launched]:
        thread = self.ranks[rank].study.trace.thread.astype(np.int64)
        frame = self.nanoseconds.get_trace(rank)
        return find_sequences(frame, self.nanoseconds.symbol_table, thread, operator, least)


def _exact(one: OneRank, symbols: Symbols) -> Any:
    """The frame of a rank in nanoseconds."""
    trace = one.study.trace
    rows = frame_rows(trace, one.chosen)
    if not rows.size:
        raise UsageError(f"{trace.label}: there is no event for HTA")
    frame = pd.DataFrame(dict(columns(one.study, rows, symbols, one.add_ns)), copy=False)
    frame.index = pd.Index(frame["index"].to_numpy())
    return frame


def _microseconds(frame: Any, names: Iterable[str]) -> Any:
    """The frame with the columns `names` in microseconds instead of nanoseconds."""
    return frame.assign(**{name: frame[name] / 1000 for name in names})
