"""The cell under a header is its field, formatted so: for every table, medium and column.

The table below is written by hand, from the meaning of the records, and not taken from the declaration:
a header over another field, a share of another whole or a missing column shows here.
"""

from __future__ import annotations

import csv
import io
import json
import re
import zlib
from base64 import b64decode
from collections.abc import Callable
from dataclasses import dataclass, field
from html import unescape
from typing import Any

import polars as pl
import pytest
from msgspec import structs
from rich.console import Console

from sdtrace import model, units
from sdtrace.report.data_files import csv_files, parquet_files
from sdtrace.report.html import render_html
from sdtrace.report.markdown import render_markdown
from sdtrace.report.terminal import render_terminal
from sdtrace.tables import TABLES
from sdtrace.tables.notes import hta_note
from tests.report import sample

Write = Callable[[Any], str]
Whole = Callable[[model.TraceReport], float]
T, M, H = "terminal", "markdown", "html"
ALL = frozenset({T, M, H})
PAGES = frozenset({M, H})


@dataclass(frozen=True)
class Spec:
    """A column as people see it: the header, the field and how its value is written, and where."""

    header: str
    value: Callable[[Any, model.TraceReport], Any]
    write: Write
    media: frozenset[str] = field(default=ALL)


def plain(name: str, header: str, write: Write, media: frozenset[str] = ALL) -> Spec:
    return Spec(header, lambda row, _: getattr(row, name), write, media)


def share(header: str, part: str, whole: Whole, media: frozenset[str] = ALL) -> Spec:
    return Spec(header, lambda row, trace: 100 * getattr(row, part) / whole(trace), units.share, media)


def op_cpu(trace: model.TraceReport) -> float:
    return sum(row.self_cpu_us for row in trace.ops)


def op_gpu(trace: model.TraceReport) -> float:
    return sum(row.self_device_us for row in trace.ops if row.device_type == "device")


def text(value: object) -> str:
    return str(value)


TIME, COUNT = units.duration, units.count

