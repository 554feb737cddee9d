"""The verdict's lines against sums over the trace itself."""

from __future__ import annotations

from pathlib import Path
from statistics import median

import polars as pl
import pytest
from msgspec.structs import replace

from sdtrace import units
from sdtrace.analysis.image_time import image_time
from sdtrace.analysis.verdict import verdict_of
from sdtrace.api import Analysis
from sdtrace.model import TraceReport, VerdictLine
from sdtrace.report.charts import image_bar
from sdtrace.report.summary import figures, headline
from sdtrace.tables import MARKDOWN, fill
from sdtrace.tables.catalog import PHASES
from tests.cli.command import COLD, EAGER, GRAPHS
from tests.loaded import analysis_of
from tests.shared import shared_trace

OFFLOAD, GRAPHS_SD, FP32_SD = "wild/sd_offload", "reference/bf16_sdpa_graphs.warm", "reference/fp32_eager"
CPU_ONLY = "third_party/hta_cpu_only"
TRACES = (EAGER, GRAPHS, COLD, OFFLOAD, GRAPHS_SD, FP32_SD)


def _loaded(name: str | Path) -> Analysis:
    return analysis_of(name if isinstance(name, Path) else shared_trace(f"{name}.json.gz"))


def _lines(report: TraceReport) -> dict[str, VerdictLine]:
    assert report.verdict is not None
    return {line.label: line for line in report.verdict.lines}


def _whole(report: TraceReport) -> float:
    whole = image_time(report)
    assert whole is not None
    return whole.us


def _works(report: TraceReport) -> float:
    return median(row.gpu_busy_us for row in report.iterations if row.phase == "steady" and row.is_whole)


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
    assert report.unprofiled is not None
    # Its range may end where the time with the profiler lies.
    ends = {units.duration(us) for us in (report.unprofiled.low_us, report.unprofiled.high_us)}
    profiled = units.duration(report.steady.median_us)
    assert profiled in ends or profiled not in report.verdict.text


def test_copies_dominate_an_offloaded_pipeline_and_are_its_overhead() -> None:
    one = _loaded(OFFLOAD)
    work = _steady_work(one)
    is_copy = pl.col("category").is_in(["memcpy_h2d", "memcpy_d2h"])
    share = _total(work.filter(is_copy)) / _total(work) * _works(one.report) / _whole(one.report)
    lines = _lines(one.report)
    assert lines["Dominates"].lead == f"Copying between CPU and GPU: {units.share(100 * share)} of the image."
    assert "VAE" not in lines["Dominates"].rest
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
    share = units.share(100 * unet * _works(one.report) / _whole(one.report))
    assert f"most for the UNet ({share})." in _lines(one.report)["Dominates"].rest


def test_a_component_leads_where_it_takes_more_than_any_kind_of_work() -> None:
    one = _loaded(FP32_SD)
    work, base = _steady_work(one), _works(one.report) / _whole(one.report)
    gemm = _total(work.filter(pl.col("category") == "gemm")) / _total(work)
    line = _lines(one.report)["Dominates"]
    unet = _total(work.filter(pl.col("component") == "unet")) / _total(work)
    assert line.lead == f"The UNet: {units.share(100 * unet * base)} of the image."
    assert line.rest.startswith(f"By kind of work, matrix multiplication: {units.share(100 * gemm * base)}.")


def test_a_kind_that_takes_little_is_not_told() -> None:
    assert "By kind" not in _lines(_loaded(GRAPHS_SD).report)["Dominates"].rest


@pytest.mark.parametrize("name", TRACES, ids=str)
def test_what_dominates_is_the_largest_part_of_the_bar_with_the_same_figure(name: str | Path) -> None:
    report = _loaded(name).report
    assert report.verdict is not None
    largest = max(report.verdict.parts, key=lambda part: part.us)
    lead = _lines(report)["Dominates"].lead
    assert units.percent(largest.us, _whole(report)) in lead
    assert ("GPU is idle" if largest.is_idle else largest.name.lower()) in (
        lead if largest.is_idle else lead.lower()
    )
    bar = image_bar(report)
    assert bar is not None
    assert any(f"({units.percent(largest.us, _whole(report))})" in segment.title for segment in bar.segments)


