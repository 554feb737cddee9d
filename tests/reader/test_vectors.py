"""The vectorised parts against the obvious way: int, Decimal, a dictionary, and json."""

from __future__ import annotations

from decimal import Decimal

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from sdtrace.reader.numbers import PADDING, as_text, integers, thousandths

AFTER = st.sampled_from([",", "\n", " ", "}", ".", "e", "-", "/", ":", "x", "\x00", "\xff"])
WIDTHS = st.integers(1, 18).flatmap(lambda width: st.integers(0, 10**width - 1))


@given(st.lists(st.tuples(WIDTHS, AFTER), min_size=1))
def test_integers_equal_int(written: list[tuple[int, str]]) -> None:
    pieces = [f"{value}{after}" for value, after in written]
    at = np.cumsum([0, *map(len, pieces[:-1])])
    read = integers(as_text("".join(pieces).encode("latin-1") + PADDING), at)
    for (value, _), start, found, end, valid in zip(
        written, at.tolist(), read.values.tolist(), read.ends.tolist(), read.valid.tolist(), strict=True
    ):
        assert valid == (len(str(value)) < 16)
        if valid:
            assert (found, end) == (value, start + len(str(value)))


@given(st.text(st.characters(max_codepoint=255, exclude_characters="0123456789"), max_size=20))
def test_what_starts_with_no_digit_is_no_integer(text: str) -> None:
    read = integers(as_text(text.encode("latin-1") + PADDING), np.zeros(1, np.int64))
    assert not read.valid[0]


@given(
    st.lists(
        st.tuples(WIDTHS, st.integers(0, 6).flatmap(lambda n: st.text("0123456789", min_size=n, max_size=n)))
    )
)
def test_thousandths_equal_decimal_where_they_are_valid(written: list[tuple[int, str]]) -> None:
    texts = [f"{whole}.{decimals}" if decimals else str(whole) for whole, decimals in written]
    at = np.cumsum([0, *(len(text) + 1 for text in texts[:-1])]).astype(np.int64)[: len(texts)]
    read = thousandths(as_text(("".join(text + "," for text in texts)).encode() + PADDING), at)
    for text, start, found, end, valid in zip(
        texts, at.tolist(), read.values.tolist(), read.ends.tolist(), read.valid.tolist(), strict=True
    ):
        whole, _, decimals = text.partition(".")
        assert valid == (len(whole) < 16 and len(decimals) < 4)
        if valid:
            assert (found, end) == (Decimal(text) * 1000, start + len(text))
