"""Work of before the profile: the first piece of a stream waits for it."""

from __future__ import annotations

from pathlib import Path

import pytest

from sdtrace.attribution.earlier_work import earlier_work
from sdtrace.intervals import total
from tests.loaded import study_of
from tests.shared import shared_trace
from tests.written import MS, Event, call, host, kernel, written


def served(began: int, launched: int = 0, also: tuple[Event, ...] = ()) -> list[Event]:
    """An engine step that launches ten kernels; the first begins at `began`, each lasts 1 ms."""
    events = [host("execute_32", launched, 5 * MS, "user_annotation"), *also]
    for number in range(10):
        start = launched + number * 100_000
        events.append(call("hipLaunchKernel", start, 5_000, 1 + number))
        events.append(kernel("gemm", began + number * MS, MS, 1 + number))
    return events


def unseen(folder: Path, events: list[Event]) -> int:
    return total(earlier_work(written(folder / "t.json", events)).spans)


def test_a_stream_that_begins_late_ran_something_before(tmp_path: Path) -> None:
    assert unseen(tmp_path, served(80 * MS)) == 80 * MS - 5_000


@pytest.mark.parametrize("began", [6_000, 900_000])
def test_a_short_wait_says_nothing(tmp_path: Path, began: int) -> None:
    assert unseen(tmp_path, served(began)) == 0


def test_a_wait_in_the_middle_of_a_trace_has_other_causes(tmp_path: Path) -> None:
    long_before = host("aten::empty", 0, 10)
    assert unseen(tmp_path, served(80 * MS, 50 * MS, (long_before,))) == 0


def test_another_stream_at_work_explains_the_wait(tmp_path: Path) -> None:
    other = (call("hipLaunchKernel", 0, 5_000, 99), kernel("gemm", 6_000, 79 * MS, 99, stream=8))
    assert unseen(tmp_path, served(80 * MS, 10_000, other)) == 0


def test_a_step_lasts_from_the_end_of_earlier_work_and_nobody_is_to_blame_for_it(tmp_path: Path) -> None:
    waits = (call("hipMemcpyWithStream", 2 * MS, 88 * MS, 50),)
    written(tmp_path / "blocked.json", served(80 * MS, 0, waits))
    study = study_of(tmp_path / "blocked.json")
    assert [row.wall_ns for row in study.iterations] == [10 * MS]
    assert study.steady_idle.total_ns == 0


def test_a_server_that_runs_ahead_is_no_stall(tmp_path: Path) -> None:
    written(tmp_path / "ahead.json", served(300 * MS))
    study = study_of(tmp_path / "ahead.json")
    assert "stall" not in study.phase_rows or not study.phase_rows["stall"].wall_ns


def test_a_decode_step_takes_what_its_graph_takes() -> None:
    """Launched while the step before still ran for 8 ms: 10.7 ms and not 18.8."""
    study = study_of(shared_trace("third_party/tracelens_vllm_decode_graph_rocm.json.gz"))
    assert [round(row.wall_ns / MS, 1) for row in study.iterations] == [10.7]
