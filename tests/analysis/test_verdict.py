"""The verdict's lines against sums over the trace itself."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from statistics import median

import polars as pl
import pytest
from msgspec.structs import replace

import sdtrace
from sdtrace import units
from sdtrace.analysis.image_time import image_time
from sdtrace.analysis.verdict import verdict_of
from sdtrace.api import Analysis
from sdtrace.model import TraceReport, VerdictLine
from tests.cli.command import COLD, EAGER, GRAPHS
from tests.shared import shared_trace

OFFLOAD, GRAPHS_SD, FP32_SD = "wild/sd_offload", "reference/bf16_sdpa_graphs.warm", "reference/fp32_eager"
CPU_ONLY = "third_party/hta_cpu_only"
TRACES = (EAGER, GRAPHS, COLD, OFFLOAD, GRAPHS_SD, FP32_SD)


@cache
def _loaded(name: str | Path) -> Analysis:
    return sdtrace.load(name if isinstance(name, Path) else shared_trace(f"{name}.json.gz"))


def _lines(report: TraceReport) -> dict[str, VerdictLine]:
    assert report.verdict is not None
    return {line.label: line for line in report.verdict.lines}


def _steady_work(one: Analysis) -> pl.DataFrame:
    return one.launches.filter(pl.col("phase") == "steady")


def _total(work: pl.DataFrame) -> int:
    return sum(work["dur_ns"].to_list())


@pytest.mark.parametrize("name", TRACES, ids=str)
def test_the_parts_of_an_image_sum_to_the_time_that_the_verdict_tells(name: str | Path) -> None:
    report = _loaded(name).report
    whole = image_time(report)
    assert whole is not None
    assert report.verdict is not None
    parts = report.verdict.parts
    assert sum(part.us for part in parts) == pytest.approx(whole.us)
    (idle,) = [part.us for part in parts if part.is_idle]
    busy = median(row.gpu_busy_us for row in report.iterations if row.phase == "steady" and row.is_whole)
    assert idle == pytest.approx(whole.us - busy)
    assert f"{units.duration(whole.us)} per steady image" in _lines(report)["Takes"].lead


@pytest.mark.parametrize("name", TRACES, ids=str)
def test_no_figure_of_the_verdict_is_with_the_profiler_where_the_time_without_it_is_known(
    name: str | Path,
) -> None:
    report = _loaded(name).report
    assert report.verdict is not None
    assert "with the profiler" not in report.verdict.text
    assert report.steady is not None
    assert units.duration(report.steady.median_us) not in report.verdict.text


def test_copies_dominate_an_offloaded_pipeline_and_are_its_overhead() -> None:
    one = _loaded(OFFLOAD)
    work = _steady_work(one)
    is_copy = pl.col("category").is_in(["memcpy_h2d", "memcpy_d2h"])
    share = _total(work.filter(is_copy)) / _total(work)
    lines = _lines(one.report)
    assert lines["Dominates"].lead == f"Copying between CPU and GPU: {units.share(100 * share)} of GPU time."
    assert "copies to and from the CPU for" in lines["Overhead"].lead
    assert lines["Overhead"].rest == "No one-time cost in this trace."


def test_waiting_dominates_where_the_gpu_works_less_than_half_of_the_image() -> None:
    one = _loaded(COLD)
    lead = _lines(one.report)["Dominates"].lead
    assert (
        lead == "Waiting: the GPU is idle 90.6 % of the image, mostly until the CPU launches the next kernel."
    )
    work = _steady_work(one)
    unet = _total(work.filter(pl.col("component") == "unet")) / _total(work)
    assert f"{units.share(100 * unet)} goes to the UNet." in _lines(one.report)["Dominates"].rest


def test_a_component_leads_where_it_takes_more_than_any_kind_of_work() -> None:
    line = _lines(_loaded(FP32_SD).report)["Dominates"]
    assert line.lead == "The UNet: 93.3 % of GPU time."
    assert line.rest.startswith("By kind: matrix multiplication, 54.9 %.")


def test_the_larger_overhead_comes_first() -> None:
    assert _lines(_loaded(COLD).report)["Overhead"].lead.startswith("10.6 s of one-time cost")
    small = _lines(_loaded(GRAPHS_SD).report)["Overhead"]
    assert small.lead == "In every image the GPU is idle for 38.8 ms."
    assert small.rest.startswith("27.8 ms of one-time cost, as profiled: warmup 18.6 ms, capture 9.26 ms")


def test_a_trace_without_a_gpu_names_its_largest_op() -> None:
    report = _loaded(CPU_ONLY).report
    lines = _lines(report)
    assert "of CPU time" in lines["Dominates"].lead
    assert "with the profiler" in lines["Takes"].rest
    assert report.verdict is not None
    assert report.verdict.parts == []


def test_the_first_fix_is_one_that_brings_something() -> None:
    report = _loaded(COLD).report
    nothing = [
        replace(row, saving=replace(row.saving, to_us=row.saving.from_us), saving_us=0.0)
        if row.saving
        else row
        for row in report.findings
    ]
    verdict = verdict_of(replace(report, findings=nothing), [])
    labels = [line.label for line in verdict.lines]
    assert "Brings" not in labels
    assert labels[-1] == "Look at"
    assert verdict.first == ""
