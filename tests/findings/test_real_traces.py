"""What the reports of real traces say: the questions of the study, answered in figures."""

from __future__ import annotations

import gzip
import json
from itertools import takewhile
from typing import Any

import pytest

from sdtrace.report import summary
from tests.analysis.reference import COLD, EAGER, GRAPHS, STACK, WARM, finding, reported
from tests.shared import shared_trace

COLD_REGIONAL = "h200-bf16_sdpa_regional.cold.json.gz"
SMALL_GRAPHS = "h200-bf16_sdpa_cudagraphs.json"
SMALL_EAGER = "h200-fp32_eager.json"
OTHER = "third_party/"
EXPECTED = {
    COLD: {
        *{
            "overhead.once",
            "overhead.autotune",
            "overhead.first_calls",
            "host.launch_bound",
            "trace.ranges",
            "host.batch",
            "host.text_encoder",
        },
        *{"device.weight_layout", "host.profiler", "device.autotune_choice"},
    },
    EAGER: {
        *{
            "overhead.once",
            "overhead.first_calls",
            "host.launch_bound",
            "host.profiler",
            "trace.ranges",
            "device.few_blocks",
            "device.fusion",
            "device.tf32",
            "host.text_encoder",
        },
        *{"device.float32", "device.unfused_attention", "device.layout", "device.norm", "device.convolution"},
    },
    WARM: {
        "host.launch_bound",
        "host.profiler",
        "trace.ranges",
        "device.weight_layout",
        "host.batch",
        "host.text_encoder",
    },
    GRAPHS: {
        "overhead.once",
        "overhead.first_calls",
        "host.launch_bound",
        "host.sync",
        "host.profiler",
        "trace.ranges",
        "device.few_blocks",
        "host.text_encoder",
    },
    STACK: {
        *{
            "overhead.once",
            "overhead.first_calls",
            "host.launch_bound",
            "device.layout",
            "trace.ranges",
            "device.fusion",
        },
        *{"device.norm", "device.convolution"},
    },
    SMALL_GRAPHS: {
        "host.launch_bound",
        "host.profiler",
        "trace.ranges",
        "device.fusion",
        "host.batch",
        "host.text_encoder",
    },
    SMALL_EAGER: {
        *{
            "host.launch_bound",
            "host.profiler",
            "trace.ranges",
            "device.tf32",
            "host.batch",
            "host.text_encoder",
        },
        *{"device.float32", "device.small_kernels"},
    },
    COLD_REGIONAL: {
        *{
            "overhead.once",
            "overhead.autotune",
            "overhead.first_calls",
            "host.launch_bound",
            "host.profiler",
            "host.batch",
            "host.text_encoder",
        },
        *{"device.layout", "device.small_kernels", "trace.ranges"},
    },
    f"{OTHER}tracelens_xdit_sd35_mi300x": {
        "host.launch_bound",
        "host.profiler",
        "trace.ranges",
        "host.text_encoder",
    },
    f"{OTHER}hta_cudagraph_training_a100": {
        "device.gaps",
        "device.collectives",
        "host.small_graphs",
        "trace.no_replay",
    },
    f"{OTHER}hta_ns_resolution_v100": {"device.float32", "device.few_blocks"},
    f"{OTHER}hta_cpu_only": {"trace.no_device_work"},
    f"{OTHER}tracelens_vllm_decode_graph_rocm": {"trace.earlier_work", "trace.no_replay"},
}


@pytest.mark.parametrize("name", EXPECTED)
def test_these_findings_and_no_others(name: str) -> None:
    assert {item.id for item in reported(name).findings} == EXPECTED[name] | {"steady.dominant"}


def said(name: str, identifier: str) -> str:
    """Title, evidence and advice of a finding the report must have."""
    found = finding(reported(name), identifier)
    assert found is not None
    return " ".join((found.title, found.evidence, found.advice))


def test_how_long_the_host_autotuned_and_what_the_device_did_meanwhile() -> None:
    text = said(COLD, "overhead.autotune")
    for figure in ("7.46 s on the CPU", "149 calls", "130,827", "1.94 s", "91.5 % of all GPU time"):
        assert figure in text
    # 61 % of it flushes the L2 cache; with what compilation tried 1.24 s.
    for figure in ("61.5 %", "flush the L2 cache", "All fills together take 1.24 s", "compute no result"):
        assert figure in text


