"""Interval algebra against sets of instants."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from sdtrace.intervals import (
    Intervals,
    contains,
    covered,
    highest_over,
    intersect,
    join,
    nothing,
    subtract,
    total,
    union,
)

Spans = list[tuple[int, int]]
spans = st.lists(st.tuples(st.integers(-5, 40), st.integers(-5, 40)), max_size=12)


def made(given_spans: Spans) -> Intervals:
    pairs = np.array(given_spans, np.int64).reshape(-1, 2)
    return union(pairs[:, 0], pairs[:, 1])


def instants(given_spans: Spans) -> set[int]:
    return {instant for start, end in given_spans for instant in range(start, end)}


def held(intervals: Intervals) -> set[int]:
    return instants(list(zip(intervals.start.tolist(), intervals.end.tolist(), strict=True)))


@given(spans)
def test_a_union_holds_the_same_instants_in_the_fewest_intervals(a: Spans) -> None:
    found = made(a)
    assert held(found) == instants(a)
    assert total(found) == len(instants(a))
    assert np.all(found.end > found.start)
    assert np.all(found.start[1:] > found.end[:-1])
    assert found.start.dtype == found.end.dtype == np.int64


@given(spans, spans)
def test_sets_combine_as_sets_of_instants_do(a: Spans, b: Spans) -> None:
    one, other = made(a), made(b)
    assert held(intersect(one, other)) == instants(a) & instants(b)
    assert held(subtract(one, other)) == instants(a) - instants(b)
    assert held(join(one, other)) == instants(a) | instants(b)
    for result in (intersect(one, other), subtract(one, other), join(one, other)):
        assert np.all(result.start[1:] > result.end[:-1])


@given(spans, spans, st.lists(st.integers(-10, 50)))
def test_measures_agree_with_counting(a: Spans, b: Spans, points: list[int]) -> None:
    found = made(a)
    asked = contains(found, np.array(points, np.int64))
    assert asked.tolist() == [point in instants(a) for point in points]
    forward = [(start, end) for start, end in b if start <= end]
    pairs = np.array(forward, np.int64).reshape(-1, 2)
    measured = covered(found, pairs[:, 0], pairs[:, 1])
    assert measured.tolist() == [len(instants(a) & set(range(*span))) for span in forward]


def test_nothing_is_the_empty_set() -> None:
    some = made([(0, 3)])
    assert total(nothing()) == total(join()) == 0
    assert held(join(nothing(), some)) == held(subtract(some, nothing())) == {0, 1, 2}
    assert held(intersect(some, nothing())) == held(subtract(nothing(), some)) == set()


@given(st.lists(st.tuples(st.integers(0, 40), st.integers(0, 40), st.integers(0, 9)), max_size=30))
def test_the_highest_value_over_each_place(ranges: list[tuple[int, int, int]]) -> None:
    first, stop, value = np.array(ranges, np.int64).reshape(-1, 3).T
    expected = [max((v for a, b, v in ranges if a <= place < b), default=-1) for place in range(41)]
    assert highest_over(first, stop, value, 41).tolist() == expected
