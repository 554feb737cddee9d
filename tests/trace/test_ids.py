"""Looking up ids, against a search through all of them."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from sdtrace.trace.ids import Ids, find_ids

Given = tuple[int, int, int]
"""Id, process and time."""
held = st.lists(st.tuples(st.integers(0, 5), st.integers(0, 2), st.integers(0, 9)))
wanted = st.lists(st.tuples(st.integers(0, 6), st.integers(-1, 3), st.integers(0, 9)))


def ids_of(written: list[Given]) -> Ids:
    number, process, time_ns = np.array(written, np.int64).reshape(-1, 3).T
    return Ids(number, process.astype(np.int32), time_ns)


def found_by_search(among: list[Given], one: Given) -> int:
    number, process, time_ns = one
    fitting = [
        (other[2], place)
        for place, other in enumerate(among)
        if other[0] == number and process in (-1, other[1])
    ]
    before = [entry for entry in fitting if entry[0] <= time_ns]
    if before:
        return max(before)[1]
    return min(fitting)[1] if fitting else -1


@given(held, wanted)
def test_an_id_is_found_in_its_process_and_near_in_time(among: list[Given], asked: list[Given]) -> None:
    found = find_ids(ids_of(among), ids_of(asked)).tolist()
    assert len(found) == len(asked)
    for place, one in zip(found, asked, strict=True):
        expected = found_by_search(among, one)
        assert (place < 0) == (expected < 0)
        assert place < 0 or among[place][0] == one[0]
        assert place < 0 or among[place][2] == among[expected][2]
        assert place < 0 or one[1] in (-1, among[place][1])