def test_what_the_numbers_would_be_without_overhead() -> None:
    text = said(COLD, "overhead.once")
    for figure in (
        "99.2 %",
        "82.0 s of 82.7 s",
        "compile 69.8 s",
        "autotune 7.46 s",
        "image takes 207 ms",
    ):
        assert figure in text
    for figure in ("code generation 19.5 s", "scheduling and fusion 11.9 s", "inductor lowering 9.28 s"):
        assert figure in text


def test_overhead_of_an_eager_run_is_what_exceeds_a_usual_image() -> None:
    text = said(EAGER, "overhead.once")
    assert "1.51 s of 3.63 s: warmup beyond steady images 1.51 s" in text
    assert "compile" not in text


def test_the_range_that_is_no_work_and_why_it_exceeds_all_of_it() -> None:
    text = said(WARM, "trace.ranges")
    for part in (
        "`model_inference` is a range",
        "774.5 % of Self CUDA",
        "1.98 s, where all work takes 256 ms",
        "idle time included",
    ):
        assert part in text
    assert "3,890 % of Self CUDA" in said(COLD, "trace.ranges")


def test_where_float32_goes() -> None:
    assert "54.5 % of steady GPU time" in said(EAGER, "device.float32")
    found = finding(reported(EAGER), "device.float32")
    assert found is not None
    # Of 531 ms without the profiler the host needs about 437: shorter kernels alone save the rest.
    assert found.saving is not None
    assert 0.7 * found.saving.from_us < found.saving.to_us < 0.95 * found.saving.from_us
    assert found.saving_us == pytest.approx(found.saving.from_us - found.saving.to_us)
    assert "Softmax alone takes 10.6 %" in said(EAGER, "device.unfused_attention")
    assert "8.7 % of steady GPU time in 1,833 conversions" in said(EAGER, "device.layout")


def test_who_made_the_host_wait() -> None:
    """Two steady images of ten denoiser calls: the scheduler reads 42 numbers and branches 22 times."""
    text = said(GRAPHS, "host.sync")
    assert "most from `aten::item` (21 an image, 15.9 ms), `aten::is_nonzero` (11 an image, 1.08 ms)." in text
    assert "Remove `.item()` (21 an image) and `if tensor` (11 an image) in code outside the models" in text


def test_advice_goes_further_than_what_was_done_already() -> None:
    assert "Use `torch.compile`, best with" in said(EAGER, "host.launch_bound")
    assert "reduce-overhead" in said(WARM, "host.launch_bound")
    assert "Use `torch.compile`" not in said(WARM, "host.launch_bound")
    assert 'Change the mode of `torch.compile` to `"reduce-overhead"`' in said(WARM, "host.launch_bound")
    for graphs in (GRAPHS, SMALL_GRAPHS):
        assert "CUDA graphs already" in said(graphs, "host.launch_bound")
        assert "reduce-overhead" not in said(graphs, "host.launch_bound")
    assert "compile_repeated_blocks" in said(COLD, "overhead.once")
    assert "regional" not in said(COLD_REGIONAL, "overhead.once")


def test_conclusions_about_the_host_say_whether_they_survive() -> None:
    assert (
        "Still true without the profiler: the GPU has nothing to do for 79.5 % of an image of 10.5 ms"
        in said(SMALL_GRAPHS, "host.launch_bound")
    )
    assert "of an image of an estimated 119 ms" in said(COLD, "host.launch_bound")
    assert "2.34 times as long" in said(SMALL_GRAPHS, "host.profiler")
    without, given = (finding(reported(name), "host.launch_bound") for name in (COLD, SMALL_GRAPHS))
    assert without is not None
    assert given is not None
    assert (without.confidence, given.confidence) == ("likely", "likely")
    # Never more than the time there is without the profiler.
    report = reported(SMALL_GRAPHS)
    assert report.unprofiled_wall_us is not None
    assert report.steady is not None
    assert given.saving_us is not None
    assert given.saving_us <= report.unprofiled_wall_us - report.steady.gpu_median_us + 1


def test_the_first_to_fix_stands_first_then_what_brings_most() -> None:
    order = ["high", "medium", "low", "info"]
    for name in EXPECTED:
        report = reported(name)
        assert report.verdict is not None
        if report.verdict.first:
            assert report.findings[0].id == report.verdict.first
        told = [(item, summary.saving(item)) for item in report.findings]
        brings = ["→" in text or "saves" in text for _, text in told]
        assert brings == sorted(brings, reverse=True)
        alone = [item.saving_us for item, text in told[1:] if "→" in text and item.id != "host.batch"]
        assert alone == sorted(alone, key=lambda us: -(us or 0))
        ranks = [order.index(item.severity) for (item, _), some in zip(told, brings, strict=True) if not some]
        assert ranks == sorted(ranks)


