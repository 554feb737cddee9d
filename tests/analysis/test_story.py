"""The story of a comparison: its parts sum to what it tells, and its sentences say what the figures say."""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path
from typing import Any

import pytest

import sdtrace
from sdtrace.analysis import Options, analyze, build_report
from sdtrace.analysis.regression import Difference
from sdtrace.analysis.story import side_of
from sdtrace.api import Analysis
from sdtrace.report.side_by_side import standings
from sdtrace.report.story import waterfall_rows
from tests.cli.command import COLD, EAGER, GRAPHS
from tests.loaded import analysis_of
from tests.shared import shared_trace
from tests.written import images

TIMES = "\u00d7"
EAGER_SD, COMPILED_SD, GRAPHS_SD = (
    "fp32_eager.json.gz",
    "bf16_sdpa.warm.json.gz",
    "bf16_sdpa_graphs.warm.json.gz",
)
PAIRS = [(EAGER, GRAPHS), (COLD, GRAPHS), (GRAPHS, EAGER), (COMPILED_SD, GRAPHS_SD), (EAGER_SD, COMPILED_SD)]


def _loaded(name: str | Path) -> Analysis:
    return analysis_of(name if isinstance(name, Path) else shared_trace(f"reference/{name}"))


@cache
def _found(base: str | Path, other: str | Path) -> Difference:
    told = sdtrace.compare(_loaded(base), _loaded(other), allow_different_work=True)
    return told.differences[0]


@pytest.fixture(params=PAIRS, ids=lambda pair: f"{Path(pair[0]).name} {Path(pair[1]).name}")
def pair(request: pytest.FixtureRequest) -> tuple[str | Path, str | Path]:
    found: tuple[str | Path, str | Path] = request.param
    return found


def _ns(us: float) -> int:
    return round(us * 1000)


def test_the_waterfall_sums_to_the_difference_to_the_nanosecond(pair: tuple[str | Path, str | Path]) -> None:
    told = _found(*pair).story
    assert told is not None
    assert told.base_us is not None
    assert told.other_us is not None
    assert len(told.waterfall) > 4
    for step in told.waterfall:
        assert _ns(step.change_us) == _ns(step.other_us) - _ns(step.base_us)
    assert sum(_ns(step.base_us) for step in told.waterfall) == _ns(told.base_us)
    assert sum(_ns(step.other_us) for step in told.waterfall) == _ns(told.other_us)


def test_what_people_see_of_the_waterfall_sums_as_well(pair: tuple[str | Path, str | Path]) -> None:
    told = _found(*pair).story
    assert told is not None
    *rows, total = waterfall_rows(told)
    assert len(rows) <= 11
    assert sum(row.change_us for row in rows) == pytest.approx(total.change_us, abs=0.01)
    assert sum(row.base_us for row in rows) == pytest.approx(told.base_us, abs=0.01)
    assert total.other_us == told.other_us
    at = told.base_us
    for row in rows:
        assert row.from_us == pytest.approx(at, abs=0.01)
        at = row.from_us + row.change_us


def test_device_work_of_the_waterfall_is_that_of_the_trace() -> None:
    """Of a trace that is steady from end to end, from the file's own events."""
    events = json.loads(GRAPHS.read_text())["traceEvents"]
    work_us = sum(e["dur"] for e in events if e.get("cat") in {"kernel", "gpu_memcpy", "gpu_memset"})
    told = _found(EAGER, GRAPHS).story
    assert told is not None
    found_us = sum(step.other_us for step in told.waterfall if step.sort == "work")
    assert found_us == pytest.approx(work_us / 2, rel=0.001)


def test_matched_work_is_all_steady_work_counted_once(pair: tuple[str | Path, str | Path]) -> None:
    found = _found(*pair)
    for side, name in enumerate(pair):
        part = _loaded(name).at(phase="steady").report
        assert part.steady is not None
        us = sum(row.total_us for row in part.kernels) / part.steady.iterations
        mine = sum(match.other_us if side else match.base_us for match in found.matches)
        assert mine == pytest.approx(us, abs=0.01)


def test_products_of_eager_and_compiled_code_are_matched_by_their_size() -> None:
    """fp32 eager against bf16 compiled: every convolution and product of the UNet has its partner."""
    found = _found(EAGER_SD, COMPILED_SD)
    sized = [match for match in found.matches if match.by != "component"]
    assert {match.component for match in sized} >= {"unet", "vae"}
    assert any("convolution" in match.base_work for match in sized)
    whole = sum(match.base_us for match in found.matches if match.component == "unet")
    assert sum(match.base_us for match in sized if match.component == "unet") > whole / 3


