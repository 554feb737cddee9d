"""What findings say: evidence, advice, savings and order, from figures of which the answer is known."""

from __future__ import annotations

import re
import subprocess
from dataclasses import replace
from typing import Any

import pytest

from sdtrace.breakdowns.kernels import CategoryRow
from sdtrace.breakdowns.phases import PhaseRow
from sdtrace.findings import (
    Collectives,
    CopyTraffic,
    Culprit,
    Late,
    MemoryCalls,
    MemoryPeak,
    Waiting,
)
from tests.findings.figures import (
    CONVOLUTION,
    FLOAT32,
    MS,
    NORM,
    QUIET,
    SOFTMAX,
    WALL,
    WORK,
    component,
    copies,
    exact,
    few_blocks,
    found,
    idle,
    launch_bound,
    layout,
    lost,
    one_component,
    shaped,
    small,
    tiny,
    work,
)

WORDED = {
    "host.batch": launch_bound(70) | {"unprofiled_wall_ns": 16 * MS},
    "device.few_blocks": few_blocks(9 * MS),
    "device.norm": shaped(NORM, 50 * MS, 29),
    "device.convolution": shaped(CONVOLUTION, 50 * MS, 29),
    "device.latency": tiny(21 * MS),
    "device.memory_limit": {"memory_peak": MemoryPeak(91, 100)},
    "host.silence": idle("host_silence", 10),
}
"""Findings whose advice is worded for images where images are made."""
IMAGE_WORDS = re.compile(r"image|prompt|guidance|VAE|vae|text encoder")


def test_copies_are_described_for_one_iteration() -> None:
    """800 copies of 2 GB in 40 ms over ten iterations: 80 copies, 0.2 GB, 4 ms each, at 50 GB/s."""
    part = CopyTraffic(True, 40 * MS, 2 * 10**9, 800, 0, 30 * MS)
    weights = found(copies=[part])["host.copies"]
    assert "0.2 GB to the GPU in 80 copies an iteration, 4.00 ms, 50 GB/s" in weights.evidence
    assert "blocked by them for 3.00 ms an iteration" in weights.evidence
    assert weights.title.startswith("Weights move")
    assert weights.saving_ns == 4 * MS
    few = found(copies=[part._replace(calls=79)])["host.copies"]
    assert few.title.startswith("Copies between")
    assert found(copies=[part._replace(calls=80)])["host.copies"].title.startswith("Weights move")
    waits = found(copies=[part], **exact("copy", 20))["host.copies"]
    assert waits.saving_ns == 4 * MS + 2 * MS
    unknown = found(copies=[part._replace(nbytes=None)])["host.copies"]
    assert "80 copies an iteration to the GPU, 4.00 ms" in unknown.evidence


def test_a_component_that_is_compiled_is_told_to_change_its_mode() -> None:
    given = component(6)
    (part,) = given["launch_bound_components"]
    assert found(**given)["host.component"].advice.startswith('Compile it with `mode="reduce-overhead"`')
    compiled = given | {"launch_bound_components": [part._replace(is_compiled=True)]}
    advice = found(**compiled)["host.component"].advice
    assert advice.startswith('It is compiled: change its mode to `"reduce-overhead"`')


@pytest.mark.parametrize("given", [*WORDED])
def test_only_of_a_diffusion_pipeline_findings_speak_of_images(given: str) -> None:
    told = {noun: found(**WORDED[given], noun=noun)[given] for noun in ("iteration", "image")}
    spoken = {noun: f"{row.title} {row.evidence} {row.advice}" for noun, row in told.items()}
    assert not IMAGE_WORDS.search(spoken["iteration"]), spoken["iteration"]
    assert IMAGE_WORDS.search(spoken["image"])


def test_one_compiled_helper_does_not_make_a_compiled_program() -> None:
    for ns, start in ((MS - 1, "Use `torch.compile`"), (MS, "Change the mode of `torch.compile`")):
        fused = {"steady_categories": [CategoryRow("fused_triton", 1, ns)]}
        assert found(**launch_bound(50), **fused)["host.launch_bound"].advice.startswith(start)


