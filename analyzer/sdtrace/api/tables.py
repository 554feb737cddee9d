"""The tables of an analysis as attributes; what each holds, with types of its columns."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import polars as pl


class Tables:
    """The tables of `report.json` as polars frames; `_frame` gives one by its name there.

    Names that end in `_us` are microseconds, in `_bytes` bytes; `pct` is percent of device work, `tbps` are
    10^12 bytes a second, `tflops` 10^12 operations a second. docs/columns.md says what each column means.
    """

    @property
    def ops(self) -> pl.DataFrame:
        """One row per op: calls, self and total CPU and device time, FLOPs, memory.

        Columns: name, device_type (String); is_user_annotation, is_wait (Boolean); calls, flops,
        cpu_memory_bytes, self_cpu_memory_bytes, device_memory_bytes, self_device_memory_bytes (Int64);
        self_cpu_us, cpu_total_us, self_device_us, device_total_us (Float64).

        >>> getfixture("eager").ops.columns[:3]
        ['name', 'device_type', 'is_user_annotation']
        """
        return self._frame("ops")

    @property
    def kernels(self) -> pl.DataFrame:
        """Device work by name: category, calls, total, mean, shortest and longest time.

        Columns: name, short_name, category, fused_kind, fused_ops, bytes_are (String); calls, flops,
        bytes_read, bytes_written, dram_bytes_read (Int64); total_us, mean_us, min_us, max_us, pct, tbps,
        pct_of_peak (Float64).

        >>> getfixture("eager").kernels.columns[:3]
        ['name', 'short_name', 'category']
        """
        return self._frame("kernels")

    @property
    def ops_by_shape(self) -> pl.DataFrame:
        """Device work by op, shapes and types: FLOPs, bytes, rates, and what is lost to the card's peaks.

        Columns: op, input_dims, input_types, bound (String); calls, flops, bytes_read, bytes_written,
        dram_bytes_read (Int64); device_us, tflops, tbps, pct_of_peak, lost_us (Float64); exact (Boolean).

        >>> getfixture("eager").ops_by_shape.columns[:3]
        ['op', 'input_dims', 'input_types']
        """
        return self._frame("ops_by_shape")

    @property
    def waterfall(self) -> pl.DataFrame:
        """Where the wall of a steady iteration goes, held against the card: parts that sum to it.

        Columns: part, name (String); us (Float64).

        >>> getfixture("eager").waterfall.columns[:3]
        ['part', 'name', 'us']
        """
        return self._frame("waterfall")

    @property
    def categories(self) -> pl.DataFrame:
        """Device work by category: gemm, attention, conv and so on.

        Columns: category (String); gpu_us, pct (Float64); calls (Int64).

        >>> getfixture("eager").categories.columns[:3]
        ['category', 'gpu_us', 'pct']
        """
        return self._frame("categories")

    @property
    def components(self) -> pl.DataFrame:
        """Text encoder, denoiser, VAE, scheduler and `other`, in each phase.

        Columns: component, phase (String); gpu_us, wall_us (Float64); calls (Int64).

        >>> getfixture("eager").components.columns[:3]
        ['component', 'phase', 'gpu_us']
        """
        return self._frame("components")

    @property
    def phases(self) -> pl.DataFrame:
        """Wall time and device work of capture, autotune, compile, warmup, stall and steady state.

        Columns: phase (String); wall_us, gpu_us (Float64); gpu_events (Int64).

        >>> getfixture("eager").phases.columns[:3]
        ['phase', 'wall_us', 'gpu_us']
        """
        return self._frame("phases")

    @property
    def iterations(self) -> pl.DataFrame:
        """One row per repetition of the outermost loop: an image, a training step.

        Columns: name, phase, note (String); index, gpu_events, launches, steps (Int64); start_us, wall_us,
        gpu_us, gpu_busy_us, any_busy_us, host_wall_us (Float64); is_whole (Boolean).

        >>> getfixture("eager").iterations.columns[:3]
        ['name', 'index', 'start_us']
        """
        return self._frame("iterations")

    @property
    def steps(self) -> pl.DataFrame:
        """One row per denoising step: its iteration and place there, wall, device and busy time, launches.

        Columns: iteration, index, gpu_events, launches (Int64); start_us, wall_us, host_wall_us, gpu_us,
        gpu_busy_us, any_busy_us (Float64).

        >>> getfixture("eager").steps.columns[:3]
        ['iteration', 'index', 'start_us']
        """
        return self._frame("steps")

    @property
    def idle(self) -> pl.DataFrame:
        """Why the device was idle, and for how long.

        Columns: cause (String); us (Float64); gaps (Int64).

        >>> getfixture("eager").idle.columns[:3]
        ['cause', 'us', 'gaps']
        """
        return self._frame("idle")

    @property
    def compile_stages(self) -> pl.DataFrame:
        """What torch.compile spent its time on, in the whole trace.

        Columns: stage (String); exclusive_us, inclusive_us (Float64); count (Int64).

        >>> getfixture("eager").compile_stages.columns[:3]
        ['stage', 'exclusive_us', 'inclusive_us']
        """
        return self._frame("compile")

    @property
    def devices(self) -> pl.DataFrame:
        """Busy and idle time of each device of the whole trace.

        Columns: index, kernels (Int64); name (String); busy_us, idle_us, steady_busy_us, steady_wall_us
        (Float64).

        >>> getfixture("eager").devices.columns[:3]
        ['index', 'name', 'busy_us']
        """
        return self._frame("devices")

    @property
    def findings(self) -> pl.DataFrame:
        """What to know and what to change, most valuable first; of the whole trace.

        Columns: id, severity, title, evidence, advice, confidence, verify (String); saving_us (Float64).

        >>> getfixture("eager").findings.columns[:3]
        ['id', 'severity', 'title']
        """
        return self._frame("findings")

    @property
    def hta_measures(self) -> pl.DataFrame:
        """What HTA and sdtrace both measure, and why they differ; empty unless `Options.of(hta=True)`.

        Columns: measure, reason (String); ours_us, hta_us, difference_us (Float64); ours_count, hta_count
        (Int64).

        >>> getfixture("eager").hta_measures.columns[:3]
        ['measure', 'ours_us', 'hta_us']
        """
        return self._frame("hta")

    @property
    def hta_results(self) -> pl.DataFrame:
        """The first rows of each of HTA's analyses; empty unless `Options.of(hta=True)`.

        Columns: item, analysis, note (String); total_us, pct (Float64); count (Int64).

        >>> getfixture("eager").hta_results.columns[:3]
        ['item', 'analysis', 'total_us']
        """
        return self._frame("hta_results")

    def _frame(self, table: str) -> pl.DataFrame:
        raise NotImplementedError
