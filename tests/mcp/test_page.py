"""docs/mcp.md shows what the tools answer."""

from __future__ import annotations

from tools.mcp_page import PAGE, REFERENCES, with_answers

from tests.shared import shared_trace


def test_the_page_shows_what_the_tools_answer() -> None:
    folders = {shared_trace(f"reference/{name}.json.gz").parent for name in REFERENCES.values()}
    page = PAGE.read_text(encoding="utf-8")
    assert page.count("\n> ") == 5
    assert with_answers(page, folders.pop()) == page