@pytest.mark.parametrize(
    ("exposed_ns", "said"), [(9 * MS // 2, "overlaps with other work"), (9 * MS, "takes little of the time")]
)
def test_communication_that_nothing_hides_is_not_called_hidden(exposed_ns: int, said: str) -> None:
    given = {"collectives": Collectives(9 * MS, 9 * MS, exposed_ns)} | idle("other", 90)
    assert found(**given)["device.collectives"].title == f"Communication between GPUs {said}"


def test_memory_calls_are_counted_for_one_iteration() -> None:
    memory = found(**exact("memory", 20, memory_calls=MemoryCalls(40, 30 * MS, 1)))["host.memory"]
    assert "4 such calls in an iteration, 3.00 ms" in memory.evidence
    assert "at its limit" in memory.advice
    grown = found(**exact("memory", 20, memory_calls=MemoryCalls(40, 30 * MS, 0)))["host.memory"]
    assert "asks the driver for new memory" in grown.advice


@pytest.mark.parametrize(
    ("waiting", "unprofiled_ns", "is_bound"),
    [(66, None, False), (67, None, True), (67, 3 * MS, False), (67, 6 * MS, True), (33, 9 * MS, False)],
)
def test_a_saving_of_device_time_is_hidden_while_the_cpu_sets_the_pace(
    waiting: int, unprofiled_ns: int | None, is_bound: bool
) -> None:
    given = exact("launch_bound", waiting, unprofiled_wall_ns=unprofiled_ns)
    norm = found(**given, **shaped(NORM, 20 * MS, 5))["device.norm"]
    assert ("You are CPU-bound" in norm.evidence) == is_bound


def test_advice_fits_the_device_and_what_was_done() -> None:
    float32 = {"steady_kernels": work(FLOAT32, 50 * MS)}
    assert "float16" in found(**float32, device_major=7)["device.float32"].advice
    assert "bfloat16" not in found(**float32, device_major=7)["device.float32"].advice.split(":")[0]
    assert "TF32" in found(**float32, device_major=8)["device.float32"].advice
    mostly = found(paid_once={"compile": 60 * MS, "warmup": 59 * MS})["overhead.once"]
    assert "TORCHINDUCTOR_CACHE_DIR" in mostly.advice
    half = found(paid_once={"compile": 60 * MS, "warmup": 60 * MS})["overhead.once"]
    assert "TORCHINDUCTOR_CACHE_DIR" not in half.advice
    compiled = [CategoryRow("fused_triton", 1, MS)]
    assert (
        "compile what still runs"
        in found(**launch_bound(20), steady_categories=compiled)["host.launch_bound"].advice
    )
    graphs = found(**launch_bound(20), graph_replayed_ns=WORK // 2 + 1)["host.launch_bound"]
    assert "CUDA graphs already" in graphs.advice
    eager = found(**launch_bound(20), graph_replayed_ns=WORK // 2)["host.launch_bound"]
    assert "CUDA graphs already" not in eager.advice


def test_nothing_about_the_device_is_certain_where_work_was_lost() -> None:
    given = small(80) | {"steady_categories": []}
    assert found(**given)["device.small_kernels"].confidence == "certain"
    for broken in (
        *(lost(launches_without_work=1), lost(work_before_launch=1), lost(work_after_wait=1)),
        *(lost(work_without_launch=1), lost(overlapping_work=1)),
        *({"empty_iterations": 2}, {"skipped": 1}, {"salvaged": True}, {"quarantined": 1}),
    ):
        assert found(**(broken | given))["device.small_kernels"].confidence == "likely"


def test_a_clock_says_by_how_much_it_is_off_and_what_was_done() -> None:
    """In words: behind, ahead, by no constant; one piece and several."""
    behind = found(**lost(work_before_launch=3, clock_shift_ns=2 * MS, clock_error_ns=2 * MS))["trace.clock"]
    assert behind.title == "3 pieces of GPU work begin before their own launch"
    assert "behind by at least 2.00 ms" in behind.evidence
    ahead = found(**lost(work_after_wait=1, clock_shift_ns=-2 * MS, clock_error_ns=2 * MS))["trace.clock"]
    assert ahead.title == "1 piece of GPU work ends after the call that waited for it"
    assert "ahead by at least 2.00 ms" in ahead.evidence
    assert (behind.confidence, ahead.confidence) == ("likely", "likely")
    drifts = found(**lost(work_before_launch=3, work_after_wait=2, clock_error_ns=5 * MS))["trace.clock"]
    assert "by up to 5.00 ms, and not by a constant" in drifts.evidence
    assert drifts.confidence == "certain"


def test_ids_that_do_not_agree_are_not_told_as_lost_work() -> None:
    gone = found(**lost(launches_without_work=4))["trace.lost_work"]
    assert gone.title == "The GPU work of 4 calls is not in the file"
    apart = found(**lost(launches_without_work=4, work_without_launch=3))
    assert apart["trace.lost_work"].title == "4 calls cannot be matched with GPU work"
    assert apart["trace.lost_launches"].title == "The launch of 3 pieces of GPU work is not in the file"
    no_host = found(**lost(work_without_launch=3), has_host=False)["trace.lost_launches"]
    assert no_host.title == "The trace holds no CPU activity"


def test_a_run_is_on_the_cpu_only_where_nothing_speaks_of_a_gpu() -> None:
    given = {"phases": {"steady": PhaseRow("steady", WALL, 0, 0)}}
    assert "normal for CPU runs" in found(**given)["trace.no_device_work"].advice
    named = found(**given, on_cpu=False)["trace.no_device_work"].advice
    assert "normal for CPU runs" not in named
    assert "the GPU was not used, or its events were not recorded" in named


def test_findings_come_by_severity_and_then_by_what_they_save() -> None:
    given = {
        "skipped": 3,
        "steady_kernels": work(FLOAT32, 30 * MS) + work(SOFTMAX, 40 * MS, "softmax"),
        "work_by_shape": [
            *shaped(NORM, 10 * MS, 5)["work_by_shape"],
            *shaped("aten::bmm", MS, 90)["work_by_shape"],
        ],
        "steady_categories": [CategoryRow("gemm", 1, WORK)],
    }
    ids = list(found(**given))
    assert ids == [
        "device.unfused_attention",
        "trace.skipped",
        "device.float32",
        "device.tf32",
        "device.norm",
    ]


def test_findings_of_every_severity_come_in_this_order() -> None:
    given = {"late_overhead": [Late(3, "compile", WALL // 4)], "skipped": 1, "first_calls_ns": 10 * MS}
    ordered = found(**given, **lost(foreign_events=1))
    assert [item.severity for item in ordered.values()] == ["high", "medium", "low", "info"]


def test_a_saving_is_a_share_of_the_idle_time_that_is_left_without_the_profiler() -> None:
    """An iteration works for 10 ms and takes 11 ms without the profiler: 1 ms of idle time is left."""
    idle_times = {"sync": 10 * MS, "gc": 10 * MS}
    halves = found(steady_idle=idle_times, unprofiled_wall_ns=11 * MS)
    assert (halves["host.sync"].saving_ns, halves["host.gc"].saving_ns) == (MS // 2, MS // 2)
    quarter = found(steady_idle={"sync": 15 * MS, "gc": 5 * MS}, unprofiled_wall_ns=11 * MS)
    assert (quarter["host.sync"].saving_ns, quarter["host.gc"].saving_ns) == (750_000, 250_000)
    # With the profiler each takes 1 ms an iteration; there is no more to save, however slow a run without it.
    slow = found(steady_idle=idle_times, unprofiled_wall_ns=20 * MS)
    assert (slow["host.sync"].saving_ns, slow["host.gc"].saving_ns) == (MS, MS)


def test_only_one_time_costs_of_more_than_a_millisecond_are_listed() -> None:
    parts = {"compile": 60 * MS, "warmup": MS, "capture": MS + 1}
    assert "62.0 ms of 1.00 s: compile 60.0 ms, capture 1.00 ms." in (
        found(paid_once=parts)["overhead.once"].evidence
    )


def test_the_three_longest_stages_of_compilation_are_named() -> None:
    stages = [Culprit(name, 10 * MS) for name in ("dynamo", "aot", "inductor", "triton")]
    once = found(paid_once={"compile": 60 * MS}, compile_stages=stages)["overhead.once"]
    assert "Most of compile is dynamo 10.0 ms, aot 10.0 ms, inductor 10.0 ms." in once.evidence


def test_five_iterations_with_late_overhead_are_named_and_the_rest_counted() -> None:
    late = [Late(place, "compile", 2 * MS) for place in range(3, 9)]
    five = found(late_overhead=late[:5])["overhead.recompile"].evidence
    assert five.endswith("Iteration 8: 2.00 ms compile. A steady iteration takes 100 ms.")
    assert "Iteration 4: 2.00 ms compile. Iteration 5" in five
    six = found(late_overhead=late)["overhead.recompile"].evidence
    assert six.endswith("Iteration 8: 2.00 ms compile. So do 1 more. A steady iteration takes 100 ms.")


def test_embeddings_of_a_prompt_can_be_cached_and_nothing_else() -> None:
    given = one_component(5 * MS, of=10 * MS)
    encoder = given | {"launch_bound_components": [Waiting("text_encoder", 5 * MS, MS)]}
    assert "Embeddings of a prompt" in found(**encoder)["host.component"].advice
    assert "Embeddings of a prompt" not in found(**given)["host.component"].advice


def test_a_third_of_the_time_is_not_yet_bound_by_the_host() -> None:
    """Two thirds with the profiler alone; a third where the time without it is known."""
    waits = {
        **shaped(NORM, 20 * MS, 5),
        "steady_work_ns": 100 * MS,
        "steady_idle": {"launch_bound": 200 * MS},
    }
    assert "CPU-bound" not in found(**waits)["device.norm"].evidence
    assert "CPU-bound" not in found(**waits, unprofiled_wall_ns=15 * MS)["device.norm"].evidence
    assert "CPU-bound" in found(**waits, unprofiled_wall_ns=15 * MS + 1000)["device.norm"].evidence


def test_channels_last_is_promised_only_where_weights_are_converted() -> None:
    eager = found(**layout(20 * MS))["device.layout"]
    assert eager.saving_ns is None
    assert "channels_last alone does not help here" in eager.advice
    compiled = found(**layout(4 * MS, 16 * MS))["device.layout"]
    assert compiled.saving_ns is None
    assert "80.0 % of it in compiled code" in compiled.evidence
    assert "Measure `model.to(memory_format=torch.channels_last)`" in compiled.advice
    weights = found(**layout(0, 0, 20 * MS))
    assert "device.layout" not in weights
    assert weights["device.weight_layout"].saving_ns == 2 * MS


def test_frees_that_no_op_asked_for_are_low() -> None:
    emptied = found(**exact("memory", 20, memory_calls=MemoryCalls(40, 30 * MS, 20, 11)))["host.memory"]
    assert emptied.severity == "low"
    assert "torch.cuda.empty_cache()" in emptied.advice
    at_limit = found(**exact("memory", 20, memory_calls=MemoryCalls(40, 30 * MS, 20, 10)))["host.memory"]
    assert at_limit.saving_ns is not None
    assert "empty_cache" not in at_limit.advice


def component_and_copies() -> dict[str, Any]:
    return component(5.1, 10) | copies(50)


def test_weights_that_move_come_before_cuda_graphs() -> None:
    given = small(80, 30) | {"replays": None}
    assert "CUDA graphs" in found(**given)["host.launch_bound"].advice
    moving = found(**given, **copies(50))
    assert moving["host.launch_bound"].severity == "low"
    assert moving["host.launch_bound"].advice.startswith("Stop moving weights or data first")
    assert "device.small_kernels" not in moving
    component = found(**component_and_copies())["host.component"]
    assert component.advice.startswith("Stop moving weights or data first")


@pytest.mark.parametrize(
    ("kind", "advice"),
    [
        ("shape", "mark_dynamic"),
        ("type", "Convert the input to one type"),
        ("", "a guard on a Python value"),
        (None, "The trace has no shapes"),
    ],
)
def test_what_to_do_against_a_recompile_depends_on_what_changed(kind: str | None, advice: str) -> None:
    again = Late(3, "compile", 20 * MS, 30 * MS, ["0"], kind, "`aten::mm` ran on 8x8 before and on 9x8 now")
    recompile = found(late_overhead=[again])["overhead.recompile"]
    assert (
        "Iteration 4: 20.0 ms compile in 30.0 ms, of 1 function (`0/…`). `aten::mm` ran on 8x8"
        in recompile.evidence
    )
    assert advice in recompile.advice
    assert "It saves 20.0 ms in a run like this." in recompile.advice


def test_a_command_survives_the_shell() -> None:
    given = replace(QUIET, path="my traces/it's.json")
    sql = "SELECT name FROM launches WHERE name ~ 'a\"b$c`d\\w'"
    words = given.query(sql).removeprefix("sdtrace query ")
    printed = subprocess.run(
        ["sh", "-c", f"printf '%s|' {words}"], capture_output=True, check=True, text=True
    )
    assert printed.stdout == f"my traces/it's.json|{sql}|"
