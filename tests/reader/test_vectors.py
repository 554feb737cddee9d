"""The vectorised parts against the obvious way: int, Decimal, a dictionary, and json."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sdtrace.reader import chunk
from sdtrace.reader.numbers import PADDING, Int64s, as_text, integers, thousandths
from tests.reader.decoder import decode, read_text, rows_of

TRACE = Path(__file__).parents[2] / "traces" / "h200-bf16_sdpa_cudagraphs.json"
AFTER = st.sampled_from([",", "\n", " ", "}", ".", "e", "-", "/", ":", "x", "7", "\x00", "\xff"])
DIGITS = st.text("0123456789", min_size=1, max_size=15)


def offsets(pieces: list[str]) -> Int64s:
    return np.cumsum([0, *map(len, pieces)])[:-1]


@given(st.lists(st.tuples(DIGITS, AFTER), min_size=1))
def test_integers_equal_int(written: list[tuple[str, str]]) -> None:
    pieces = [digits + after for digits, after in written]
    text = as_text("".join(pieces).encode("latin-1") + PADDING)
    read = integers(text, offsets(pieces), np.array([len(digits) for digits, _ in written], np.int32))
    assert read.tolist() == [int(digits) for digits, _ in written]


@given(st.lists(st.tuples(DIGITS, st.text("0123456789", max_size=3), AFTER), min_size=1))
def test_thousandths_equal_decimal(written: list[tuple[str, str, str]]) -> None:
    pieces = [whole + ("." + decimals if decimals else "") + after for whole, decimals, after in written]
    text = as_text("".join(pieces).encode("latin-1") + PADDING)
    whole, decimals = (np.array([len(parts[n]) for parts in written], np.int32) for n in (0, 1))
    expected = [Decimal(f"{whole}.{decimals or 0}") * 1000 for whole, decimals, _ in written]
    assert thousandths(text, offsets(pieces), whole, decimals).tolist() == expected


def test_no_digits_are_zero() -> None:
    text = as_text(b"123" + PADDING)
    assert integers(text, np.zeros(1, np.int64), np.zeros(1, np.int32)).tolist() == [0]


def test_keys_stay_apart_where_their_hashes_are_equal(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(chunk, "_MIX", (np.uint64(0),) * 3)
    text = TRACE.read_text()
    assert rows_of(read_text(text, tmp_path)) == decode(text).rows
