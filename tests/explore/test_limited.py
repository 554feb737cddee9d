"""Sums by cell give the tables of any part, as `Analysis.at` computes them for that part alone."""

from __future__ import annotations

import pytest

from sdtrace.analysis.part import Part
from sdtrace.analysis.trace_report import op_record
from sdtrace.explore.limited import known_tables, limited
from tests.explore import parts
from tests.explore.parts import EAGER, GRAPHS, REGIONAL, STACK, TABLES, fields, rows

NAMES = pytest.mark.parametrize("name", [EAGER, REGIONAL, GRAPHS, STACK])


def _same(name: str, part: Part) -> None:
    whole = parts.analysis(name).report
    mine, theirs = limited(whole, parts.explored(name), part), parts.at(name, part)
    for table in TABLES:
        ours, at = rows(mine, table), rows(theirs, table)
        assert ours.keys() == at.keys(), (part, table)
        for key, row in ours.items():
            assert fields(row) == fields(at[key]), (part, table, key)


@NAMES
def test_a_phase_component_iteration_or_step_has_the_tables_of_the_part(name: str) -> None:
    given = parts.single_parts(name)
    assert len(given) > 6
    for part in given:
        _same(name, part)


@pytest.mark.parametrize("name", [REGIONAL, GRAPHS])
def test_what_several_choices_have_in_common_has_the_tables_of_the_part(name: str) -> None:
    for part in parts.crossed_parts(name):
        _same(name, part)


@NAMES
def test_without_a_choice_the_tables_are_those_of_the_whole_run(name: str) -> None:
    _same(name, Part())
    known, report = known_tables(parts.explored(name)), parts.analysis(name).report
    assert known is not None
    assert [op_record(row) for row in known.ops] == report.ops
    assert known.kernels == report.kernels
    assert known.categories == report.categories
    assert known.ops_by_shape == report.ops_by_shape


@NAMES
def test_busy_time_and_launches_follow_too(name: str) -> None:
    found = parts.explored(name)
    assert found.busy is not None
    whole = parts.analysis(name).report.gpu
    over = sum(ns for _, ns in found.busy.over)
    assert (int(found.busy.ns.sum()) + over) / 1000 == pytest.approx(whole.busy_us)
    assert int(found.launches.times.sum()) + sum(n for *_, n in found.launches.over) == whole.launches