def test_the_same_trace_twice_has_no_change() -> None:
    found = _found(EAGER, EAGER)
    assert found.story is not None
    assert found.story.factor == 1
    assert {match.change_us for match in found.matches} == {0}
    assert {step.change_us for step in found.story.waterfall} == {0}
    assert found.story.work.startswith("Both did the same work (model tiny, height 64")
    assert "it may be chance" in found.story.speed


def test_other_work_is_said_first() -> None:
    told = _found(EAGER, GRAPHS).story
    assert told is not None
    assert not told.same_work
    assert told.work == "They did different work: steps 2, not 1. Their times say little about each other."


def _traced(path: Path, walls_ms: list[int], compile_ms: int = 0, **run: object) -> Path:
    facts = {"sdtrace": {"schema": "sdtrace.run/1", **run}}
    path.write_text(json.dumps({**facts, "traceEvents": images(walls_ms, compile_ms)}), encoding="utf-8")
    return path


def _told(base: Path, other: Path) -> Any:
    return sdtrace.compare(base, other).differences[0].story


def test_speed_is_told_with_its_spread_and_when_it_pays_off(tmp_path: Path) -> None:
    eager = _traced(tmp_path / "eager.json", [100, 90, 110, 100])
    fast = _traced(tmp_path / "fast.json", [1040, 40, 38, 44], compile_ms=1000)
    told = _told(eager, fast)
    assert (told.factor, told.factor_low, told.factor_high) == (2.5, 90 / 44, 110 / 38)
    assert told.speed == (
        f"`fast` is 2.50{TIMES} as fast as `eager` (100 ms → 40.0 ms per iteration, with the profiler, "
        f"which slows the CPU). By the spread of 4 and 3 iterations it is 2.05{TIMES} to 2.89{TIMES}."
    )
    assert told.pays_off == (
        "It pays off after 17 iterations: 1.00 s more one-time cost, 60.0 ms saved per iteration."
    )
    assert _told(fast, eager).pays_off == "It never pays off: it is not faster."
    near = _traced(tmp_path / "near.json", [95, 105, 95, 95])
    chance = _told(eager, near)
    assert "The spread of 4 and 4 iterations is larger than the difference" in chance.speed
    assert chance.pays_off.startswith("If the difference is real, it pays off at once: it saves 5.00 ms per")


def test_one_image_does_not_tell_how_sure_it_is(tmp_path: Path) -> None:
    one = _traced(tmp_path / "one.json", [80])
    two = _traced(tmp_path / "two.json", [100, 100])
    assert "there is only one iteration on a side" in _told(two, one).speed


def test_half_precision_on_a_cpu_is_explained(tmp_path: Path) -> None:
    float32 = _traced(tmp_path / "a.json", [100, 100, 100], axes={"dtype": "fp32"})
    bfloat16 = _traced(tmp_path / "b.json", [300, 300, 300], axes={"dtype": "bf16"})
    told = _told(float32, bfloat16)
    assert "`b` is slower because it runs bf16 on the CPU" in told.advice
    assert "`b` is slower because" in _told(bfloat16, float32).advice
    fast = _traced(tmp_path / "c.json", [50, 50, 50], axes={"dtype": "bf16"})
    assert _told(float32, fast).advice == ""


def test_traces_are_grouped_by_work_and_device_before_a_baseline_is_chosen(tmp_path: Path) -> None:
    walls = {"a": [100] * 3, "b": [50] * 3, "c": [300] * 3, "d": [100] * 3, "e": [10] * 3}
    runs = {"a": 50, "b": 50, "c": 20, "d": 20, "e": 7}
    paths = [_traced(tmp_path / f"{name}.json", walls[name], steps=steps) for name, steps in runs.items()]
    reports = [analyze(path, Options.of()) for path in paths]
    sides = [side_of(sdtrace.load(path).study) for path in paths]
    report = build_report(reports, None, (), sides)
    groups = {each.baseline: [row.name for row in each.rows] for each in report.comparisons}
    assert groups == {"a": ["b"], "c": ["d"]}
    assert report.comparison == report.comparisons[0]
    rows = {row.trace.name: row for row in standings(report)}
    assert [rows[name].speedup for name in "abcd"] == [1, 2, 1, 3]
    assert rows["e"].told == "Not compared with `a`: steps 7, not 50."
    chosen = build_report(reports, "d", (), sides)
    assert [each.baseline for each in chosen.comparisons] == ["a", "d"]
    assert chosen.comparison is not None
    assert chosen.comparison.baseline == "d"
