"""The commands and programs on the pages run, and print what the pages show."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest

from sdtrace.breakdowns.rules import load_rules
from tests.docs.blocks import LANGUAGES, PAGES, blocks
from tests.docs.session import Session

ELSEWHERE = {"docs/python.md", "docs/sql.md"}
"""Run by `tests/api/test_docs.py`, on traces that are read once."""
RUN = [page for page in PAGES if page not in ELSEWHERE and any(block.is_run for block in blocks(page))]
NOT_RUN = {
    "a GPU": 7,
    "many traces": 4,
    "a browser": 2,
    "an assistant": 2,
    "some minutes": 9,
    "some seconds": 1,
    "the extra hta": 3,
    "the network": 5,
    "traces of several ranks": 4,
}
"""How many blocks need what the tests do without. Their options are checked all the same."""


@pytest.mark.parametrize("page", RUN)
def test_a_page_does_what_it_says(page: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    session = Session(tmp_path, monkeypatch)
    for block in blocks(page):
        session.follow(block)


def test_every_block_says_what_it_is() -> None:
    unknown = {page: {block.language for block in blocks(page)} - LANGUAGES for page in PAGES}
    assert {page: languages for page, languages in unknown.items() if languages} == {}


def test_blocks_that_do_not_run_are_counted() -> None:
    assert Counter(block.needs for page in PAGES for block in blocks(page) if block.needs) == NOT_RUN


def test_the_rules_on_the_page_of_categories_are_rules(tmp_path: Path) -> None:
    (text,) = [block.text for block in blocks("docs/categories.md") if block.language == "toml"]
    (tmp_path / "rules.toml").write_text(text, encoding="utf-8")
    assert load_rules(tmp_path / "rules.toml").rules[0].category == "my_attention"
