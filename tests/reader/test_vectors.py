"""The vectorised parts against the obvious way: int, Decimal, a dictionary, and json."""

from __future__ import annotations

from decimal import Decimal

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sdtrace.reader import rows
from sdtrace.reader.words import _ROWS, PADDING, Int64s, integers

AFTER = st.sampled_from([",", "\n", " ", "}", ".", "e", "-", "/", ":", "x", "7", "\x00", "\xff"])
DIGITS = st.text("0123456789", min_size=1, max_size=15)


def offsets(pieces: list[str]) -> Int64s:
    return np.cumsum([0, *map(len, pieces)])[:-1]


def read_one(text: str, starts: Int64s, digits: list[int], decimals: list[int], unit: int) -> list[int]:
    """The number at the start of each event, all of forms of their own."""
    n = len(starts)
    places = np.stack((np.zeros(n, np.int64), np.array(digits), np.array(decimals), np.full(n, unit)), axis=1)
    values = integers(text.encode("latin-1") + PADDING, starts, np.arange(n), places[:, np.newaxis])
    numbers: list[int] = values[0].tolist()
    return numbers


@given(st.lists(st.tuples(DIGITS, AFTER), min_size=1), st.sampled_from([1, -1]))
def test_integers_equal_int(written: list[tuple[str, str]], sign: int) -> None:
    pieces = [digits + after for digits, after in written]
    widths = [len(digits) for digits, _ in written]
    read = read_one("".join(pieces), offsets(pieces), widths, [0] * len(pieces), sign)
    assert read == [sign * int(digits) for digits, _ in written]


@given(st.lists(st.tuples(DIGITS, st.text("0123456789", max_size=3), AFTER), min_size=1))
def test_thousandths_equal_decimal(written: list[tuple[str, str, str]]) -> None:
    pieces = [whole + ("." + decimals if decimals else "") + after for whole, decimals, after in written]
    whole, decimals = ([len(parts[n]) for parts in written] for n in (0, 1))
    expected = [Decimal(f"{whole}.{decimals or 0}") * 1000 for whole, decimals, _ in written]
    assert read_one("".join(pieces), offsets(pieces), whole, decimals, 1000) == expected


@pytest.mark.parametrize("events", [1, _ROWS - 1, _ROWS + 1, 3 * _ROWS])
def test_many_events_are_read_in_stretches(events: int) -> None:
    numbers = [10**9 + n for n in range(events)]
    text = ",".join(map(str, numbers))
    assert read_one(text, np.arange(events) * 11, [10] * events, [0] * events, 1) == numbers


def test_no_digits_are_zero() -> None:
    assert read_one("123", np.zeros(1, np.int64), [0], [0], 1) == [0]


def test_rows_stay_apart_where_their_hashes_are_equal(monkeypatch: pytest.MonkeyPatch) -> None:
    columns = np.array([[1, 2, 3], [1, 2, 4], [0, 2, 3], [1, 2, 3]])
    for weights in (rows._WEIGHTS, np.zeros(3, np.uint64)):
        monkeypatch.setattr(rows, "_WEIGHTS", weights)
        firsts, index = rows._distinct(columns)
        assert sorted(firsts.tolist()) == [0, 1, 2]
        assert columns[firsts][index].tolist() == columns.tolist()
