"""What a copy notes about the trace that it is a part of, and what is made of such notes."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from sdtrace.analysis.study import study_trace
from sdtrace.breakdowns.rules import load_rules
from sdtrace.export.part import Selection
from sdtrace.export.slim import write_slim
from sdtrace.phases.phases import wall
from sdtrace.trace import load_trace
from sdtrace.trace.part_of import KEY
from tests.export.test_slim import EAGER, SECOND, STACK
from tests.loaded import study_of


def test_a_copy_of_a_part_keeps_what_was_noted(tmp_path: Path) -> None:
    part, copied = tmp_path / "part.json", tmp_path / "copied.json"
    write_slim(EAGER, part, SECOND)
    write_slim(part, copied, drop_python=True)
    assert load_trace(copied).part_of == load_trace(part).part_of
    inner = tmp_path / "inner.json"
    write_slim(part, inner, Selection(from_ns=0, to_ns=10**6))
    assert load_trace(inner).part_of is None


def test_a_part_without_python_lasts_as_long_as_with_it(tmp_path: Path) -> None:
    walls = []
    for drop_python in (False, True):
        target = tmp_path / f"{drop_python}.json"
        write_slim(STACK, target, Selection(from_ns=10**6), drop_python=drop_python)
        walls.append(wall(load_trace(target)))
    assert walls[0] == walls[1]


def test_names_of_iterations_are_anonymous(tmp_path: Path) -> None:
    trace = json.loads(EAGER.read_bytes())
    for event in trace["traceEvents"]:
        if event["name"] == "model_inference":
            event["name"] = "astronaut on a horse"
    source, part, target = (tmp_path / f"{name}.json" for name in ("source", "part", "target"))
    source.write_text(json.dumps(trace))
    write_slim(source, part, SECOND)
    for before in (source, part):
        write_slim(before, target, SECOND if before == source else Selection(), anonymize=True, force=True)
        assert b"astronaut" not in target.read_bytes()
        copied = studied_anew(target)
        assert copied.structure.iterations.name[0] in copied.trace.names
        assert [row.gpu_ns for row in copied.iterations] == [study_of(EAGER).iterations[1].gpu_ns]


def studied_anew(path: Path) -> Any:
    return study_trace(load_trace(path), load_rules(None))


ITERATION = {"name": "image", "start_ns": 0, "end_ns": 1, "is_whole": True, "confidence": "certain"}


@pytest.mark.parametrize(
    "note",
    [
        "words",
        [],
        {"start_ns": 5},
        {"start_ns": "soon", "end_ns": 7},
        {"start_ns": 7_000, "end_ns": 5_000},
        {"start_ns": 0, "end_ns": 1 << 55},
        {"start_ns": 0, "end_ns": 1 << 80},
        {"start_ns": 0, "end_ns": 9_000, "iterations": [ITERATION | {"end_ns": 9_001}]},
        {"start_ns": 0, "end_ns": 9_000, "iterations": [ITERATION | {"end_ns": 5}, ITERATION]},
        {"start_ns": 0, "end_ns": 9_000, "iterations": [ITERATION | {"confidence": "sworn"}]},
    ],
)
def test_a_note_that_cannot_be_is_none(note: Any, tmp_path: Path) -> None:
    path = tmp_path / "trace.json"
    event = {"ph": "X", "cat": "cpu_op", "name": "aten::mm", "pid": 1, "tid": 1, "ts": 1, "dur": 8}
    path.write_text(json.dumps({KEY: note, "traceEvents": [event]}))
    trace = load_trace(path)
    assert trace.part_of is None
    assert wall(trace) == (0, 8_000)
