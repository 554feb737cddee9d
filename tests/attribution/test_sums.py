"""In `true` mode every nanosecond of device work belongs to one row, and to one only."""

from __future__ import annotations

import os

import pytest

from sdtrace.attribution.op_table import OpTimes, op_table
from sdtrace.reader.categories import WORK
from tests.loaded import linked_of, trace_of
from tests.shared import shared_trace

TRACES = [
    "reference/bf16_sdpa.warm",
    "reference/bf16_sdpa_eager.stack",
    "reference/bf16_sdpa_graphs.warm",
    "reference/fp32_eager",
    "reference/bf16_sdpa.cold",
    "third_party/hta_cpu_only",
    "third_party/hta_cudagraph_training_a100",
    "third_party/hta_mi250_rocm62_training",
    "third_party/hta_ns_resolution_v100",
    "third_party/tracelens_torch_compile_triton_mi300x",
    "third_party/tracelens_vllm_decode_graph_rocm",
    "third_party/tracelens_xdit_sd35_mi300x",
]
BIG = {"reference/bf16_sdpa.cold", "third_party/tracelens_xdit_sd35_mi300x"}


@pytest.mark.parametrize("name", TRACES)
def test_the_sum_over_ops_is_the_sum_over_device_work(name: str) -> None:
    if name in BIG and not os.environ.get("SDTRACE_BIG_TRACES"):
        pytest.skip("takes gigabytes or many seconds; set SDTRACE_BIG_TRACES=1")
    trace = trace_of(shared_trace(f"{name}.json.gz"))
    work_ns = int(trace.dur_ns[trace.rows(WORK)].sum())
    rows = op_table(linked_of(trace.path), OpTimes.TRUE)
    assert sum(row.self_device_ns for row in rows if row.device_type == "cpu") == work_ns
    assert sum(row.self_cpu_ns for row in rows) <= sum(row.cpu_total_ns for row in rows)
    assert (work_ns > 0) == (name != "third_party/hta_cpu_only")
