"""Parts of an analysis that commands show by themselves."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from sdtrace.analysis.options import Options
from sdtrace.analysis.study import study_trace
from sdtrace.analysis.trace_report import op_record
from sdtrace.attribution.flops import FLOP_OPS
from sdtrace.breakdowns.rules import load_rules
from sdtrace.model import Op
from sdtrace.phases.timeline import PHASES
from sdtrace.trace import Trace, load_trace

if TYPE_CHECKING:
    import polars as pl

_DEVICE_NAMES = {"hip": "CUDA", "cuda": "CUDA", "xpu": "XPU", "mtia": "MTIA"}


def op_rows(path: Path, options: Options) -> tuple[list[Op], str]:
    """The op table of a trace, and what torch calls the device in its header."""
    trace = load_trace(path, FLOP_OPS)
    study = study_trace(trace, options.rules)
    return [op_record(row) for row in study.op_rows(options.op_times, options.part)], _device_name(trace)


def events_frame(path: Path) -> pl.DataFrame:
    """Every event as a row, with the phase it belongs to: device work that of its launch."""
    import polars as pl  # noqa: PLC0415  # 0.1 s to import, and most commands do without

    study = study_trace(load_trace(path), load_rules(None))
    codes = study.phases.timeline.at(study.trace.start_ns)
    codes[study.linked.work.row] = study.phases.work_code
    phases = pl.Series("phase", PHASES, dtype=pl.Enum(PHASES))
    return study.trace.frame().with_columns(phases.gather(codes))


def _device_name(trace: Trace) -> str:
    """torch calls NVIDIA's and AMD's devices CUDA, and others by their backend."""
    for category in trace.counts:
        prefix = category.partition("_")[0]
        if prefix in _DEVICE_NAMES:
            return _DEVICE_NAMES[prefix]
    return "CUDA"