@pytest.mark.parametrize(
    ("name", "hidden"), [("h200-bf16_sdpa_eager.cudnn_benchmark.json.xz", True), (EAGER, False)]
)
def test_a_saving_of_device_time_says_when_the_host_hides_it(name: str, hidden: bool) -> None:
    norm = finding(reported(name), "device.norm")
    assert norm is not None
    assert ("You are CPU-bound" in norm.evidence) == hidden


def test_what_inductor_fused_is_told_of_each_kernel() -> None:
    kernels = reported(COLD_REGIONAL).kernels
    fused = [row for row in kernels if row.category == "fused_triton"]
    assert {row.fused_kind for row in fused} == {"pointwise", "persistent"}
    assert all(row.fused_ops for row in fused)
    assert not [row for row in kernels if row.fused_kind and row.category != "fused_triton"]


def exposed_ns(events: list[dict[str, Any]]) -> int:
    """Time in which a collective runs and no other device work, by a sweep over all beginnings and ends."""
    edges: list[tuple[int, int, bool]] = []
    for event in events:
        if event.get("cat") in {"kernel", "gpu_memcpy", "gpu_memset"}:
            start, is_talk = round(1000 * event["ts"]), event["name"].startswith("nccl")
            edges += [(start, 1, is_talk), (start + round(1000 * event["dur"]), -1, is_talk)]
    running, last, result = {True: 0, False: 0}, 0, 0
    for at, step, is_talk in sorted(edges):
        result += (at - last) * (running[True] > 0 and not running[False])
        running[is_talk] += step
        last = at
    return result


def queued(events: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Kernels that lead their stream without a call, the last after the next one's call: they were queued."""
    calls = {
        event["args"].get("correlation"): event["ts"]
        for event in events
        if event.get("cat") in {"cuda_runtime", "cuda_driver"}
    }
    found = []
    kernels = sorted(
        (event for event in events if event.get("cat") == "kernel"), key=lambda event: event["ts"]
    )
    for stream in {event["tid"] for event in kernels}:
        mine = [event for event in kernels if event["tid"] == stream]
        leading = list(takewhile(lambda event: event["args"].get("correlation") not in calls, mine))
        known = mine[len(leading) :][:1]
        if leading and known and leading[-1]["ts"] >= calls[known[0]["args"]["correlation"]]:
            found += leading
    return found


def test_communication_that_nothing_hides_equals_a_sweep_over_the_file() -> None:
    path = shared_trace(f"{OTHER}hta_cudagraph_training_a100.json.gz")
    events = json.loads(gzip.decompress(path.read_bytes()))["traceEvents"]
    for event in queued(events):  # of no iteration
        event["name"] = "queued"
    report = reported(f"{OTHER}hta_cudagraph_training_a100")
    found = finding(report, "device.collectives")
    assert found is not None
    assert found.saving_us == pytest.approx(exposed_ns(events) / 1000 / len(report.iterations), abs=0.01)


@pytest.mark.parametrize("name", [COLD, EAGER, WARM, GRAPHS, SMALL_GRAPHS])
def test_no_finding_is_more_severe_than_its_saving(name: str) -> None:
    """A quarter of an iteration and more is high, 8 % medium, 2 % low: by the replay, else by the bound."""
    trace = reported(name)
    order, walls = ["high", "medium", "low", "info"], [trace.unprofiled_wall_us]
    walls += [trace.steady.median_us if trace.steady else None]
    wall = min(each for each in walls if each is not None)
    alone = [row.saving_us or 0 for row in trace.findings if row.saving and row.id != "host.batch"]
    for found in trace.findings:
        if found.saving_us is None or found.id.startswith(("overhead.", "trace.")):
            continue
        share = found.saving_us / wall
        if found.saving is not None:
            share = max(found.saving_us, min(found.saving.step_us, max(alone))) / found.saving.from_us
        most = next(
            (name for least, name in ((0.25, "high"), (0.08, "medium"), (0.02, "low")) if share >= least),
            "info",
        )
        # A larger batch makes no image earlier, whatever it saves of each.
        is_exact = found.saving is not None and found.id != "host.batch"
        assert found.severity == most if is_exact else order.index(found.severity) >= order.index(most), (
            found.id
        )
