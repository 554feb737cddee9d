"""Every finding of a real trace names rows that its report has, and a command that runs."""

from __future__ import annotations

import shlex
from functools import lru_cache
from pathlib import Path

import pytest

import sdtrace
from sdtrace.api.sql import query
from sdtrace.model import EvidenceRow, Finding, TraceReport
from sdtrace_collector.variants import VARIANTS
from tests.analysis.reference import COLD, SHIPPED
from tests.fields import FIELD
from tests.findings.test_real_traces import EXPECTED, SMALL_GRAPHS
from tests.loaded import analysis_of
from tests.shared import shared_trace

WILD = ("cfg_parallel.rank0", "flux_recompile", "lora_train", "pairs_fp32", "sd_offload")
RECORDED = (
    "recompile_shape",
    "recompile_dtype",
    "graph_break",
    "slow_conv",
    "h100_clock_busy",
    "h100_memory_full",
    "h100_loop_gc",
)
TRACES = [
    *(name for name in EXPECTED if name != COLD),
    *(f"wild/{name}" for name in WILD),
    *(f"field/{name}.json.gz" for name in RECORDED),
    "field/cudamalloc_every_iteration.json",
    "field/sequential_cpu_offload.json.gz",
    "field/model_split_over_two_gpus.json.gz",
    "field/launches_without_any_kernel.json",
    "field/device_clock_early.json",
    "field/loader_wait_is_no_stall.json",
]
KEYS = {
    "kernels": "name",
    "ops": "name",
    "iterations": "index",
    "idle": "cause",
    "phases": "phase",
    "categories": "category",
    "components": "component",
    "devices": "index",
}
RECORDS = ("events", "lost", "overhead")


def path_of(name: str) -> Path:
    if name.startswith("field/"):
        return FIELD / name.removeprefix("field/")
    return shared_trace(f"{name}.json.gz") if "/" in name else SHIPPED / name


def analysed(name: str) -> sdtrace.Analysis:
    return analysis_of(path_of(name))


@pytest.mark.parametrize("name", TRACES)
def test_evidence_is_in_the_report_and_its_command_runs(name: str) -> None:
    one = analysed(name)
    for finding in one.report.findings:
        assert finding.evidence_rows, finding.id
        missing = [row for row in finding.evidence_rows if not stands_in(one.report, row)]
        assert missing == [], finding.id
        for command in finding.verify.split(" && "):
            assert_runs(one, command, finding)


def stands_in(report: TraceReport, row: EvidenceRow) -> bool:
    """Whether the report has the row."""
    if row.table in RECORDS:
        return hasattr(getattr(report, row.table), row.key)
    if row.table == "ops_by_shape":
        return row.key in {f"{each.op} {each.input_dims}" for each in report.ops_by_shape}
    return row.key in {str(getattr(each, KEYS[row.table])) for each in getattr(report, row.table)}


def assert_runs(one: sdtrace.Analysis, command: str, finding: Finding) -> None:
    """Runs a query; of other commands only the words are looked at."""
    program, verb, *words = shlex.split(command)
    assert program == "sdtrace"
    if verb == "query":
        path, sql = words
        assert path == str(one.study.trace.path)
        assert query([one], sql).height > 0, finding.id
    elif verb == "collect":
        assert words[0] == "--variant"
        assert words[1] in VARIANTS
    else:
        assert verb in {"analyze", "compare"}
        assert words[0] == str(one.study.trace.path)


