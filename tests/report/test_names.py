from __future__ import annotations

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sdtrace.report.names import breakable, code_spans, shorten, visible

ANYTHING = st.text(st.characters(exclude_categories=[]), max_size=80)


@given(ANYTHING)
def test_a_visible_name_holds_no_control_and_can_be_encoded(text: str) -> None:
    shown = visible(text)
    shown.encode("utf-8")
    assert not [character for character in shown if unicodedata.category(character) in {"Cc", "Cs"}]
    assert visible(shown) == shown


@pytest.mark.parametrize("name", ["aten::mm", "עברית", "漢字", "Größe µ", "a\u202fb"])
def test_an_ordinary_name_of_any_script_is_unchanged(name: str) -> None:
    assert visible(name) == name


@pytest.mark.parametrize(
    "hidden", ["\u202e", "\u200b", "\ufeff", "\x1b[0m", "\r", "\x9b", "\u2066", "\ud800"]
)
def test_what_reorders_hides_or_commands_is_spelled_out(hidden: str) -> None:
    assert visible(f"a{hidden}b").startswith("a\\")


@given(ANYTHING, st.integers(1, 100))
def test_a_short_name_fits_and_says_that_it_is_cut(text: str, width: int) -> None:
    short = shorten(text, width)
    assert len(short) <= width
    assert short == text or (len(text) > width and "…" in short)


@pytest.mark.parametrize(
    ("width", "short"),
    [(10, "abcdefghij"), (9, "abcdef…ij"), (7, "abcd…ij"), (4, "ab…j"), (3, "ab…"), (1, "…")],
)
def test_two_thirds_of_what_is_left_of_a_name_are_its_start(width: int, short: str) -> None:
    assert shorten("abcdefghij", width) == short


@given(st.text("`ab ", max_size=20))
def test_code_spans_lose_no_character_but_the_paired_backticks(text: str) -> None:
    joined = "".join(f"`{piece}`" if is_code else piece for is_code, piece in code_spans(text))
    assert joined == text.replace("``", "") or "``" in text


@given(ANYTHING)
def test_a_breakable_name_is_whole(text: str) -> None:
    assert "".join(breakable(text)) == text


def test_a_name_breaks_after_what_joins_its_words() -> None:
    assert breakable("h200-bf16_sdpa.x+dtype=fp16") == ["h200-", "bf16_", "sdpa.", "x+", "dtype=", "fp16"]
    assert breakable("_a__b-") == ["_", "a__", "b-"]
