from __future__ import annotations

from itertools import count
from pathlib import Path

import numpy as np
import pytest

from sdtrace.attribution.linked_trace import attribute
from sdtrace.intervals import nothing, union
from sdtrace.phases.autotune_pattern import unmarked_autotune
from tests.analysis.reference import cold_benchmarks_without_spans
from tests.fields import report_of
from tests.loaded import linked_of
from tests.shared import shared_trace
from tests.structures import phases_of, structure_of
from tests.written import Event, call, host, kernel, written

FILL = "void at::native::vectorized_elementwise_kernel<4, at::native::FillFunctor<int>>"
COPY = "Memcpy DtoD (Device -> Device)"


def launched(names: list[str], start: int = 0, thread: int = 1) -> list[Event]:
    """Work of these names, one launch every 100 ns, each of 10 ns."""
    events: list[Event] = []
    for place, name in enumerate(names):
        at, number = start + 100 * place, start * 10 + thread * 100_000 + place + 1
        events += [call("cudaLaunchKernel", at, 10, number, thread), kernel(name, at + 50, 10, number)]
    return events


def spans(path: Path, events: list[Event]) -> list[tuple[int, int]]:
    found = unmarked_autotune(written(path, [host("aten::mm", 0, 1), *events]), nothing())
    return list(zip(found.start.tolist(), found.end.tolist(), strict=True))


def test_a_benchmark_is_found_with_its_estimate_and_warmup(tmp_path: Path) -> None:
    names = [*["before"] * 3, "k", *[FILL, "k"] * 5, *[FILL] * 20, *["k", FILL] * 50, "k", "after"]
    first, last = 3, len(names) - 2
    assert spans(tmp_path / "t.json", launched(names)) == [(100 * first, 100 * last + 10)]


def test_arguments_may_be_restored_in_each_round(tmp_path: Path) -> None:
    assert spans(tmp_path / "t.json", launched([FILL, COPY, "k"] * 10)) == [(0, 2910)]


@pytest.mark.parametrize(
    "names",
    [
        pytest.param([FILL, "k"] * 7, id="too few"),
        pytest.param([name for i in range(20) for name in (FILL, f"k{i}")], id="another kernel each time"),
        pytest.param(["a", "b"] * 20, id="no fill"),
        pytest.param([FILL] * 40, id="nothing but fills"),
        pytest.param(["k"] * 40, id="one kernel again and again"),
        pytest.param([FILL, "a", "b", "c"] * 20, id="a loop with more in it"),
    ],
)
def test_other_loops_are_no_benchmarks(tmp_path: Path, names: list[str]) -> None:
    assert spans(tmp_path / "t.json", launched(names)) == []


def test_two_threads_do_not_make_one_benchmark(tmp_path: Path) -> None:
    halves = [*launched([FILL, "k"] * 4), *launched([FILL, "k"] * 4, 1000, thread=2)]
    assert spans(tmp_path / "t.json", halves) == []


def test_what_is_known_already_is_left_out(tmp_path: Path) -> None:
    linked = written(tmp_path / "t.json", [host("aten::mm", 0, 1), *launched([FILL, "k"] * 10)])
    assert not unmarked_autotune(linked, union(np.array([0]), np.array([10_000]))).start.size


def test_what_every_iteration_repeats_is_work(tmp_path: Path) -> None:
    def image(start: int, names: list[str]) -> list[Event]:
        return [host("image", start, 5000, "user_annotation"), *launched(names, start)]

    always = [event for n in range(3) for event in image(6000 * n, [*[FILL, "k"] * 10, "x"])]
    once = [*image(0, [FILL, "k"] * 10), *image(6000, ["k"] * 20), *image(12_000, ["k"] * 20)]
    for events, expected in ((always, False), (once, True)):
        linked = written(tmp_path / "t.json", [*events, host("aten::mm", 0, 1)])
        structure = structure_of(linked)
        assert len(structure.iterations) == 3
        phases = phases_of(linked, structure)
        assert phases.autotune_by_pattern is expected
        assert phases.work_mask("autotune").sum() == (20 if expected else 0)


@pytest.mark.parametrize(
    "name",
    [
        "reference/fp32_eager",
        "reference/bf16_sdpa_graphs.warm",
        "third_party/hta_cudagraph_training_a100",
        "third_party/hta_ns_resolution_v100",
        "third_party/tracelens_xdit_sd35_mi300x",
        "third_party/tracelens_vllm_decode_graph_rocm",
    ],
)
def test_no_benchmark_is_seen_in_traces_without_one(name: str) -> None:
    linked = linked_of(shared_trace(f"{name}.json.gz"))
    assert not unmarked_autotune(linked, nothing()).start.size


def test_launches_in_the_order_of_time_whatever_the_file_has(tmp_path: Path) -> None:
    events = launched(["x", *[FILL, "k"] * 10, "y"])
    numbers = count()
    shuffled = sorted(events, key=lambda _: (next(numbers) * 7919) % 1000)
    assert spans(tmp_path / "t.json", shuffled) == spans(tmp_path / "u.json", events) == [(100, 2010)]


def test_most_of_a_real_autotune_is_found_without_its_spans() -> None:
    trace, launched_ns = cold_benchmarks_without_spans()
    linked = attribute(trace)
    structure = structure_of(linked)
    phases = phases_of(linked, structure)
    assert phases.autotune_by_pattern
    assert not phases.spans.autotune.size
    found_ns = int(trace.dur_ns[linked.work.row[phases.work_mask("autotune")]].sum())
    assert launched_ns > 100_000_000
    assert 0.9 * launched_ns < found_ns < 1.02 * launched_ns


def phase_of_benchmarks(path: Path, *names: str) -> tuple[bool, int]:
    """Whether autotune was found in a trace of work with these names, and how many pieces belong to it."""
    phases = phases_of(written(path, [host("aten::mm", 0, 1), *launched(list(names))]))
    return phases.autotune_by_pattern, int(phases.work_mask("autotune").sum())


def test_kernels_tried_in_turn_and_then_used_are_autotune(tmp_path: Path) -> None:
    tried = [name for kernel_name in ("k1", "k2", "k3") for name in [FILL, kernel_name] * 20]
    assert phase_of_benchmarks(tmp_path / "t.json", *tried, "x", "k2", "y", "k2") == (True, 120)
    # Used before, or never: somebody measures kernels.
    assert phase_of_benchmarks(tmp_path / "u.json", "k1", "x", *tried, "y") == (False, 0)


def test_what_a_user_measures_is_no_autotune() -> None:
    report = report_of("user_do_bench.json.gz")
    assert [phase.phase for phase in report.phases] == ["steady"]
    assert not {"overhead.once", "overhead.autotune"} & {item.id for item in report.findings}