FIRES = [
    ("overhead.recompile", "wild/flux_recompile", "wild/pairs_sd"),
    ("overhead.recompile", "field/recompile_shape.json.gz", "field/graph_break.json.gz"),
    ("overhead.recompile", "field/recompile_dtype.json.gz", "field/slow_conv.json.gz"),
    ("host.graph_breaks", "field/graph_break.json.gz", "field/recompile_shape.json.gz"),
    ("host.slow_op", "field/slow_conv.json.gz", "field/graph_break.json.gz"),
    ("host.small_graphs", "third_party/hta_cudagraph_training_a100", SMALL_GRAPHS),
    ("device.clock", "field/h100_clock_busy.json.gz", "wild/pairs_fp32"),
    ("device.memory_limit", "field/h100_memory_full.json.gz", "h200-bf16_sdpa_eager.stack.json.gz"),
    ("device.tf32", "wild/pairs_fp32", "wild/bytes_eager"),
    ("device.few_blocks", "reference/bf16_sdpa_graphs.warm", "wild/pairs_fp32"),
    ("device.fusion", "wild/bytes_eager", "reference/bf16_sdpa_graphs.warm"),
    ("host.text_encoder", "wild/pairs_sd", "wild/sd_offload"),
    ("host.batch", "wild/pairs_sd", "wild/pairs_fp32"),
    ("trace.other_ranks", "wild/cfg_parallel.rank0", "wild/lora_train"),
    ("trace.no_replay", "third_party/hta_cudagraph_training_a100", "wild/lora_train"),
    ("device.norm", "wild/bytes_eager", "wild/pairs_fp32"),
    ("device.convolution", "wild/cfg_parallel.rank0", "wild/pairs_fp32"),
    ("device.latency", "wild/lora_train", "wild/pairs_fp32"),
    ("device.layout", "wild/bytes_eager", "wild/pairs_fp32"),
    ("device.weight_layout", "reference/bf16_sdpa.warm", "reference/bf16_sdpa_graphs.warm"),
    ("host.copies", "wild/sd_offload", "wild/lora_train"),
    ("device.float32", "wild/pairs_fp32", "wild/bytes_eager"),
]


@lru_cache(maxsize=32)
def findings_of(name: str) -> dict[str, Finding]:
    return {item.id: item for item in analysed(name).report.findings}


@pytest.mark.parametrize(("identifier", "fires", "silent"), FIRES)
def test_a_finding_fires_where_it_is_true_and_nowhere_else(identifier: str, fires: str, silent: str) -> None:
    assert identifier in findings_of(fires)
    assert identifier not in findings_of(silent)


def test_a_recompile_says_which_image_and_what_changed() -> None:
    flux = findings_of("wild/flux_recompile")["overhead.recompile"]
    assert "Image 2: 21.5 s compile in 23.6 s, of 2 functions" in flux.evidence
    assert flux.evidence_rows == [EvidenceRow(table="iterations", key="1")]
    assert "The trace has no shapes" in flux.advice
    shape = findings_of("field/recompile_shape.json.gz")["overhead.recompile"]
    assert "`aten::linear` ran on 16x64 before and on 24x64 now" in shape.evidence
    assert "mark_dynamic" in shape.advice
    dtype = findings_of("field/recompile_dtype.json.gz")["overhead.recompile"]
    assert "`aten::mul` ran on float before and on double now" in dtype.evidence
    assert "Convert the input to one type" in dtype.advice


def test_an_offloaded_pipeline_is_not_sent_to_cuda_graphs() -> None:
    found = findings_of("wild/sd_offload")
    assert next(iter(found)) == "host.copies"
    # 2.13 GB come to the GPU in every image, and go back: three models, each once.
    assert found["host.copies"].title == "Whole models move between CPU and GPU in every image"
    assert found["host.copies"].advice.startswith(
        "Keep the weights on the GPU: remove `enable_model_cpu_offload()`, or what else moves them. "
        "They are 2.13 GB, and the GPU has 85 GB."
    )
    assert found["host.launch_bound"].advice.startswith("Stop moving weights or data first")
    assert found["host.launch_bound"].severity == "low"
    assert "device.small_kernels" not in found


def test_what_dominates_is_told_of_any_trace() -> None:
    image = findings_of("wild/bytes_eager")["steady.dominant"]
    # By hand, from the rows of ops_by_shape: 13.4 of 34.0 ms, of which 0.5 ms would do.
    assert image.title == "The largest share of GPU time, 39.3 %, is `aten::native_group_norm`"
    assert "(13.4 ms), at 4.0 % of what the card can do" in image.evidence
    cpu = findings_of("field/slow_conv.json.gz")["steady.dominant"]
    assert "of CPU time" in cpu.title
    assert "`aten::_slow_conv2d_forward`" in cpu.title
    stack = findings_of("h200-bf16_sdpa_eager.stack.json.gz")["steady.dominant"]
    assert "It is called in `GroupNorm` in `ResnetBlock2D` in `UpDecoderBlock2D`." in stack.evidence


def test_conversions_in_eager_code_promise_nothing() -> None:
    layout = findings_of("wild/bytes_eager")["device.layout"]
    assert layout.saving_us is None
    assert "0.0 % of it in compiled code" in layout.evidence
    weights = findings_of("reference/bf16_sdpa.warm")["device.weight_layout"]
    # The host paces this image; once it no longer does, the conversions are worth what they take: 8.24 ms,
    # and the gap before each kernel.
    assert weights.saving is not None
    assert 8_240 < weights.saving.step_us < 9_060
