"""An analysis gives the report's own numbers as frames, from whatever holds the trace."""

from __future__ import annotations

import gzip
import io
import json
from pathlib import Path
from typing import Any

import polars as pl
import pytest
import torch
from msgspec import structs
from polars.testing import assert_frame_equal

import sdtrace
from sdtrace.analysis import analyze
from sdtrace.api import event_columns
from sdtrace.safe_text import visible
from tests.shared import shared_trace
from tests.written import call, host, kernel, written

TABLES = {
    "ops": "ops",
    "ops_by_shape": "ops_by_shape",
    "waterfall": "waterfall",
    "kernels": "kernels",
    "categories": "categories",
    "components": "components",
    "phases": "phases",
    "iterations": "iterations",
    "steps": "steps",
    "idle": "idle",
    "compile_stages": "compile",
    "devices": "devices",
    "findings": "findings",
}


@pytest.mark.parametrize("frame", TABLES)
def test_a_frame_is_the_reports_table(regional: sdtrace.Analysis, frame: str) -> None:
    records = getattr(regional.report, TABLES[frame])
    assert records
    rows = getattr(regional, frame)
    # Lists are in no frame.
    assert set(structs.asdict(records[0])) - set(rows.columns) <= {"evidence_rows", "saving"}
    assert rows.to_dicts() == [{name: getattr(record, name) for name in rows.columns} for record in records]
    assert getattr(regional, frame) is rows, "made once"


def test_the_report_is_the_command_lines(eager: sdtrace.Analysis, eager_trace: Path) -> None:
    assert eager.report == analyze(eager_trace, sdtrace.Options.of())


def test_a_trace_comes_from_a_path_a_file_or_bytes(eager: sdtrace.Analysis, eager_trace: Path) -> None:
    content = eager_trace.read_bytes()
    with eager_trace.open("rb") as file:
        loaded = [sdtrace.load(str(eager_trace)), sdtrace.load(file), sdtrace.load(content)]
        assert not file.closed
    loaded.append(sdtrace.load(io.BytesIO(gzip.compress(content, 1))))
    assert all(one.report.kernels == eager.report.kernels for one in loaded)
    assert [one.name for one in loaded] == [eager.name, eager.name, "memory", "memory"]


def test_a_profile_in_memory_is_read() -> None:
    with torch.profiler.profile(activities=[torch.profiler.ProfilerActivity.CPU], record_shapes=True) as p:
        torch.randn(8, 8) @ torch.randn(8, 8)
    one = sdtrace.load(p)
    assert "aten::mm" in one.ops["name"].to_list()
    shapes = one.events.filter(pl.col("name") == "aten::mm")["shapes"].to_list()
    assert shapes == ["[[8,8],[8,8]]"]
    with pytest.raises(sdtrace.UnreadableTrace, match="cannot write the trace of this profile"):
        sdtrace.load(p)


def test_a_profile_that_never_ran_is_refused() -> None:
    with pytest.raises(sdtrace.UnreadableTrace, match="cannot write the trace of this profile"):
        sdtrace.load(torch.profiler.profile(activities=[torch.profiler.ProfilerActivity.CPU]))


@pytest.mark.parametrize("source", [None, 3, ["x.json"]])
def test_what_is_no_trace_is_refused(source: object) -> None:
    with pytest.raises(sdtrace.UsageError, match="give a path, an open file, bytes or"):
        sdtrace.load(source)  # type: ignore[arg-type]
    with pytest.raises(sdtrace.UnreadableTrace):
        sdtrace.load(b"no trace")


def test_every_event_is_a_row_with_its_place(regional: sdtrace.Analysis) -> None:
    events, trace = regional.events, regional.study.trace
    assert list(events.columns) == list(event_columns.EVENTS)
    assert events.height == len(trace)
    assert events["dur_ns"].sum() == int(trace.dur_ns.sum())
    assert set(events.dtypes) == {pl.String, pl.Int64}
    work = events.filter(pl.col("work_category").is_not_null())
    for column, table, key in (("work_category", "categories", "category"), ("name", "kernels", "name")):
        sums = dict(work.group_by(column).agg(pl.col("dur_ns").sum()).iter_rows())
        told = getattr(regional, table).to_dicts()
        us = "gpu_us" if table == "categories" else "total_us"
        assert {name: ns / 1000 for name, ns in sums.items()} == pytest.approx({r[key]: r[us] for r in told})


def test_launches_join_work_to_its_launch(regional: sdtrace.Analysis) -> None:
    launches = regional.launches
    assert list(launches.columns) == list(event_columns.LAUNCHES)
    by_step = launches.group_by("iteration", "step").agg(pl.col("dur_ns").sum(), pl.len())
    for row in regional.steps.iter_rows(named=True):
        mine = by_step.filter((pl.col("iteration") == row["iteration"]) & (pl.col("step") == row["index"]))
        assert mine["dur_ns"].sum() / 1000 == pytest.approx(row["gpu_us"])
        assert mine["len"].sum() == row["gpu_events"]
    ops = dict(launches.group_by("op").agg(pl.col("dur_ns").sum()).iter_rows())
    told = {
        r["name"]: r["self_device_us"]
        for r in regional.ops.iter_rows(named=True)
        if r["device_type"] == "cpu"
    }
    assert {op: ns / 1000 for op, ns in ops.items()} == pytest.approx({op: told[op] for op in ops})