SPECS: dict[str, list[Spec]] = {
    "phases": [
        plain("phase", "Phase", text),
        plain("wall_us", "Wall", TIME),
        share("Share", "wall_us", lambda trace: sum(row.wall_us for row in trace.phases)),
        plain("gpu_us", "GPU time", TIME),
        plain("gpu_events", "GPU events", COUNT),
    ],
    "iterations": [
        Spec("#", lambda row, _: row.index + 1, str),
        plain("start_us", "Start", TIME),
        plain("wall_us", "Wall", TIME),
        Spec("GPU busy", lambda row, _: 100 * row.gpu_busy_us / row.wall_us, units.share),
        plain("gpu_us", "GPU time", TIME),
        plain("gpu_events", "GPU events", COUNT, PAGES),
        plain("launches", "Launches", COUNT),
        plain("steps", "Steps", COUNT, PAGES),
        plain("phase", "Phase", text),
        plain("note", "Note", text),
    ],
    "idle": [
        plain("cause", "Cause", text),
        plain("us", "Idle", TIME),
        share("Share", "us", lambda trace: sum(row.us for row in trace.idle)),
        plain("gaps", "Gaps", COUNT),
    ],
    "compile": [
        plain("stage", "Stage", text),
        plain("exclusive_us", "Exclusive", TIME),
        share("Share", "exclusive_us", lambda trace: sum(row.exclusive_us for row in trace.compile)),
        plain("inclusive_us", "Inclusive", TIME),
        plain("count", "Count", COUNT),
    ],
    "categories": [
        plain("category", "Category", text),
        plain("gpu_us", "GPU time", TIME),
        plain("pct", "Share", units.share),
        plain("calls", "Calls", COUNT),
    ],
    "components": [
        plain("component", "Component", text),
        plain("phase", "Phase", text),
        plain("gpu_us", "GPU time", TIME),
        plain("wall_us", "CPU wall", TIME),
        plain("calls", "Calls", COUNT),
    ],
    "waterfall": [
        Spec("Part", lambda row, _: row.part, text, PAGES),
        plain("name", "Of", text, PAGES),
        plain("us", "Time", TIME, PAGES),
        share("Share", "us", lambda trace: sum(row.us for row in trace.waterfall), PAGES),
    ],
    "ops_by_shape": [
        plain("op", "Op", text, PAGES),
        plain("input_dims", "Shapes", text, PAGES),
        plain("calls", "Calls", COUNT, PAGES),
        plain("device_us", "GPU time", TIME, PAGES),
        plain("lost_us", "Lost", TIME, PAGES),
        plain("pct_of_peak", "Of peak", units.share, PAGES),
        plain("bound", "Bound", text, PAGES),
        Spec("Must read", lambda row, _: row.bytes_read, units.size, PAGES),
        plain("dram_bytes_read", "Reads", units.size, PAGES),
        plain("tflops", "TFLOP/s", units.rate, PAGES),
        plain("tbps", "TB/s", units.rate, PAGES),
    ],
    "kernels": [
        plain("short_name", "Name", text),
        plain("category", "Category", text),
        plain("total_us", "GPU time", TIME),
        plain("pct", "Share", units.share),
        plain("calls", "Calls", COUNT),
        plain("mean_us", "Mean", TIME),
        plain("min_us", "Min", TIME, PAGES),
        plain("max_us", "Max", TIME, PAGES),
        plain("fused_kind", "Fused", text, frozenset({H})),
        Spec("Must read", lambda row, _: row.bytes_read, units.size, PAGES),
        plain("dram_bytes_read", "Reads", units.size, PAGES),
        plain("tbps", "TB/s", units.rate, PAGES),
        plain("pct_of_peak", "Of peak", units.share, PAGES),
    ],
    "ops": [
        plain("name", "Name", text),
        Spec("Kind", lambda row, _: "device" if row.device_type == "device" else "", text, PAGES),
        plain("self_cpu_us", "Self CPU", TIME),
        share("Self CPU %", "self_cpu_us", op_cpu),
        plain("cpu_total_us", "CPU total", TIME, PAGES),
        share("CPU total %", "cpu_total_us", op_cpu, PAGES),
        Spec("CPU avg", lambda row, _: row.cpu_total_us / row.calls, TIME, PAGES),
        plain("self_device_us", "Self GPU", TIME),
        share("Self GPU %", "self_device_us", op_gpu),
        plain("device_total_us", "GPU total", TIME, PAGES),
        Spec("GPU avg", lambda row, _: row.device_total_us / row.calls, TIME, PAGES),
        plain("calls", "Calls", COUNT),
        plain("flops", "FLOPs", units.flops, PAGES),
        plain("cpu_memory_bytes", "CPU mem", units.size, PAGES),
        plain("self_cpu_memory_bytes", "Self CPU mem", units.size, PAGES),
        plain("device_memory_bytes", "GPU mem", units.size, PAGES),
        plain("self_device_memory_bytes", "Self GPU mem", units.size, PAGES),
    ],
    "devices": [
        plain("index", "GPU", COUNT),
        plain("name", "Name", text),
        plain("busy_us", "Busy", TIME),
        plain("idle_us", "Idle", TIME),
        Spec("Busy share", lambda row, _: 100 * row.busy_us / (row.busy_us + row.idle_us), units.share),
        plain("kernels", "Kernels", COUNT),
    ],
    "steps": [],
    "findings": [],
    "hta": [
        plain("measure", "Measure", text),
        plain("ours_us", "sdtrace", TIME),
        plain("hta_us", "HTA", TIME),
        plain("difference_us", "Difference", lambda value: f"{value:+,.3f} µs"),
        plain("reason", "Reason", text, PAGES),
    ],
    "hta_results": [
        plain("item", "Item", text, PAGES),
        plain("analysis", "Analysis", text, PAGES),
        plain("total_us", "Time", TIME, PAGES),
        plain("pct", "Share", units.share, PAGES),
        plain("count", "Number", COUNT, PAGES),
        plain("note", "Note", text, PAGES),
    ],
}
TITLES = {
    "phases": "Where the wall time went",
    "iterations": "Images",
    "devices": "GPU by GPU",
    "idle": "Why the GPU was idle",
    "compile": "What compiling did",
    "categories": "What the GPU worked on",
    "components": "Parts of the pipeline",
    "waterfall": "Where a steady image goes, on NVIDIA H200",
    "ops_by_shape": "Work by op and shape",
    "kernels": "Kernels, copies and fills",
    "ops": "Ops",
    "hta": "HTA beside sdtrace",
    "hta_results": "HTA's analyses",
}
WORDS = {"phase": "steady", "component": "unet", "part": "lost", "bound": "memory", "bytes_are": "exact"}
KINDS: dict[str, type[model.Struct]] = {
    "phases": model.Phase,
    "iterations": model.Iteration,
    "idle": model.IdleCause,
    "compile": model.CompileStage,
    "categories": model.Category,
    "components": model.Component,
    "waterfall": model.WaterfallPart,
    "ops_by_shape": model.OpByShape,
    "kernels": model.Kernel,
    "ops": model.Op,
    "devices": model.Device,
    "steps": model.Step,
    "findings": model.Finding,
    "hta": model.HtaMeasure,
    "hta_results": model.HtaResult,
}


