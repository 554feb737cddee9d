"""The vectorised parts against the obvious way: int and comparing rows."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sdtrace.reader import rows
from sdtrace.reader.words import _ROWS, PADDING, Int64s, integers

AFTER = st.sampled_from([",", "\n", " ", "}", ".", "e", "-", "/", ":", "x", "7", "\x00", "\xff"])
DIGITS = st.text("0123456789", min_size=1, max_size=16)


def offsets(pieces: list[str]) -> Int64s:
    return np.cumsum([0, *map(len, pieces)])[:-1]


def read_each(text: str, starts: Int64s, digits: list[int]) -> list[int]:
    """The number at the start of each event, all of forms of their own."""
    places = np.stack((np.zeros(len(starts), np.int64), np.array(digits)), axis=1)
    values = integers(text.encode("latin-1") + PADDING, starts, np.arange(len(starts)), places[:, np.newaxis])
    numbers: list[int] = values[0].tolist()
    return numbers


@given(st.lists(st.tuples(DIGITS, AFTER), min_size=1))
def test_integers_equal_int(written: list[tuple[str, str]]) -> None:
    pieces = [digits + after for digits, after in written]
    widths = [len(digits) for digits, _ in written]
    assert read_each("".join(pieces), offsets(pieces), widths) == [int(digits) for digits, _ in written]


@pytest.mark.parametrize("events", [1, _ROWS - 1, _ROWS + 1, 3 * _ROWS])
def test_many_events_are_read_in_stretches(events: int) -> None:
    numbers = [10**9 + n for n in range(events)]
    text = ",".join(map(str, numbers))
    assert read_each(text, np.arange(events) * 11, [10] * events) == numbers


def test_no_digits_are_zero() -> None:
    assert read_each("123", np.zeros(1, np.int64), [0]) == [0]


def test_rows_stay_apart_where_their_hashes_are_equal(monkeypatch: pytest.MonkeyPatch) -> None:
    columns = np.array([[1, 2, 3], [1, 2, 4], [0, 2, 3], [1, 2, 3]])
    for weights in (rows._WEIGHTS, np.zeros(3, np.uint64)):
        monkeypatch.setattr(rows, "_WEIGHTS", weights)
        firsts, index = rows._distinct(columns)
        assert sorted(firsts.tolist()) == [0, 1, 2]
        assert columns[firsts][index].tolist() == columns.tolist()
