"""Findings that no reference trace has: small traces that must bring them forth, and ones that must not."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from sdtrace.analysis import Options, analyze
from sdtrace.model import Finding
from tests.analysis.reference import finding
from tests.written import Event, call, host, kernel

US, MS = 1_000, 1_000_000
FLASH = (
    "cudnn_generated_fort_native_sdpa_sm90_flash_fprop_wgmma_f16_knob_7_64x128x64_4x1x1_cga1x1x1_kernel0_0"
)
FMHA_F32 = "fmha_cutlassF_f32_aligned_64x64_rf_sm80(PyTorchMemEffAttention::AttentionKernel<float, cutlass>)"
FMHA_BF16 = (
    "fmha_cutlassF_bf16_aligned_64x128_rf_sm80(PyTorchMemEffAttention::AttentionKernel<cutlass::bfloat16_t>)"
)
GEMM = "nvjet_sm90_tst_128x256_64x4_2x1_v_bz_coopA_TNT"
SOFTMAX_FUSED = "triton_red_fused__softmax_14"


def images(*names: str, count: int = 3, between: int = 10 * US, dur: int = 100 * US) -> list[Event]:
    """Iterations in which each kernel runs once for `dur`, the next launched `between` after its end."""
    events: list[Event] = []
    for n in range(count):
        start = n * period(len(names), between, dur)
        at = start + 10 * US
        for place, name in enumerate(names):
            number = 100 * n + place + 1
            events += [host("aten::mm", at, 8 * US), call("cudaLaunchKernel", at + US, 5 * US, number)]
            events += [kernel(name, at + 2 * US, dur, number)]
            at += dur + between
        events.append(host("image", start, at - start, "user_annotation"))
    return events


def period(kernels: int, between: int = 10 * US, dur: int = 100 * US) -> int:
    """From the start of one iteration to the next."""
    return kernels * (dur + between) + 20 * US


def report_of(path: Path, events: list[Event], **top: Any) -> dict[str, Finding]:
    """Findings by id of a trace with these events."""
    path.write_text(json.dumps({"schemaVersion": 1, **top, "traceEvents": events}), encoding="utf-8")
    return {item.id: item for item in analyze(path, Options.of()).findings}


def run(**facts: Any) -> dict[str, Any]:
    return {"sdtrace": {"schema": "sdtrace.run/1", **facts}}


def test_why_scaled_dot_product_attention_is_slow_in_float32(tmp_path: Path) -> None:
    found = report_of(tmp_path / "t.json", images(FMHA_F32, FMHA_F32, GEMM))["device.slow_attention"]
    assert "float32" in found.title
    assert "66.7 % of steady GPU time, in `" in found.evidence
    assert "bfloat16" in found.advice
    # The host paces these images: shorter kernels alone bring nothing.
    assert (found.severity, found.saving_us) == ("info", 0)
    half = report_of(tmp_path / "u.json", images(FMHA_BF16, GEMM))["device.slow_attention"]
    assert half.severity == "medium"
    assert "float32" not in half.title
    assert half.saving_us is None
    assert "device.slow_attention" not in report_of(tmp_path / "v.json", images(FLASH, GEMM))


def test_softmax_gives_unfused_attention_away_even_when_compiled(tmp_path: Path) -> None:
    found = report_of(tmp_path / "t.json", images(SOFTMAX_FUSED, GEMM, GEMM, GEMM))[
        "device.unfused_attention"
    ]
    assert "25.0 %" in found.evidence
    assert (found.severity, found.saving_us) == ("info", 0)
    assert "device.unfused_attention" not in report_of(
        tmp_path / "u.json", images(FLASH, SOFTMAX_FUSED, FLASH)
    )
    assert "device.unfused_attention" not in report_of(
        tmp_path / "v.json", images(*[GEMM] * 30, SOFTMAX_FUSED)
    )


def test_tf32_is_no_full_float32(tmp_path: Path) -> None:
    full = "sm80_xmma_gemm_f32f32_f32f32_f32_tn_n_tilesize128x128x8_stage3_ffma_execute_kernel__5x_cublas"
    tf32 = "sm80_xmma_gemm_f32f32_tf32f32_f32_tn_n_tilesize128x128x16_stage4_tensor16x8x8_kernel_cublas"
    cutlass = "void cutlass::Kernel2<cutlass_80_tensorop_s1688gemm_128x256_16x3_tn_align4>"
    assert "device.float32" in report_of(tmp_path / "t.json", images(full, tf32))
    assert "device.float32" not in report_of(tmp_path / "u.json", images(tf32, cutlass))


def test_a_recompile_is_told_with_its_iteration(tmp_path: Path) -> None:
    events = images(GEMM, count=5)
    late = host("entire_frame_compile", 3 * period(1) + 30 * US, 70 * US)
    found = report_of(tmp_path / "t.json", [*events, late])["overhead.recompile"]
    assert found.severity == "medium"  # 70 µs of 650
    assert "Iteration 4: 70.0 µs compile in" in found.evidence
    early = host("entire_frame_compile", 30 * US, 70 * US)
    assert "overhead.recompile" not in report_of(tmp_path / "u.json", [*events, early])


def test_a_stall_is_called_unexplained(tmp_path: Path) -> None:
    pause = [host("aten::mm", 300 * MS, 10 * US)]
    whole = [host("job", 0, 310 * MS, "user_annotation"), *images(GEMM, count=1), *pause]
    found = report_of(tmp_path / "t.json", whole)["host.stall"]
    assert found.title == "No event explains 300 ms of wall time"
    assert found.confidence == "guess"
    busy = host("aten::linalg_svd", 1 * MS, 298 * MS)
    assert "host.stall" not in report_of(tmp_path / "u.json", [*whole, busy])


def test_a_larger_batch_is_no_second_image(tmp_path: Path) -> None:
    found = report_of(tmp_path / "t.json", images(*[GEMM] * 4, dur=10 * US, between=40 * US))["host.batch"]
    assert found.title == "A batch twice as large takes less than twice as long"
    silent = images(GEMM, GEMM, dur=10 * US, between=40 * MS)
    assert "host.batch" not in report_of(tmp_path / "u.json", silent)


def test_waiting_for_data_is_not_waiting_for_launches(tmp_path: Path) -> None:
    events = images(GEMM, GEMM, between=900 * US)
    name = "enumerate(DataLoader)#_MultiProcessingDataLoaderIter.__next__"
    ends = [n * period(2, 900 * US) + 120 * US + k * MS for n in range(3) for k in range(2)]
    loads = [host(name, end, 880 * US) for end in ends]
    found = report_of(tmp_path / "t.json", [*events, *loads])
    assert found["host.data"].confidence == "likely"
    assert "host.launch_bound" not in found
    assert "host.data" not in report_of(tmp_path / "u.json", events)
    assert "host.launch_bound" in report_of(tmp_path / "v.json", events)


def test_launch_bound_is_played_down_when_it_goes_with_the_profiler(tmp_path: Path) -> None:
    events = images(GEMM, GEMM, between=900 * US)
    gone = report_of(tmp_path / "t.json", events, **run(unprofiled_wall_s=[0.0002]))["host.launch_bound"]
    assert (gone.severity, gone.saving_us) == ("info", 0)
    assert "Gone without the profiler" in gone.evidence
    stays = report_of(tmp_path / "u.json", events, **run(unprofiled_wall_s=[0.001]))["host.launch_bound"]
    assert stays.severity == "high"
    assert stays.saving_us is not None
    assert 0 < stays.saving_us <= 800
    queued = images(GEMM, GEMM, between=0)
    assert "host.launch_bound" not in report_of(tmp_path / "v.json", queued)


def staged(pause: int, count: int = 3) -> list[Event]:
    """Images whose text encoder launches four kernels of 10 us, `pause` apart; the UNet's are all queued."""
    events: list[Event] = []
    encoding, drawn = 4 * (pause + 10 * US), 20 * 100 * US
    for n in range(count):
        start = n * (encoding + drawn + 50 * US)
        events.append(host("model_inference", start, encoding + drawn + 20 * US, "user_annotation"))
        events.append(host("text_encoder", start + US, encoding, "user_annotation"))
        events.append(host("unet", start + encoding + 2 * US, 40 * US, "user_annotation"))
        for place in range(4):
            at, number = start + 2 * US + place * (pause + 10 * US), 100 * n + place + 1
            events += [call("cudaLaunchKernel", at, US, number), kernel(GEMM, at + US, 10 * US, number)]
        for place in range(20):
            at, number = start + encoding + 3 * US, 100 * n + place + 50
            events.append(call("cudaLaunchKernel", at + place * US, US // 2, number))
            events.append(kernel(GEMM, at + US + place * 100 * US, 100 * US, number))
    return events


def test_a_part_of_the_pipeline_that_alone_keeps_the_device_waiting_is_named(tmp_path: Path) -> None:
    found = report_of(tmp_path / "t.json", staged(50 * US))["host.component"]
    assert found.title == "The GPU waits while the CPU launches text_encoder"
    assert "The work itself takes 40.0 µs" in found.evidence
    # Launching a graph of four kernels takes the host 0.09 ms, these four launches 0.24 ms.
    assert found.saving_us == pytest.approx(82, abs=1)
    gone = run(unprofiled_wall_s=[0.00205])
    assert "host.component" not in report_of(tmp_path / "u.json", staged(50 * US), **gone)
    assert "host.component" not in report_of(tmp_path / "v.json", staged(5 * US))
    whole = report_of(tmp_path / "w.json", staged(300 * US))
    assert "host.launch_bound" in whole
    assert "host.component" not in whole


def test_the_profilers_own_weight(tmp_path: Path) -> None:
    events = images(GEMM, GEMM, between=900 * US)
    assert "host.profiler" in report_of(tmp_path / "t.json", events, **run(unprofiled_wall_s=[0.001]))
    assert "host.profiler" not in report_of(tmp_path / "u.json", events, **run(unprofiled_wall_s=[0.002]))
    assert "host.profiler" not in report_of(tmp_path / "v.json", events)


def test_autotune_that_only_its_pattern_tells_is_likely(tmp_path: Path) -> None:
    fill = "void at::native::vectorized_elementwise_kernel<4, at::native::FillFunctor<int>>"
    events = [
        # What was tried is used afterwards; without that it would be somebody measuring a kernel.
        *images(*[fill, "triton_poi_fused_add_0"] * 20, GEMM, "triton_poi_fused_add_0", count=1),
        *[host("aten::mm", 5 * MS, 5 * MS)],
    ]
    found = report_of(tmp_path / "t.json", events)["overhead.autotune"]
    assert found.confidence == "likely"
    assert "Found by the pattern" in found.evidence


def test_ranges_that_are_smaller_than_half_of_the_work_are_not_worth_a_word(tmp_path: Path) -> None:
    events = images(GEMM, GEMM)
    hull = {**kernel("unet", 10 * US, 150 * US, 1), "cat": "gpu_user_annotation"}
    assert "trace.ranges" not in report_of(tmp_path / "t.json", [*events, hull])
    long = {**kernel("unet", 10 * US, 900 * US, 1), "cat": "gpu_user_annotation"}
    assert "150.0 % of Self CUDA" in report_of(tmp_path / "u.json", [*events, long])["trace.ranges"].evidence


def test_damage_is_told_before_the_numbers_are_trusted(tmp_path: Path) -> None:
    events = images(GEMM)
    assert not {"trace.impossible", "trace.cut", "trace.skipped"} & set(
        report_of(tmp_path / "t.json", events)
    )
    absurd = kernel("k", 5 * US, 10**18, 99)
    found = report_of(tmp_path / "u.json", [*events, absurd])["trace.impossible"]
    assert found.severity == "high"
    assert found.title.startswith("1 ")
    text = (tmp_path / "t.json").read_text(encoding="utf-8")
    (tmp_path / "v.json").write_text(text[: 3 * len(text) // 4], encoding="utf-8")
    assert finding(analyze(tmp_path / "v.json", Options.of()), "trace.cut") is not None


def test_events_that_cannot_be_read_are_told(tmp_path: Path) -> None:
    broken = {"ph": "X", "cat": "cpu_op", "name": "aten::mm", "pid": 1, "tid": 1, "ts": "soon", "dur": 1}
    found = report_of(tmp_path / "t.json", [*images(GEMM), broken])
    assert "trace.skipped" in found


def talking(offset: int, count: int = 3) -> list[Event]:
    """An all-reduce of 100 µs an iteration on a stream of its own, `offset` after the matmul begins."""
    events: list[Event] = []
    for n in range(count):
        at = n * period(1) + 12 * US + offset
        events += [call("cudaLaunchKernel", at - US, US // 2, 900 + n)]
        events += [kernel("ncclDevKernel_AllReduce_Sum_bf16_RING_LL", at, 100 * US, 900 + n, stream=9)]
    return events


@pytest.mark.parametrize(("offset", "exposed"), [(15 * US, "15.0 %"), (30 * US, "30.0 %")])
def test_how_much_of_communication_nothing_hides(offset: int, exposed: str, tmp_path: Path) -> None:
    found = report_of(tmp_path / "t.json", [*images(GEMM), *talking(offset)])["device.collectives"]
    assert found.severity == "medium"
    assert f"No other work runs during {exposed} of that" in found.evidence
    assert found.saving_us == pytest.approx(offset / US)


def test_communication_beside_other_work_is_no_problem(tmp_path: Path) -> None:
    found = report_of(tmp_path / "t.json", [*images(GEMM), *talking(0)])["device.collectives"]
    assert (found.severity, found.saving_us) == ("info", None)


def queued(gap: int, count: int = 20) -> list[Event]:
    """Iterations whose kernels are all launched at once and run with `gap` between them."""
    events: list[Event] = []
    for n in range(3):
        lasts = count * (20 * US + gap) + 20 * US
        start = n * lasts
        events.append(host("image", start, lasts - US, "user_annotation"))
        for place in range(count):
            number = 100 * n + place + 1
            events.append(call("cudaLaunchKernel", start + (place + 1) * US // 4, US // 8, number))
            events.append(kernel(GEMM, start + 10 * US + place * (20 * US + gap), 20 * US, number))
    return events


def test_gaps_in_queued_work_are_told_short_or_long(tmp_path: Path) -> None:
    short = report_of(tmp_path / "short.json", queued(2 * US))["device.gaps"]
    assert (short.severity, short.confidence) == ("low", "likely")
    assert "57 gaps of 2.00 µs" in short.evidence
    long = report_of(tmp_path / "long.json", queued(100 * US))["device.gaps"]
    assert long.severity == "high"
    assert "57 gaps of 100 µs" in long.evidence
    assert "device.gaps" not in report_of(tmp_path / "none.json", queued(US // 2))


def slowing(factor: float) -> list[Event]:
    """Nine images of one product, which takes so many times as long in the last three."""
    events = images(GEMM, GEMM, count=9, between=40 * US)
    late = 6 * period(2, 40 * US) / US
    return [
        {**event, "dur": event["dur"] * factor} if event["cat"] == "kernel" and event["ts"] >= late else event
        for event in events
    ]


def test_a_clock_that_drops_is_told_by_the_same_kernel(tmp_path: Path) -> None:
    found = report_of(tmp_path / "t.json", slowing(1.2))["device.clock"]
    assert found.title == "The GPU got slower: the same kernels take 1.20 times as long at the end"
    assert "device.clock" not in report_of(tmp_path / "u.json", slowing(1.02))


def held(reserved: int) -> Event:
    """An allocation after which the allocator holds so many bytes of the first GPU."""
    args = {"Total Reserved": reserved, "Total Allocated": 1, "Bytes": 1, "Device Type": 1, "Device Id": 0}
    return {
        "ph": "i",
        "cat": "cpu_instant_event",
        "name": "[memory]",
        "pid": 100,
        "tid": 1,
        "ts": 1,
        "args": args,
    }


def test_memory_near_its_limit(tmp_path: Path) -> None:
    card = {"deviceProperties": [{"id": 0, "name": "NVIDIA H100", "totalGlobalMem": 80 << 30}]}
    full = report_of(tmp_path / "t.json", [*images(GEMM), held(76 << 30)], **card)["device.memory_limit"]
    assert full.evidence == "PyTorch held 76.0 GiB of 80.0 GiB."
    assert "device.memory_limit" not in report_of(
        tmp_path / "u.json", [*images(GEMM), held(70 << 30)], **card
    )
    assert "device.memory_limit" not in report_of(tmp_path / "v.json", [*images(GEMM), held(76 << 30)])


def test_frees_outside_any_op_are_of_empty_cache(tmp_path: Path) -> None:
    events = images(GEMM, GEMM, between=900 * US)
    starts = [n * period(2, 900 * US) + 120 * US for n in range(3)]
    by_hand = [call("cudaFree", start, 800 * US, 9000 + n) for n, start in enumerate(starts)]
    emptied = report_of(tmp_path / "t.json", [*events, *by_hand])["host.memory"]
    assert emptied.saving is not None
    assert emptied.saving.low_us < emptied.saving.to_us < emptied.saving.high_us
    assert emptied.saving.high_us >= emptied.saving.from_us
    op = [host("aten::empty", start - US, 802 * US) for start in starts]
    at_limit = report_of(tmp_path / "u.json", [*events, *by_hand, *op])["host.memory"]
    assert at_limit.severity == "high"


SCORES = "void (anonymous namespace)::softmax_warp_forward<float, float, float, 8, false, false>"
LOSS = "void cunn_SoftMaxForward<8, float, float, float, at::native::LogSoftMaxForwardEpilogue>"


@pytest.mark.parametrize(
    ("name", "op", "is_attention"),
    [(SCORES, "aten::bmm", True), (SCORES, "aten::linear", False), (LOSS, "aten::bmm", False)],
)
def test_softmax_is_attention_only_between_batched_products(
    tmp_path: Path, name: str, op: str, is_attention: bool
) -> None:
    events = [
        event | {"name": op} if event["name"] == "aten::mm" else event for event in images(GEMM, name, GEMM)
    ]
    assert ("device.unfused_attention" in report_of(tmp_path / "t.json", events)) == is_attention


@pytest.mark.parametrize(("shapes", "devices"), [(True, 1), (False, 1), (True, 2)])
def test_kernels_of_other_arguments_or_devices_show_no_slower_clock(
    tmp_path: Path, shapes: bool, devices: int
) -> None:
    events = images(*[GEMM] * 12, count=1)
    half = len([event for event in events if event["cat"] == "kernel"]) // 2
    works = [event for event in events if event["cat"] == "kernel"]
    for place, event in enumerate(works):
        if place < half:
            event["dur"] /= 2
        event["pid"] = place // half if devices == 2 else 0
    if shapes:
        sizes = {"Input Dims": [[512, 512], [512, 512]], "Input type": ["c10::Half", "c10::Half"]}
        events = [event | {"args": sizes} if event["name"] == "aten::mm" else event for event in events]
    found = report_of(tmp_path / "t.json", events)
    assert ("device.clock" in found) == (shapes and devices == 1)
