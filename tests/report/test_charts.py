"""Lengths of bars, worked out by hand."""

from __future__ import annotations

import pytest
from msgspec.structs import replace

from sdtrace import model
from sdtrace.model import Component, Phase, TraceReport
from sdtrace.report.charts import bars, image_bar, phase_style, stack
from sdtrace.tables import HTML, TABLES, Filled, fill
from tests.report import sample

(ITERATIONS,) = (table for table in TABLES if table.id == "iterations")
(COMPONENTS,) = (table for table in TABLES if table.id == "components")


def phased(wall_us: float, **walls: float) -> TraceReport:
    """A trace of these phases by their wall times."""
    rows = [Phase(phase=name, wall_us=us, gpu_us=1.0, gpu_events=1) for name, us in walls.items()]
    return replace(sample.bare(), wall_us=wall_us, phases=rows)


def iterations(*walls_us: float) -> Filled:
    first = sample.cold().iterations[0]
    rows = [replace(first, wall_us=us, gpu_busy_us=us / 2) for us in walls_us]
    return fill(ITERATIONS, replace(sample.cold(), iterations=rows), HTML)


def test_phases_lie_side_by_side_and_fill_the_bar() -> None:
    segments = stack(phased(4_000, compile=3_000, steady=500))
    assert [(segment.style, segment.x, segment.width) for segment in segments] == [
        ("compile", 0.0, 75.0),
        ("steady", 75.0, 12.5),
        ("other", 87.5, 12.5),
    ]
    assert [segment.title for segment in segments] == [
        "compile 3.00 ms",
        "steady 500 µs",
        "outside every phase 500 µs",
    ]


def test_a_thin_phase_is_widened_so_that_it_can_be_seen() -> None:
    """0.1 % is drawn as 0.4, so that all together are 100.3: 0.4 of 100.3 is 0.399 %, 99.9 of it 99.601 %."""
    thin, rest = stack(phased(10_000, compile=10, steady=9_990))
    assert (thin.x, thin.width) == (0.0, 0.399)
    assert (rest.x, rest.width) == (0.399, 99.601)


def test_a_phase_that_took_no_wall_time_takes_no_room() -> None:
    assert [segment.width for segment in stack(phased(1_000, compile=0, steady=1_000))] == [0.0, 100.0]


@pytest.mark.parametrize(
    ("name", "style"),
    [("steady", "steady"), ("autotune host work", "autotune"), ("stall", "other"), ("sync", "other")],
)
def test_a_cause_has_the_colour_of_the_phase_it_names(name: str, style: str) -> None:
    assert phase_style(name) == style


def test_an_iteration_five_times_the_median_is_drawn_whole() -> None:
    shapes = bars(iterations(100, 100, 100, 500))
    assert [(shape.width, shape.part, shape.cut) for shape in shapes] == [
        *[(20.0, 10.0, False)] * 3,
        (100.0, 50.0, False),
    ]


def test_a_longer_one_is_cut_and_leaves_a_quarter_of_room_to_the_others() -> None:
    """The longest of the others is 200: the scale ends at 250."""
    shapes = bars(iterations(100, 200, 100, 501))
    assert [(shape.width, shape.part, shape.cut) for shape in shapes] == [
        (40.0, 20.0, False),
        (80.0, 40.0, False),
        (40.0, 20.0, False),
        (100.0, 100.0, True),
    ]


def test_of_two_iterations_in_the_middle_the_shorter_is_the_usual_one() -> None:
    assert [shape.cut for shape in bars(iterations(100, 100, 600, 600))] == [False, False, True, True]


def test_components_without_device_work_have_bars_of_host_time() -> None:
    rows = [replace(row, gpu_us=0.0, wall_us=wall) for row, wall in zip(_components(), (4, 1), strict=True)]
    filled = fill(COMPONENTS, replace(sample.cold(), components=rows), HTML)
    assert [shape.width for shape in bars(filled)] == [100.0, 25.0]
    one = [replace(rows[0], gpu_us=2.0), rows[1]]
    filled = fill(COMPONENTS, replace(sample.cold(), components=one), HTML)
    assert [shape.width for shape in bars(filled)] == [100.0, 0.0]


def _components() -> list[Component]:
    return sample.cold().components[:2]


def test_an_image_is_one_bar_of_work_and_idle_time() -> None:
    """100 ms: 60 idle, 35 and 5 of work; idle time and the two largest parts may have a label."""
    parts = [("UNet", 35e3), ("VAE", 5e3), ("GPU idle", 60e3)]
    verdict = model.Verdict(
        text="",
        confidence="certain",
        what=model.VerdictWhat(),
        parts=[model.VerdictPart(name=name, us=us, is_idle=name == "GPU idle") for name, us in parts],
    )
    bare = model.Unprofiled(source="estimated", low_us=90e3, mid_us=100e3, high_us=120e3)
    bar = image_bar(replace(sample.cold(), verdict=verdict, unprofiled=bare))
    assert bar is not None
    assert bar.told == "100 ms without the profiler (estimate)"
    assert [(each.x, each.width) for each in bar.segments] == [(0.0, 35.0), (35.0, 5.0), (40.0, 60.0)]
    assert [each.label for each in bar.segments] == ["UNet 35.0 %", "", "GPU idle 60.0 %"]
    assert [each.style for each in bar.segments] == ["q-0", "q-1", "q-idle"]
    assert image_bar(replace(sample.cold(), verdict=None)) is None
