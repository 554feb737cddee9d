"""Vectorised trees against one event at a time."""

from __future__ import annotations

import random
from collections.abc import Callable
from unittest.mock import patch

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sdtrace.attribution import nesting
from sdtrace.attribution.duplicate_nodes import find_duplicates, innermost_of
from sdtrace.attribution.host import sum_by
from sdtrace.attribution.nesting import (
    depths,
    first_outside,
    in_nesting_order,
    latest_end,
    parents,
    previous_at_least,
    subtree_sums,
)

ROUNDS = (0, 64)
"""Steps after which deep trees are walked in another way."""
Span = tuple[int, int, int]
"""Thread, start and duration."""
spans = st.lists(st.tuples(st.integers(0, 2), st.integers(0, 12), st.integers(0, 8)), max_size=40)
long_spans = st.lists(
    st.tuples(st.integers(0, 5000), st.integers(0, (1 << 50) - 1), st.integers(0, (1 << 50) - 1)), max_size=20
)


def columns(written: list[Span]) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    table = np.array(written, np.int64).reshape(-1, 3).T
    return table[0].astype(np.int32), table[1], table[2]


def parents_one_by_one(written: list[Span]) -> list[int]:
    """As torch walks them: pop while the event starts at or after the top's end, or ends after it."""
    result = [-1] * len(written)
    stack: list[int] = []
    for index in sorted(range(len(written)), key=lambda i: (written[i][0], written[i][1], -written[i][2])):
        thread, start, duration = written[index]
        while stack:
            top_thread, top_start, top_duration = written[stack[-1]]
            end = top_start + top_duration
            if thread == top_thread and start < end and start + duration <= end:
                result[index] = stack[-1]
                break
            stack.pop()
        stack.append(index)
    return result


def random_parents(choices: list[int]) -> np.ndarray:
    """A forest: each event's parent is an earlier one or none."""
    return np.array([choice % (index + 1) - 1 for index, choice in enumerate(choices)], np.int64)


@given(st.one_of(spans, long_spans))
def test_parents_equal_the_stack_walk(written: list[Span]) -> None:
    assert parents(*columns(written)).tolist() == parents_one_by_one(written)


@given(st.one_of(spans, long_spans))
def test_nesting_order_is_by_thread_start_and_longest_first_and_stable(written: list[Span]) -> None:
    expected = sorted(range(len(written)), key=lambda i: (written[i][0], written[i][1], -written[i][2]))
    assert in_nesting_order(*columns(written)).tolist() == expected


def test_more_threads_than_fit_into_a_packed_key() -> None:
    written = [(thread, start, 10 - 2 * start) for start in (1, 0) for thread in range(20_000)]
    assert parents(*columns(written)).tolist() == [*range(20_000, 40_000), *[-1] * 20_000]


@given(st.lists(st.tuples(st.integers(0, 9), st.booleans())))
def test_previous_at_least_equals_a_backward_search(written: list[tuple[int, bool]]) -> None:
    values = np.array([value for value, _ in written], np.int64)
    wanted = values + np.array([more for _, more in written], np.int64)
    expected = [
        next((j for j in range(i - 1, -1, -1) if values[j] >= wanted[i]), -1) for i in range(len(written))
    ]
    for rounds in ROUNDS:
        with patch.object(nesting, "_MAX_ROUNDS", rounds):
            assert previous_at_least(values, wanted).tolist() == expected


@given(st.lists(st.integers(0, 100)), st.randoms())
def test_depths_and_subtree_sums_equal_a_walk_up(choices: list[int], rng: random.Random) -> None:
    parent = random_parents(choices)
    values = np.array([rng.randint(-(2**60), 2**60) // max(1, len(choices)) for _ in choices], np.int64)
    depth, total = [0] * len(choices), values.tolist()
    for index, value in enumerate(values.tolist()):
        above = parent[index]
        while above >= 0:
            depth[index] += 1
            total[above] += value
            above = parent[above]
    assert depths(parent).tolist() == depth
    for rounds in ROUNDS:
        with patch.object(nesting, "_MAX_ROUNDS", rounds):
            assert subtree_sums(parent, values).tolist() == total


@given(st.lists(st.tuples(st.integers(0, 100), st.booleans())))
def test_the_first_outside_is_found_by_walking_up(written: list[tuple[int, bool]]) -> None:
    parent = random_parents([choice for choice, _ in written])
    skipped = np.array([skip for _, skip in written], np.bool_)
    expected = []
    for event in range(-1, len(written)):
        while event >= 0 and skipped[event]:
            event = int(parent[event])  # noqa: PLW2901  (the walk)
        expected.append(event)
    for rounds in ROUNDS:
        with patch.object(nesting, "_MAX_ROUNDS", rounds):
            assert first_outside(parent, skipped, np.arange(-1, len(written))).tolist() == expected


@given(st.lists(st.tuples(st.integers(0, 2), st.integers(0, 9))))
def test_the_latest_end_is_that_of_the_group_so_far(written: list[tuple[int, int]]) -> None:
    ordered = sorted(written, key=lambda event: event[0])
    expected = [
        max(end for group, end in ordered[: place + 1] if group == own)
        for place, (own, _) in enumerate(ordered)
    ]
    groups, ends = np.array(ordered, np.int64).reshape(-1, 2).T
    assert latest_end(groups, ends).tolist() == expected


@given(st.lists(st.tuples(st.integers(0, 60), st.integers(0, 1))))
def test_folding_equals_torchs_repeated_removal(written: list[tuple[int, int]]) -> None:
    """`EventList._remove_dup_nodes`: an only child with its parent's name goes, until none is left."""
    parent = random_parents([choice for choice, _ in written])
    names = [name for _, name in written]
    above = parent.tolist()
    children = {index: [i for i, p in enumerate(above) if p == index] for index in range(len(written))}
    kernels, gone = list(range(len(written))), set()
    while True:
        doomed = [
            i
            for i, p in enumerate(above)
            if i not in gone and p >= 0 and names[p] == names[i] and len(children[p]) == 1
        ]
        if not doomed:
            break
        for index in doomed:
            p = above[index]
            children[p], kernels[p] = children[index], kernels[index]
            for child in children[index]:
                above[child] = p
            gone.add(index)
    is_duplicate = find_duplicates(parent, np.array(names, np.int32))
    innermost = innermost_of(parent, is_duplicate)
    assert set(np.flatnonzero(is_duplicate).tolist()) == gone
    kept = [index for index in range(len(written)) if index not in gone]
    assert [int(innermost[index]) for index in kept] == [kernels[index] for index in kept]
    assert first_outside(parent, is_duplicate, parent)[kept].tolist() == [above[index] for index in kept]


@given(st.lists(st.tuples(st.integers(-1, 4), st.integers(-(2**59), 2**59)), max_size=8))
def test_sums_are_exact_however_large(written: list[tuple[int, int]]) -> None:
    index, values = np.array(written, np.int64).reshape(-1, 2).T
    expected = [sum(value for place, value in written if place == wanted) for wanted in range(5)]
    assert sum_by(index, values, 5).tolist() == expected


@pytest.mark.parametrize("function", [parents, in_nesting_order])
def test_nothing_gives_nothing(function: Callable[..., np.ndarray]) -> None:
    assert function(*columns([])).tolist() == []
