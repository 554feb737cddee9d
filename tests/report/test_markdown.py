"""Rendered by a real Markdown parser: what matters is what a reader of the page gets."""

from __future__ import annotations

import re
from html import unescape
from html.parser import HTMLParser

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from markdown_it import MarkdownIt
from msgspec.structs import replace

from sdtrace.report import markup
from sdtrace.report.markdown import render_markdown
from sdtrace.report.names import visible
from tests.report import sample, sample_rows

OURS = {"h1", "h2", "h3", "p", "ol", "ul", "li", "strong", "em", "code", "blockquote", "br"}
TABLES = {"table", "thead", "tbody", "tr", "th", "td"}


class _Tags(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.found: list[tuple[str, dict[str, str | None]]] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append((tag, dict(attrs)))


def _parsed(text: str) -> str:
    return str(MarkdownIt("commonmark").enable(["table", "strikethrough"]).render(text))


def _cells(html: str, column: int) -> list[str]:
    rows = re.findall(r"<tr>(.*?)</tr>", html, re.DOTALL)
    cells = [re.findall(r"<td[^>]*>(.*?)</td>", row, re.DOTALL) for row in rows]
    return [unescape(re.sub(r"</?code>", "", row[column])) for row in cells if row]


def test_hostile_names_make_no_element_and_no_attribute() -> None:
    parser = _Tags()
    parser.feed(_parsed(render_markdown(sample.compared(), 100)))
    assert {tag for tag, _ in parser.found} <= OURS | TABLES
    assert {name for _, attributes in parser.found for name in attributes} <= {"style", "start"}


def test_a_hostile_name_is_shown_as_it_is_within_its_cell() -> None:
    names = _cells(_parsed(render_markdown(sample.report(), 100)), 0)
    for name in sample_rows.HOSTILE:
        assert visible(name) in names


def test_every_row_of_a_table_has_as_many_cells_as_its_header() -> None:
    html = _parsed(render_markdown(sample.compared(), 100))
    for table in re.findall(r"<table>.*?</table>", html, re.DOTALL):
        header = table.count("<th>") + table.count("<th ")
        for row in re.findall(r"<tr>.*?</tr>", table, re.DOTALL)[1:]:
            assert row.count("<td") == header


@given(st.text(max_size=60))
@example("\x1f\ufdd0")
@example("\U0010ffff|")
def test_any_name_in_a_cell_is_shown_as_it_is(name: str) -> None:
    text = f"| a | b |\n|---|---|\n| {markup.code(name)} | {markup.plain(name)} |\n| end | end |\n"
    html = _parsed(text)
    assert [cell.strip() for cell in _cells(html, 0)] == [visible(name).strip(), "end"]
    assert len(_cells(html, 1)) == 2
    assert "<a " not in html


@given(st.text(alphabet="\\`*_[]<>&|~$@#:/w.-+=1)! a\n", max_size=30).map(str.strip).filter(bool))
def test_a_sentence_stays_one_paragraph_of_its_own_characters(text: str) -> None:
    html = _parsed("x\n\n" + markup.plain(text))
    shown = re.fullmatch(r"<p>x</p>\n<p>(.*)</p>\n", _parsed("x\n\n.\u2060" + markup.plain(text)), re.DOTALL)
    assert shown, html
    assert unescape(shown[1]) == ".\u2060" + visible(text)


@pytest.mark.parametrize("start", ["- a", "+ a", "# a", "1. a", "12) a", "=", "---", "> a", "* a", "```"])
def test_a_line_that_begins_like_a_block_is_still_a_paragraph(start: str) -> None:
    html = _parsed(f"x\n\n{markup.line(start)}\n")
    assert re.fullmatch(r"<p>x</p>\n<p>[^<]*</p>\n", html), html


def test_code_in_backticks_is_code_and_stays_inside_its_sentence() -> None:
    assert markup.prose("Set `a_b` and 2*3.") == "Set `a_b` and 2\\*3."


def test_rows_beyond_the_top_are_counted() -> None:
    text = render_markdown(sample.report(), 3)
    kernels = len(sample_rows.kernels())
    assert f"{kernels - 3} more in `report.json`." in text


def test_findings_come_before_every_table() -> None:
    text = render_markdown(sample.report(), 5)
    assert text.index("### Findings") < text.index("### Where the wall time went") < text.index("### Ops")


def test_what_cannot_be_trusted_is_said_before_anything_else() -> None:
    text = render_markdown(sample.report(replace(sample.cold(), selected_phase="steady")), 5)
    assert text.index("The file ends in the middle") < text.index("### Findings")
    assert "limited to the phase" in text


def test_a_trace_with_nothing_in_it_is_a_short_report() -> None:
    bare = replace(sample.bare(), ops=[])
    text = render_markdown(sample.report(bare), 5)
    assert "### Ops" not in text
    assert "As profiled: 12.3\u202fms." in text