def records(kind: type[model.Struct], first: int) -> list[Any]:
    """Three records in which no two fields have one value, the one first with the largest numbers."""
    made = []
    for row in range(3):
        values: dict[str, Any] = {}
        for place, column in enumerate(structs.fields(kind)):
            number = (first + 37 * place + 11) * (7 - 2 * row) + 29 * place * row
            hint = str(column.type)
            if column.name == "device_type":
                values[column.name] = "cpu" if row else "device"
            elif column.name in ("severity", "confidence"):
                values[column.name] = {"severity": "low", "confidence": "likely"}[column.name]
            elif column.name in ("evidence_rows", "saving"):
                values[column.name] = {"evidence_rows": [], "saving": None}[column.name]
            elif "bool" in hint:
                values[column.name] = column.name == "is_whole"
            elif "int" in hint:
                values[column.name] = number
            elif "float" in hint:
                values[column.name] = number + 0.125 + row / 1000
            else:
                values[column.name] = WORDS.get(column.name, f"{kind.__name__} {column.name} {'abc'[row]}")
        made.append(kind(**values))
    return made


@pytest.fixture(scope="module")
def trace() -> model.TraceReport:
    """A trace in whose tables every cell says which field it is of."""
    tables = {name: records(kind, 100 * place) for place, (name, kind) in enumerate(KINDS.items())}
    steps = [structs.replace(row, index=place) for place, row in enumerate(tables["iterations"])]
    wall = sum(row.wall_us for row in tables["phases"])
    light = structs.replace(sample.light(), waterfall=tables.pop("waterfall"))
    tables["iterations"] = steps
    return structs.replace(sample.cold(), **tables, speed_of_light=light, wall_us=wall)


def written(trace: model.TraceReport) -> model.Report:
    return sample.report(trace)


def terminal_tables(trace: model.TraceReport) -> dict[str, list[list[str]]]:
    out = io.StringIO()
    render_terminal(written(trace), Console(file=out, width=250), 100)
    found = {}
    for name, title in TITLES.items():
        block = out.getvalue().partition(f"\n{title}\n")[2].split("\n\n")[0].splitlines()
        found[name] = [re.split(r"\s{2,}", line.strip()) for line in block if line != hta_note(trace)]
    return found


def markdown_tables(trace: model.TraceReport) -> dict[str, list[list[str]]]:
    page = render_markdown(written(trace), 100)
    found = {}
    for name, title in TITLES.items():
        block = page.partition(f"### {title}\n\n")[2].split("\n\n")[0].splitlines()
        cells = [[cell.strip() for cell in line.strip("|").split(" | ")] for line in block]
        found[name] = [
            [re.sub(r"[`\\]", "", unescape(c)).strip() for c in row] for row in (cells[0], *cells[2:])
        ]
    return found


def html_tables(trace: model.TraceReport) -> dict[str, list[list[str]]]:
    page = render_html(written(trace), 100)
    found = {}
    for name in TITLES:
        table = re.search(rf'<h\d id="t1-{name}">.*?<table.*?>(.*?)</table>', page, re.DOTALL)
        assert table is not None, name
        body = re.sub(r'<td class="graph".*?</td>', "", table[1], flags=re.DOTALL)
        rows = re.findall(r"<tr>(.*?)</tr>", body, re.DOTALL)
        found[name] = [
            [_text(cell) for cell in re.findall(r"<t[hd][^>]*>(.*?)</t[hd]>", row, re.DOTALL)] for row in rows
        ]
    return found


def _text(cell: str) -> str:
    cell = re.sub(r"<details.*?<summary>(.*?)</summary>.*?</details>", r"\1", cell, flags=re.DOTALL)
    return unescape(re.sub(r"<[^>]*>", "", cell)).strip()