@pytest.mark.parametrize("name", [name for name in TRACES if name != OFFLOAD], ids=str)
def test_one_time_cost_always_comes_before_that_of_every_image(name: str | Path) -> None:
    line = _lines(_loaded(name).report)["Overhead"]
    assert "one-time cost" in line.lead
    assert "In every image" in line.rest


@pytest.mark.parametrize(
    ("name", "dtype"),
    [(FP32_SD, "float32"), (GRAPHS_SD, "bfloat16"), (OFFLOAD, "float16"), (COLD, "bfloat16")],
    ids=str,
)
def test_the_type_is_told_with_and_without_facts_of_the_run(name: str | Path, dtype: str) -> None:
    report = _loaded(name).report
    assert f", {dtype} on NVIDIA" in _lines(report)["Ran"].rest


def test_the_gain_is_explained_where_it_is_more_than_idle_time() -> None:
    """After the fix an image takes less than the GPU works today: kernels must get shorter too."""
    report = _loaded(FP32_SD).report
    saving = report.findings[0].saving
    assert saving is not None
    assert saving.to_us < _works(report)
    assert saving.work_us >= _works(report) - saving.to_us
    assert (
        f"also fuses kernels: {units.duration(saving.work_us)} less GPU work."
        in _lines(report)["Fix first"].rest
    )
    for name in (COLD, GRAPHS_SD):
        report = _loaded(name).report
        assert report.findings[0].id in ("host.launch_bound", "host.text_encoder")
        assert "fuses kernels" not in report.verdict.text if report.verdict else False


@pytest.mark.parametrize("name", [GRAPHS_SD, FP32_SD, OFFLOAD])
def test_an_estimate_lies_between_what_the_gpu_needs_and_the_time_with_the_profiler(name: str) -> None:
    report = _loaded(name).report
    bare = report.unprofiled
    assert bare is not None
    assert report.steady is not None
    assert bare.source == "estimated"
    steady = _loaded(name).at(phase="steady").report
    copied = (
        sum(row.gpu_us for row in steady.categories if "memcpy" in row.category) / report.steady.iterations
    )
    is_offloaded = name == OFFLOAD
    # Device time differs by 2 % between runs; copies that the CPU makes are 0.4 to 1.2 times as long.
    assert bare.low_us <= bare.mid_us <= bare.high_us
    assert bare.high_us <= 1.021 * report.steady.min_us + (0.2 * copied if is_offloaded else 0)
    assert bare.low_us >= 0.979 * (_works(report) - copied)
    assert (bare.low_us < 0.979 * _works(report)) is is_offloaded
    assert ("Copies made by the CPU vary" in _lines(report)["Takes"].rest) is is_offloaded


@pytest.mark.parametrize("name", TRACES, ids=str)
def test_an_image_has_one_name_in_all_that_a_report_says(name: str | Path) -> None:
    report = _loaded(name).report
    assert report.noun == "image"
    assert report.verdict is not None
    told = [report.verdict.text, headline(report), *(figure.detail for figure in figures(report))]
    told += [text for row in report.findings for text in (row.title, row.evidence, row.advice)]
    assert [text for text in told if "iteration" in text.lower()] == []


@pytest.mark.parametrize("name", [FP32_SD, COLD], ids=str)
def test_the_two_values_of_warmup_are_explained_under_the_table_of_phases(name: str | Path) -> None:
    report = _loaded(name).report
    (whole,) = [row.wall_us for row in report.phases if row.phase == "warmup"]
    note = fill(PHASES, report, MARKDOWN).note
    assert f"lasts {units.duration(whole)} " in note
    assert f"{units.duration(report.overhead.warmup_us)} of it" in note
    assert fill(PHASES, _loaded(OFFLOAD).report, MARKDOWN).note == ""


def test_a_trace_without_a_gpu_says_how_much_of_the_time_ops_take() -> None:
    report = _loaded(CPU_ONLY).report
    lines = _lines(report)
    assert lines["Dominates"].lead == "No op runs for 100.0 % of the time."
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
