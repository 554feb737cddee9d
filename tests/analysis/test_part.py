"""A part of a run: its sums are those of the rows it selects, and all parts of one kind make up the whole."""

from __future__ import annotations

from pathlib import Path

import pytest

from sdtrace.analysis.options import Options
from sdtrace.analysis.part import Part
from sdtrace.analysis.study import Study
from sdtrace.analysis.trace_report import report_on
from sdtrace.breakdowns.rules import load_rules
from sdtrace.errors import UsageError
from sdtrace.model import TraceReport
from sdtrace.phases.timeline import PHASES
from tests.loaded import study_of

TRACES = Path(__file__).parents[2] / "traces"
EAGER, REGIONAL = "h200-fp32_eager.json", "h200-bf16_sdpa_regional.cold.json.gz"
BOTH = pytest.mark.parametrize("name", [EAGER, REGIONAL])


def study(name: str) -> Study:
    return study_of(TRACES / name)


def report(name: str, part: Part) -> TraceReport:
    return report_on(study(name), Options(load_rules(None), part))


@BOTH
def test_an_iteration_has_the_work_of_its_row(name: str) -> None:
    for row in report(name, Part()).iterations:
        part = report(name, Part(iteration=row.index))
        assert sum(kernel.total_us for kernel in part.kernels) == pytest.approx(row.gpu_us, abs=0.001)
        assert sum(kernel.calls for kernel in part.kernels) == row.gpu_events
        assert part.gpu.launches == row.launches
        assert (part.selected_iteration, part.selected_phase) == (row.index, None)


@BOTH
def test_a_step_has_the_work_of_its_row(name: str) -> None:
    steps = report(name, Part()).steps
    assert steps
    for row in (steps[0], steps[len(steps) // 2], steps[-1]):
        part = report(name, Part(iteration=row.iteration, step=row.index))
        assert sum(kernel.total_us for kernel in part.kernels) == pytest.approx(row.gpu_us, abs=0.001)
        assert part.gpu.launches == row.launches


@BOTH
def test_the_components_make_up_the_whole(name: str) -> None:
    whole = report(name, Part())
    names = {row.component for row in whole.components if "." not in row.component}
    parts = [report(name, Part(component=component)) for component in names]
    for kind in ("kernel_us", "memcpy_us", "memset_us"):
        assert sum(getattr(part.gpu, kind) for part in parts) == pytest.approx(getattr(whole.gpu, kind))
    assert sum(part.gpu.launches for part in parts) == whole.gpu.launches
    for part in parts:
        rows = [row for row in whole.components if row.component == part.selected_component]
        assert part.components == rows
        ops = sum(op.self_device_us for op in part.ops if op.device_type == "cpu")
        assert ops == pytest.approx(sum(row.gpu_us for row in rows), abs=0.01)


@BOTH
def test_phases_and_components_cross(name: str) -> None:
    whole = report(name, Part())
    for row in whole.components:
        part = report(name, Part(phase=row.phase, component=row.component))
        assert part.components == [row]
        assert sum(kernel.total_us for kernel in part.kernels) == pytest.approx(row.gpu_us, abs=0.001)


@BOTH
def test_idle_time_of_all_phases_and_of_all_iterations_is_no_more_than_all(name: str) -> None:
    whole = report(name, Part())
    phases = [report(name, Part(phase=phase)) for phase in PHASES]
    assert sum(part.gpu.idle_us for part in phases) == pytest.approx(whole.gpu.idle_us, abs=0.01)
    iterations = [report(name, Part(iteration=row.index)) for row in whole.iterations]
    between = sum(row.us for row in whole.idle if row.cause == "between_iterations")
    assert sum(part.gpu.idle_us for part in iterations) <= whole.gpu.idle_us - between + 0.01


@pytest.mark.parametrize(
    ("part", "said"),
    [
        (Part(phase="stedy"), "no phase 'stedy' (did you mean 'steady'?); there are capture, autotune"),
        (Part(component="unett"), "no component 'unett' (did you mean 'unet'?)"),
        (Part(iteration=99), "no iteration 99; they are 0 to "),
        (Part(iteration=-1), "no iteration -1; they are 0 to "),
        (Part(iteration=0, step=1000), "no step 1000; they are 0 to "),
    ],
)
def test_a_part_that_is_not_there_is_refused(part: Part, said: str) -> None:
    with pytest.raises(UsageError) as error:
        study(EAGER).select(part)
    assert str(error.value).startswith(said)