@pytest.mark.parametrize("part", [{"phase": "steady"}, {"component": "unet"}, {"iteration": 1}, {"step": 0}])
def test_a_part_has_its_own_frames(regional: sdtrace.Analysis, part: dict[str, object]) -> None:
    one = regional.at(**part)  # type: ignore[arg-type]
    kernels = one.kernels["total_us"].sum()
    assert 0 < kernels < regional.kernels["total_us"].sum()
    assert one.launches["dur_ns"].sum() / 1000 == pytest.approx(kernels)
    work = one.events.filter(pl.col("work_category").is_not_null())
    assert work["dur_ns"].sum() / 1000 == pytest.approx(kernels)
    (name, value), *_ = part.items()
    assert set(one.launches[name].to_list()) == {value}
    assert_frame_equal(one.findings, regional.findings)
    assert f"at {name} {value}" in repr(one)


def test_parts_of_parts_have_both_in_common(regional: sdtrace.Analysis) -> None:
    nested = regional.at(phase="steady").at(component="unet").at(step=1)
    assert_frame_equal(nested.kernels, regional.at(phase="steady", component="unet", step=1).kernels)
    with pytest.raises(sdtrace.UsageError, match=r"no component 'unnet' \(did you mean 'unet'\?\)"):
        regional.at(component="unnet")


def test_the_table_is_torchs_own() -> None:
    with torch.profiler.profile(activities=[torch.profiler.ProfilerActivity.CPU]) as p:
        torch.randn(8, 8) @ torch.randn(8, 8)
    theirs = p.key_averages().table(sort_by="self_cpu_time_total", row_limit=5)
    ours = sdtrace.load(p).table("self_cpu_time_total", row_limit=5)
    # The last digit of a mean may differ: torch divides floating-point numbers.
    names = [[line.split()[:1] for line in table.splitlines()] for table in (ours, theirs)]
    assert names[0] == names[1]


def test_memory_is_what_the_allocator_said(cpu_trace: Path) -> None:
    one = sdtrace.load(cpu_trace)
    told = [e for e in _events(cpu_trace) if e.get("name") == "[memory]"]
    assert list(one.memory.columns) == list(event_columns.MEMORY)
    assert sorted(one.memory["allocated_bytes"]) == sorted(e["args"]["Total Allocated"] for e in told)
    assert sorted(one.memory["reserved_bytes"]) == sorted(e["args"]["Total Reserved"] for e in told)
    assert set(one.memory["device"]) == {"cpu"}


def _events(path: Path) -> list[dict[str, Any]]:
    events: list[dict[str, Any]] = json.loads(path.read_bytes())["traceEvents"]
    return events


def test_saving_writes_reports_and_overwrites_only_its_own(eager: sdtrace.Analysis, tmp_path: Path) -> None:
    assert [p.name for p in eager.save(tmp_path, ["json", "md"])] == ["report.json", "report.md"]
    assert [p.name for p in eager.save(tmp_path, ["json"])] == ["report.json"]
    (tmp_path / "report.json").write_text("mine")
    with pytest.raises(sdtrace.OutputError, match="exists already"):
        eager.save(tmp_path, ["json"])
    with pytest.raises(sdtrace.UsageError, match="unknown format"):
        eager.save(tmp_path, ["pdf"])


def test_a_notebook_shows_headline_phases_and_findings(regional: sdtrace.Analysis) -> None:
    shown = regional._repr_html_()
    for text in ("One-time cost", "<th>Phase</th>", regional.report.findings[0].title.split("`")[0]):
        assert text in shown


def test_a_name_cannot_act_in_a_notebook(tmp_path: Path) -> None:
    bad = "<img src=x onerror=alert(1)>"
    events = [host(bad, 0, 900), call("cudaLaunchKernel", 10, 5, 1), kernel(bad, 100, 700, 1)]
    written(tmp_path / "t.json", events)
    one = sdtrace.load(tmp_path / "t.json")
    assert "<img" not in one._repr_html_()
    assert visible(bad) in one.ops["name"].to_list()


def test_device_work_has_the_phase_of_its_launch(tmp_path: Path) -> None:
    events = [
        host("entire_frame_compile", 0, 100),
        *[call("cudaLaunchKernel", 50, 10, 1), kernel("k", 500, 10, 1)],
        *[host("aten::mm", 200, 400), call("cudaLaunchKernel", 300, 10, 2), kernel("k", 600, 10, 2)],
    ]
    written(tmp_path / "t.json", events)
    frame = sdtrace.load(tmp_path / "t.json").events
    phases = dict(zip(frame["start_ns"], frame["phase"], strict=True))
    compiled = dict.fromkeys((0, 50, 500), "compile")
    assert phases == compiled | dict.fromkeys((200, 300, 600), "steady")


def test_other_peoples_traces_have_every_frame() -> None:
    one = sdtrace.load(shared_trace("third_party/hta_mi250_rocm62_training.json.gz"))
    assert one.events["phase"].unique().to_list() == ["steady"]
    assert all(getattr(one, name).width for name in (*TABLES, "events", "launches", "memory"))
