"""Reference traces, studied once for all tests."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np

from sdtrace.analysis.study import Study
from sdtrace.model import Finding, TraceReport
from sdtrace.phases.timeline import AUTOTUNE
from sdtrace.trace import Trace
from tests.loaded import report_of, study_of
from tests.shared import shared_trace

SHIPPED = Path(__file__).parents[2] / "traces"
"""Small traces of one H200 that come with the repository."""
COLD = "reference/bf16_sdpa.cold"
EAGER = "reference/fp32_eager"
WARM = "reference/bf16_sdpa.warm"
GRAPHS = "reference/bf16_sdpa_graphs.warm"
STACK = "reference/bf16_sdpa_eager.stack"
SD = (EAGER, WARM, GRAPHS, STACK, "third_party/tracelens_xdit_sd35_mi300x")
OTHERS = (
    "third_party/hta_cudagraph_training_a100",
    "third_party/hta_mi250_rocm62_training",
    "third_party/hta_ns_resolution_v100",
    "third_party/tracelens_torch_compile_triton_mi300x",
    "third_party/tracelens_vllm_decode_graph_rocm",
    "third_party/hta_cpu_only",
)
_COLUMNS = ["name", "category", "thread", "start_ns", "dur_ns"]
_COLUMNS += ["external_id", "correlation", "nbytes", "args"]


def path_of(name: str) -> Path:
    """A shared trace by name, or a shipped one when there is no folder in it."""
    return shared_trace(f"{name}.json.gz") if "/" in name else SHIPPED / name


def cold() -> Study:
    """The 543 MB cold trace, read from its 30 MB of gzip: 5 s and 0.5 GB, once a process."""
    return studied(COLD)


def studied(name: str) -> Study:
    """A reference trace, studied."""
    return study_of(path_of(name))


def reported(name: str, phase: str | None = None) -> TraceReport:
    """The report of a trace, of all or of one phase."""
    return report_of(path_of(name), phase)


def finding(report: TraceReport, identifier: str) -> Finding | None:
    """The finding so named, None when the report has none."""
    return next((item for item in report.findings if item.id == identifier), None)


def cold_benchmarks_without_spans() -> tuple[Trace, int]:
    """The last 30 benchmarks of the cold trace and what ran between, less all marks of compile and autotune.

    With it the device time that autotune launched there, in nanoseconds.
    """
    found = cold()
    trace, spans = found.trace, found.phases.timeline.of(AUTOTUNE)
    first, last = int(spans.start[-30]), int(spans.end[-1])
    launch = found.linked.work.launch
    inside = (trace.start_ns[launch] >= first) & (trace.start_ns[launch] < last)
    kept = (trace.start_ns >= first) & (trace.start_ns < last)
    kept[found.linked.work.row] = inside
    kept[np.concatenate((found.phases.spans.autotune, found.phases.spans.compile))] = False
    launched = inside & found.phases.work_mask(AUTOTUNE)
    columns = {column: getattr(trace, column)[kept] for column in _COLUMNS}
    return replace(trace, **columns), int(trace.dur_ns[found.linked.work.row[launched]].sum())
