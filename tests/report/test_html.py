from __future__ import annotations

import base64
import hashlib
import json
import re
import zlib
from html.parser import HTMLParser
from typing import Any

import pytest
from msgspec.structs import replace

from sdtrace import model
from sdtrace.report.html import render_html
from sdtrace.report.html_tables import fitted, packed
from sdtrace.report.names import visible
from sdtrace.tables import HTML, MARKDOWN, TABLES, fill_all
from tests.loaded import report_of
from tests.report import sample, sample_rows
from tests.shared import shared_trace

MEGABYTE = 1_000_000
VOID = {"meta", "link", "br", "input", "wbr"}


class _Page(HTMLParser):
    """Elements with their attributes, all text, and whether every element is closed in order."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""
        self.open: list[str] = []
        self.feed(text)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if self.open and self.open[-1] not in {"script", "style"}:
            self.text += data

    @property
    def words(self) -> str:
        """The text as a browser shows it: ordinary white space folded, narrow spaces kept."""
        return re.sub(r"[ \n]+", " ", self.text)


def _packed(page: str) -> dict[str, Any]:
    found = re.search(r'<script type="text/plain" id="rows">([^<]*)</script>', page)
    assert found is not None
    content: dict[str, Any] = json.loads(zlib.decompress(base64.b64decode(found[1])))
    return content


def _small_row(index: int) -> model.Op:
    return replace(sample_rows.ops()[4], name=f"op {index}")


@pytest.mark.parametrize("report", [sample.report(), sample.compared(), sample.report(sample.bare())])
def test_the_page_is_well_formed(report: model.Report) -> None:
    page = _Page(render_html(report, 25))
    assert page.open == []
    ids = [attributes["id"] for _, attributes in page.elements if "id" in attributes]
    assert len(ids) == len(set(ids))


def test_hostile_names_are_text_and_nothing_else() -> None:
    page = _Page(render_html(sample.report(replace(sample.cold(), name=sample_rows.CLOSING)), 100))
    tags = [tag for tag, _ in page.elements]
    assert "img" not in tags
    assert tags.count("script") == 2
    assert not [name for _, attributes in page.elements for name in attributes if name.startswith("on")]
    assert not [tag for tag, attributes in page.elements if "style" in attributes]
    for name in sample_rows.HOSTILE:
        assert visible(name) in page.text


def test_nothing_is_escaped_twice() -> None:
    """Verdicts quote code: `mode="reduce-overhead"`."""
    told = model.Verdict(
        text='Use mode="reduce-overhead": 12.0 ms.',
        confidence="likely",
        what=model.VerdictWhat(model="", size="", steps=None, dtype="", device="", torch=""),
        lines=[model.VerdictLine(label="Fix first", lead='Use mode="reduce-overhead": 12.0 ms.', rest="")],
        first="",
    )
    text = render_html(sample.report(replace(sample.cold(), verdict=told)), 25)
    assert 'Use mode="reduce-overhead"' in _Page(text).text
    assert not re.search(r"&amp;(?:#\d+|quot|lt|gt|amp);", text)


def test_nothing_in_the_page_points_outside_it() -> None:
    page = _Page(render_html(sample.compared(), 25))
    links = [
        value
        for _, attributes in page.elements
        for name, value in attributes.items()
        if name in {"href", "src", "action", "srcset", "data", "xlink:href"}
    ]
    assert {str(link)[0] if link != "data:," else "data" for link in links} == {"#", "data"}


def test_the_policy_allows_this_style_and_this_script_and_nothing_else() -> None:
    text = render_html(sample.report(), 25)
    policy = next(
        str(attributes["content"])
        for tag, attributes in _Page(text).elements
        if tag == "meta" and attributes.get("http-equiv") == "Content-Security-Policy"
    )
    assert policy.startswith("default-src 'none';")
    for element in ("style", "script"):
        (content,) = re.findall(rf"<{element}>(.*?)</{element}>", text, re.DOTALL)
        digest = base64.b64encode(hashlib.sha256(content.encode()).digest()).decode()
        assert f"{element}-src 'sha256-{digest}'" in policy
    assert "unsafe" not in policy


@pytest.mark.parametrize("traces", [1, 5, 20])
def test_the_page_stays_below_a_megabyte(traces: int) -> None:
    # The more traces, the fewer rows of each: always more than the page takes.
    ops = 5_000 // traces + 250
    text = render_html(sample.report(*[sample.large(ops, ops // 3)] * traces), 100)
    assert len(text.encode()) <= MEGABYTE
    tables = _packed(text)["tables"]
    assert {len(rows) < ops for anchor, rows in tables.items() if anchor.endswith("-ops")} == {True}
    assert f"{ops - len(tables['t1-ops']):,} more are in" in _Page(text).words


def test_long_tables_are_halved_until_they_fit_and_keep_a_row() -> None:
    tables = {
        filled.table.id: filled
        for filled in fill_all(TABLES, sample.large(8, 6), HTML)
        if filled.table.is_long
    }
    whole = len(packed(tables))
    for room, rows in [(whole, [6, 8]), (whole - 1, [4, 4]), (0, [1, 1])]:
        cut, data = fitted(tables, room)
        assert [len(filled.records) for filled in cut.values()] == rows
        assert [len(filled.cells) for filled in cut.values()] == rows
        assert [filled.total for filled in cut.values()] == [6, 8]
        assert data == packed(cut)


def test_all_rows_of_an_ordinary_trace_are_in_the_page() -> None:
    tables = _packed(render_html(sample.report(sample.large(600, 300)), 25))["tables"]
    assert (len(tables["t1-ops"]), len(tables["t1-kernels"])) == (600, 300)


def test_no_device_row_is_listed_again_under_ops() -> None:
    content = _packed(render_html(sample.report(), 25))
    names = [content["names"][row[0]] for row in content["tables"]["t1-ops"]]
    assert names.count("model_inference") == 2
    assert not [name for name in names if name.startswith("void at::native")]


def test_a_row_without_script_is_there_up_to_top() -> None:
    trace = replace(sample.cold(), ops=[_small_row(index) for index in range(40)])
    text = _Page(render_html(sample.report(trace), 7)).text
    assert "op 6" in text
    assert "op 7" not in text
    assert "The first 7 of 40" in text


def test_many_iterations_are_cut_in_the_middle_and_counted() -> None:
    first = sample.cold().iterations[0]
    rows = [replace(first, index=index) for index in range(1_000)]
    text = _Page(render_html(sample.report(replace(sample.cold(), iterations=rows)), 25)).text
    assert "700 in the middle are left out" in text


def test_a_fact_of_the_run_is_shown_up_to_400_characters() -> None:
    run = {"note": "n" * 400, "script": "s" * 401, "gpu_memory": 1_024, "cpu_mem": 1_023, "pixels": 4_096}
    words = _Page(render_html(sample.report(replace(sample.cold(), run=run)), 25)).words
    assert "n" * 400 in words
    assert f"{'s' * 266}…{'s' * 133}" in words
    assert "s" * 267 not in words
    assert re.search(r"Gpu memory\s*1.00\sKiB\s*Cpu mem\s*1,023\s*Pixels\s*4,096", words)


def test_every_field_of_a_trace_is_shown() -> None:
    text = _Page(render_html(sample.report(), 100)).words
    shown = [
        "bf16_sdpa.cold",
        "traces/bf16_sdpa.cold.json.gz",
        "NVIDIA H200",
        "2.11.0+cu130",
        "1,884,731",
        "2 events could not be decoded",
        "1 event with an impossible duration",
        "The file ends in the middle",
        "82.7\u202fs",
        "207\u202fms with the profiler (median of 2",
        "69,211 launches",
        "autotune host work",
        "67,904",
        "median of 2",
        "653 launches",
        "waiting for Triton",
        "autotunes 206 kernels",
        "text_encoder",
        "fused_triton",
        "flushing the L2 cache",
        "autotune.flush",
        "certain",
        "told from 4 repetitions",
    ]
    assert [each for each in shown if each not in text] == []


def test_a_trace_of_the_host_alone_has_no_columns_about_a_device() -> None:
    report = report_of(shared_trace("third_party/hta_cpu_only.json.gz"))
    headers = {column.header for filled in fill_all(TABLES, report, MARKDOWN) for column in filled.columns}
    assert {"Wall", "Share", "Self CPU"} <= headers
    assert not [header for header in headers if "GPU" in header or header == "Launches"]
    text = _Page(render_html(sample.report(report), 25)).text
    assert "GPU time" not in text
    assert "Launches" not in text


def test_a_phase_without_device_work_leaves_the_columns_of_the_others() -> None:
    report = replace(sample.cold(), gpu=replace(sample.cold().gpu, busy_us=0.0, idle_us=0.0))
    assert "GPU time" in {column.header for column in fill_all(TABLES, report, MARKDOWN)[0].columns}
    assert "GPU events" in _Page(render_html(sample.report(report), 25)).text


def test_equal_reports_make_equal_pages() -> None:
    assert render_html(sample.compared(), 25) == render_html(sample.compared(), 25)