MEDIA = {T: terminal_tables, M: markdown_tables, H: html_tables}
CASES = [
    (name, medium)
    for name in TITLES
    for medium in MEDIA
    if any(medium in column.media for column in SPECS[name])
]


def test_every_table_is_specified_here() -> None:
    assert {table.id for table in TABLES} == set(SPECS)


@pytest.mark.parametrize(("name", "medium"), CASES, ids=[f"{n}-{m}" for n, m in CASES])
def test_the_cell_under_a_header_is_its_field(trace: model.TraceReport, name: str, medium: str) -> None:
    header, *rows = MEDIA[medium](trace)[name]
    specs = [spec for spec in SPECS[name] if medium in spec.media]
    assert header == [spec.header for spec in specs]
    assert len(rows) == 3
    for record, cells in zip(getattr(trace, name), rows, strict=True):
        wanted = [spec.write(spec.value(record, trace)) for spec in specs]
        if medium == T:
            wanted = [cell for cell in wanted if cell]
        assert [cell.replace(units.NARROW_SPACE, " ") for cell in cells] == wanted


@pytest.mark.parametrize("name", list(SPECS))
def test_data_has_every_field_under_its_own_name(trace: model.TraceReport, name: str) -> None:
    rows = [structs.asdict(record) for record in getattr(trace, name)]
    for row in rows:
        for nested in ("evidence_rows", "saving"):
            row.pop(nested, None)  # Lists and records are in no frame.
    frame = pl.read_parquet(io.BytesIO(parquet_files(written(trace))[f"{name}.parquet"]))
    assert [{k: v for k, v in row.items() if k != "trace"} for row in frame.to_dicts()] == rows
    told = list(csv.DictReader(io.StringIO(csv_files(written(trace))[f"{name}.csv"].decode())))
    for row, record in zip(told, rows, strict=True):
        assert {k: v for k, v in row.items() if k != "trace"} == {k: _csv(v) for k, v in record.items()}


def _csv(value: object) -> str:
    return "" if value is None else str(value).lower() if isinstance(value, bool) else str(value)


@pytest.mark.parametrize(("name", "sorts_by"), [("kernels", "GPU time"), ("ops", "Self GPU")])
def test_what_a_column_sorts_by_is_its_own_value(trace: model.TraceReport, name: str, sorts_by: str) -> None:
    page = render_html(written(trace), 100)
    packed = re.search(r'<script type="text/plain" id="rows">([^<]*)</script>', page)
    assert packed is not None
    content = json.loads(zlib.decompress(b64decode(packed[1])))
    specs = [spec for spec in SPECS[name] if H in spec.media][1:]
    rows = content["tables"][f"t1-{name}"]
    for record, (_, _, keys, cells) in zip(getattr(trace, name), rows, strict=True):
        values = [spec.value(record, trace) for spec in specs]
        assert all(
            key == value or key == pytest.approx(value) for key, value in zip(keys, values, strict=True)
        )
        shown = [spec.write(value) for spec, value in zip(specs, values, strict=True)]
        assert [cell.replace(units.NARROW_SPACE, " ") for cell in cells] == shown
    place = [spec.header for spec in specs].index(sorts_by)
    assert f'data-rows="t1-{name}" data-sorted="{place}"' in page


@pytest.mark.parametrize(
    ("name", "length", "part"),
    [
        ("phases", "wall_us", None),
        ("iterations", "wall_us", "gpu_busy_us"),
        ("idle", "us", None),
        ("devices", "busy_us", None),
        ("compile", "exclusive_us", None),
        ("categories", "gpu_us", None),
        ("components", "gpu_us", None),
    ],
)
def test_a_bar_is_as_long_as_its_field(
    trace: model.TraceReport, name: str, length: str, part: str | None
) -> None:
    page = render_html(written(trace), 100)
    table = re.search(rf'<h\d id="t1-{name}">.*?<table.*?>(.*?)</table>', page, re.DOTALL)
    assert table is not None
    bars = re.findall(r'<svg class="bar".*?</svg>', table[1], re.DOTALL)
    longest = max(getattr(row, length) for row in getattr(trace, name))
    for row, bar in zip(getattr(trace, name), bars, strict=True):
        widths = [float(width) for width in re.findall(r'width="([\d.]+)%"', bar)]
        fields = [length] if part is None else [length, part]
        assert widths == pytest.approx([min(100, 100 * getattr(row, f) / longest) for f in fields], abs=0.01)
