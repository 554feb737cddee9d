from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from sdtrace.intervals import Intervals, total, union
from sdtrace.phases.timeline import PHASES, build_timeline

Spans = list[tuple[int, int]]
sets = st.lists(st.tuples(st.integers(-5, 40), st.integers(-5, 40)), max_size=5)
claims = st.lists(sets, min_size=len(PHASES) - 1, max_size=len(PHASES) - 1)


def made(spans: Spans) -> Intervals:
    pairs = np.array(spans, np.int64).reshape(-1, 2)
    return union(pairs[:, 0], pairs[:, 1])


@given(claims=claims, start=st.integers(0, 20), length=st.integers(1, 20))
def test_every_instant_belongs_to_the_first_claim_that_holds_it(
    claims: list[Spans], start: int, length: int
) -> None:
    timeline = build_timeline(start, start + length, [made(claim) for claim in claims])
    assert timeline.edges[0] == start
    assert timeline.edges[-1] == start + length
    assert np.all(np.diff(timeline.edges) > 0)
    assert len(timeline.code) == len(timeline.edges) - 1
    instants = np.arange(start, start + length)
    expected = [
        next((i for i, claim in enumerate(claims) if any(a <= t < b for a, b in claim)), len(PHASES) - 1)
        for t in instants.tolist()
    ]
    assert timeline.at(instants).tolist() == expected
    totals = timeline.totals()
    assert list(totals.values()) == [expected.count(code) for code in range(len(PHASES))]
    assert totals == {phase: total(timeline.of(phase)) for phase in PHASES}


@given(claims=claims, at=st.integers(0, 30), length=st.integers(0, 10))
def test_totals_within_a_span_count_that_span(claims: list[Spans], at: int, length: int) -> None:
    timeline = build_timeline(0, 40, [made(claim) for claim in claims])
    inside = timeline.totals(np.array([at]), np.array([at + length]))
    codes = timeline.at(np.arange(at, at + length)).tolist()
    assert list(inside.values()) == [codes.count(code) for code in range(len(PHASES))]


def test_instants_outside_count_for_the_nearest_segment() -> None:
    nobody: list[Spans] = [[] for _ in PHASES[1:]]
    timeline = build_timeline(10, 20, [made([(0, 12)]), *map(made, nobody[1:])])
    assert timeline.at(np.array([-100, 11, 12, 999])).tolist() == [0, 0, 5, 5]


def test_a_trace_of_no_length_has_a_timeline() -> None:
    timeline = build_timeline(7, 7, [made([]) for _ in PHASES[1:]])
    assert timeline.totals()["steady"] == 1
