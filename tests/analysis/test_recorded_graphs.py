"""Traces of CUDA-graph captures, and what is said where no iteration is steady."""

from __future__ import annotations

from pathlib import Path

import pytest
from msgspec.structs import replace

from sdtrace.analysis.verdict import verdict_of
from sdtrace.model import TraceReport
from tests.loaded import report_of
from tests.shared import shared_trace
from tests.written import MS, Event, call, host, kernel, written

FILL = "void at::native::vectorized_elementwise_kernel<4, at::native::FillFunctor<long> >(int)"


def captured(launches: int, runs: int) -> list[Event]:
    """A step that runs some fills, then records launches in a graph."""
    events = [host("capture_32_FULL", 0, 60 * MS, "user_annotation")]
    for number in range(runs):
        at = 100_000 + number * 30_000
        events += [host("aten::fill_", at, 20_000), call("hipLaunchKernel", at + 5_000, 5_000, 500 + number)]
        events += [kernel(FILL, at + 15_000, 2_000, 500 + number)]
    events.append(call("hipStreamBeginCapture", 2 * MS, 5_000, 900))
    for number in range(launches):
        at = 2 * MS + 50_000 + number * 100_000
        events += [
            host("aten::mm", at, 80_000),
            call("hipExtModuleLaunchKernel", at + 50_000, 5_000, 1 + number),
        ]
    events.append(call("hipStreamEndCapture", 50 * MS, 5_000, 901))
    events.append(call("hipGraphInstantiateWithFlags", 50 * MS + 10_000, 900_000, 902))
    return events


def said(report: TraceReport) -> dict[str, str]:
    assert report.verdict is not None
    return {line.label: f"{line.lead} {line.rest}" for line in report.verdict.lines}


@pytest.mark.parametrize(("runs", "only"), [(4, True), (90, False)])
def test_a_trace_that_only_records_says_nothing_of_speed(runs: int, only: bool, tmp_path: Path) -> None:
    written(tmp_path / f"{runs}.json", captured(100, runs))
    report = report_of(tmp_path / f"{runs}.json")
    found = {finding.id: finding for finding in report.findings}
    assert ("overhead.recording" in found) == only
    assert ("steady.dominant" in found) != only
    if only:
        assert found["overhead.recording"].evidence.startswith("100 calls in captures only record")
        assert not [name for name in found if name.startswith(("host.", "device."))]
        assert said(report)["Dominates"] == "Recording CUDA graphs: hardly anything runs on the GPU."
        assert said(report)["Look at"].endswith("one-time cost, not steady state. ")


@pytest.mark.parametrize("recorded_ms", [0, 3])
def test_a_share_without_steady_iterations_says_what_it_leaves_out(recorded_ms: int, tmp_path: Path) -> None:
    events = [host("step", 0, 20 * MS, "user_annotation"), host("CUDAGraphNode.record", MS, 9 * MS)]
    if recorded_ms:
        events += [call("cudaGraphLaunch", 2 * MS, 5_000, 1), kernel("gemm", 3 * MS, recorded_ms * MS, 1)]
    events += [host("aten::mm", 11 * MS, 30_000), call("cudaLaunchKernel", 11 * MS + 5_000, 5_000, 2)]
    events += [kernel("sgemm", 12 * MS, 4 * MS, 2)]
    written(tmp_path / f"{recorded_ms}.json", events)
    told = said(report_of(tmp_path / f"{recorded_ms}.json"))["Dominates"]
    assert ("of GPU time outside one-time work." in told) == bool(recorded_ms)
    assert ("100.0 % of GPU time." in told) == (not recorded_ms)


def test_one_image_does_not_show_that_prompts_come_again() -> None:
    report = report_of(shared_trace("third_party/tracelens_xdit_sd35_mi300x.json.gz"))
    assert report.verdict is not None
    alone = [row for row in report.findings if row.id == "host.text_encoder"]
    assert alone[0].saving is not None
    assert (alone[0].title, alone[0].confidence) == ("Prompts are encoded in the image", "guess")
    verdict = verdict_of(replace(report, findings=alone), [])
    assert verdict.first == ""
    assert [line.label for line in verdict.lines if line.label == "Fix first"] == []


def test_what_amds_products_are_called_tells_their_type(tmp_path: Path) -> None:
    told = {"BBS_BH": "bfloat16", "B_BS_BH": "bfloat16", "HHS_BH": "float16", "S_B": "float32"}
    for types, dtype in told.items():
        name = f"Cijk_Alik_Bljk_{types}_Bias_HA_S_SAV_UserArgs_MT256x128x64_MI16x16x1_SN_LDSB1"
        events = [host("step", 0, MS, "user_annotation"), call("hipGraphLaunch", 10, 10, 1)]
        events += [kernel(name, 1_000 + n * 100_000, 90_000, 1) for n in range(9)]
        written(tmp_path / f"{types}.json", events)
        assert f", {dtype}" in said(report_of(tmp_path / f"{types}.json"))["Ran"]
