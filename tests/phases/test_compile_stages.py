from __future__ import annotations

from pathlib import Path

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from sdtrace.intervals import intersect, subtract, total, union
from sdtrace.phases.compile_stages import Stage, compile_stages, without_twins
from sdtrace.phases.overhead_spans import find_overhead
from tests.written import Event, host, written

PER_FILE = settings(
    deadline=None, max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
NAMES = [
    "entire_frame_compile",
    "_compile.compile_inner (dynamo_timed)",
    "bytecode_tracing",
    "GraphLowering.run",
]
NAMES += [
    "Scheduler.codegen",
    "Scheduler.__init__ (dynamo_timed)",
    "async_compile.wait",
    "anything (dynamo_timed)",
]


@st.composite
def compilation(draw: st.DrawFn) -> list[Event]:
    times, lengths = st.integers(0, 300), st.integers(0, 120)
    spans = st.builds(host, st.sampled_from(NAMES), times, lengths, st.just("cpu_op"), st.integers(1, 2))
    return draw(st.lists(spans, min_size=1, max_size=10))


def stages_of(path: Path, events: list[Event]) -> tuple[list[Stage], int]:
    """The stages and how much time of compile there is, autotune left out."""
    trace = written(path, events).trace
    overhead = find_overhead(trace)
    _, autotune, compiling = overhead.of_all(trace)
    phase = subtract(compiling, autotune)
    return compile_stages(trace, overhead.compile, phase), total(phase)


@PER_FILE
@given(events=compilation())
def test_exclusive_times_sum_to_the_compile_phase(tmp_path: Path, events: list[Event]) -> None:
    stages, phase_ns = stages_of(tmp_path / "t.json", events)
    assert sum(stage.exclusive_ns for stage in stages) == phase_ns
    assert all(0 <= stage.exclusive_ns <= stage.inclusive_ns <= phase_ns for stage in stages)
    assert stages == sorted(stages, key=lambda stage: -stage.exclusive_ns)


def test_twins_count_once_and_autotune_inside_is_left_out(tmp_path: Path) -> None:
    events = [
        host("entire_frame_compile", 0, 1000),
        host("_compile.compile_inner (dynamo_timed)", 1, 998),
        host("bytecode_tracing", 100, 200),
        host("bytecode_tracing (dynamo_timed)", 101, 198),
        host("Scheduler.codegen", 400, 300),
        host("Scheduler.codegen (dynamo_timed)", 401, 298),
        host("CachingAutotuner.benchmark_all_configs", 500, 100),
        host("CachingAutotuner.benchmark_all_configs (dynamo_timed)", 501, 98),
    ]
    stages, phase_ns = stages_of(tmp_path / "t.json", events)
    assert phase_ns == 900
    assert {stage.stage: tuple(vars(stage).values())[1:] for stage in stages} == {
        "dynamo, other": (900 - 198 - 198, 900, 1),
        "bytecode tracing": (198, 198, 1),
        "code generation": (298 - 100, 298 - 100, 1),
    }


def test_a_twin_is_dropped_wherever_its_name_occurs(tmp_path: Path) -> None:
    events = [host("gc", 0, 10), host("build_guards", 20, 10), host("build_guards (dynamo_timed)", 21, 8)]
    trace = written(tmp_path / "t.json", events).trace
    rows = without_twins(trace, trace.rows({"cpu_op"}))
    assert [trace.names[name] for name in trace.name[rows]] == ["gc", "build_guards (dynamo_timed)"]
    assert (
        total(intersect(union(trace.start_ns, trace.end_ns), union(trace.start_ns[rows], trace.end_ns[rows])))
        == 18
    )
