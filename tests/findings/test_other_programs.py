"""What is said of programs other than pipelines: training, models that make no images, small scripts."""

from __future__ import annotations

import re
from pathlib import Path

import msgspec
import pytest

from sdtrace.analysis import Options, analyze
from sdtrace.model import TraceReport
from tests.analysis.reference import OTHERS, finding, reported
from tests.findings.figures import MS, SOFTMAX, found, work
from tests.written import Event, call, host, kernel

US = 1_000

_OF_DIFFUSION = re.compile(
    r"num_images|\bimages?\b|guidance|scheduler|\bvae\b|\bpipe\.|prompt|text encoder|compile_repeated_blocks"
    r"|group_offload|diffusers"
)


@pytest.mark.parametrize("name", OTHERS)
def test_nothing_is_said_of_images_where_none_are_made(name: str) -> None:
    report = reported(name)
    assert report.noun == "iteration"
    for item in report.findings:
        told = " ".join((item.title, item.evidence, item.advice))
        assert not _OF_DIFFUSION.search(told), told


def _beside(stream: int, start: int, name: str, number: int) -> list[Event]:
    return [
        host("record_param_comms", start, 8 * US),
        call("cudaLaunchKernel", start + US, 5 * US, number),
        kernel(name, start + 2 * US, 180 * US, number, stream),
    ]


def _steps(*names: str) -> list[Event]:
    """Three marked steps of 200 µs, in which kernels run beside each other."""
    events = []
    for step in range(3):
        events.append(host(f"ProfilerStep#{step}", step * 200 * US, 200 * US, "user_annotation"))
        for place, name in enumerate(names):
            number = 10 * step + place + 1
            events += _beside(7 + place, step * 200 * US + (1 + 10 * place) * US, name, number)
    return events


def _found(path: Path, events: list[Event]) -> TraceReport:
    path.write_bytes(msgspec.json.encode({"schemaVersion": 1, "traceEvents": events}))
    return analyze(path, Options.of())


def test_work_of_no_kind_is_called_by_its_kernel(tmp_path: Path) -> None:
    report = _found(tmp_path / "t.json", _steps("at::cuda::(anonymous namespace)::spin_kernel(long)"))
    assert report.verdict is not None
    assert "Dominates: Kernel spin_kernel: " in report.verdict.text
    most = finding(report, "steady.dominant")
    assert most is not None
    assert most.title.endswith("is the kernel `spin_kernel`")


def test_communication_is_not_called_by_the_op_that_stands_for_all_of_it(tmp_path: Path) -> None:
    events = _steps("ncclDevKernel_AllReduce_Sum_f32_RING_LL", "gemm")
    most = finding(_found(tmp_path / "t.json", events), "steady.dominant")
    assert most is not None
    assert most.title.endswith("is `collective`")
    # Two streams do 360 µs of work in 200 µs.
    assert "adds up to 360 µs on average" in most.evidence


@pytest.mark.parametrize(("adds", "is_told"), [(2, False), (12, True)])
def test_two_kernels_are_nothing_to_fuse(tmp_path: Path, adds: int, is_told: bool) -> None:
    name = "void at::native::vectorized_elementwise_kernel<4, at::native::CUDAFunctor_add<float>>"
    events = [host("ProfilerStep#1", 0, (adds + 2) * 20 * US, "user_annotation")]
    for number in range(1, adds + 1):
        at = number * 20 * US
        events += [host("aten::add", at, 8 * US), call("cudaLaunchKernel", at + US, 5 * US, number)]
        events.append(kernel(name, at + 7 * US, 5 * US, number))
    assert (finding(_found(tmp_path / "t.json", events), "device.fusion") is not None) == is_told


def test_no_settings_of_cuda_for_other_devices() -> None:
    report = reported("third_party/hta_mi250_rocm62_training")
    assert finding(report, "host.runtime_call") is not None
    assert all("CUDA_MODULE_LOADING" not in item.advice for item in report.findings)


@pytest.mark.parametrize(("noun", "told"), [("iteration", "transformers"), ("image", "diffusers")])
def test_unfused_attention_is_told_in_the_words_of_the_library(noun: str, told: str) -> None:
    given = work(SOFTMAX, 20 * MS, "softmax")
    assert told in found(steady_kernels=given, noun=noun)["device.unfused_attention"].advice


def test_what_saves_little_is_not_severe_where_no_iteration_is_steady(tmp_path: Path) -> None:
    wall = 300 * MS
    events = [
        host("ProfilerStep#1", 0, wall, "user_annotation"),
        host("entire_frame_compile", MS, 90 * MS),
        host("aten::linalg_svd", 100 * MS, 190 * MS),
        host("aten::mm", 295 * MS, 20 * US),
        call("cudaLaunchKernel", 295 * MS + US, 5 * US, 1),
        kernel("ampere_sgemm_128x64_nn", 295 * MS + 10 * US, 2 * MS, 1),
    ]
    found = finding(_found(tmp_path / "t.json", events), "device.float32")
    assert found is not None
    assert (found.severity, found.saving_us) == ("info", 1_500)
