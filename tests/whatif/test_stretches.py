"""Calls run at once, by arrays, against the same calls run one by one."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sdtrace.attribution.nesting import Int64s
from sdtrace.intervals import Bools
from sdtrace.whatif import replay as one_by_one
from sdtrace.whatif import stretches
from sdtrace.whatif.plan import Calls, Pieces, Plan

times = st.integers(0, 30_000)
seldom = st.sampled_from([False] * 9 + [True])


@st.composite
def plans(draw: st.DrawFn) -> Plan:
    """Some calls with none to three pieces each, mostly of one stream; few wait for anything."""
    count = draw(st.integers(1, 40))
    each = draw(st.lists(st.sampled_from([0, 1, 1, 1, 1, 2, 3]), min_size=count, max_size=count))
    call = np.repeat(np.arange(count), each)
    pieces = len(call)

    def numbers(values: st.SearchStrategy[int], size: int) -> Int64s:
        return np.array(draw(st.lists(values, min_size=size, max_size=size)), np.int64)

    def flags(size: int) -> Bools:
        return np.array(draw(st.lists(seldom, min_size=size, max_size=size)), np.bool_)

    none = np.zeros(count, np.int64)
    calls = Calls(
        numbers(times, count),
        numbers(times, count),
        none,
        none,
        none,
        is_graph=flags(count),
        waits=flags(count),
        event=np.arange(count),
    )
    after = np.where(flags(pieces), np.arange(pieces) - 1, -1)
    work = Pieces(
        call,
        flags(pieces).astype(np.int64),
        numbers(st.sampled_from([0, 5_000, 40_000, 90_000]), pieces),
        numbers(st.sampled_from([0, 0, 0, 7_000]), pieces),
        numbers(st.sampled_from([0, 0, 0, 9_000]), pieces),
        after,
        within=flags(pieces),
        blocks=flags(pieces),
        is_kernel=flags(pieces),
        work=np.arange(pieces),
    )
    return Plan(calls, work, draw(times), 0, 0)


@given(plans(), st.sampled_from([2, 5, 1_022]))
def test_at_once_or_one_by_one_the_wall_is_the_same(plan: Plan, queue: int) -> None:
    with pytest.MonkeyPatch.context() as patch:
        for module in (stretches, one_by_one):
            patch.setattr(module, "QUEUE", queue)
        patch.setattr(stretches, "_SHORTEST", 1_000)
        each = one_by_one.replay(plan)
        patch.setattr(stretches, "_SHORTEST", 2)
        assert one_by_one.replay(plan) == each


def test_most_of_a_plan_without_waits_is_run_at_once() -> None:
    count = 200
    nothing = np.zeros(count, np.int64)
    never = np.zeros(count, np.bool_)
    waits = np.arange(count) == 99
    calls = Calls(nothing, nothing, nothing, nothing, nothing, never, waits, np.arange(count))
    work = Pieces(
        np.arange(count),
        nothing,
        nothing + 1,
        nothing,
        nothing,
        nothing - 1,
        never,
        never,
        never,
        np.arange(count),
    )
    table = one_by_one.timetable(Plan(calls, work, 0, 0, 0))
    assert list(stretches.cut(table)) == [(0, 99, True), (99, 100, False), (100, 200, True)]
