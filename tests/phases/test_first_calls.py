from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from sdtrace.attribution.linked_trace import LinkedTrace
from sdtrace.intervals import Intervals, nothing, union
from sdtrace.phases.first_calls import find_first_calls
from tests.loaded import linked_of
from tests.shared import shared_trace
from tests.written import Event, call, host, kernel, written

US, MS = 1_000, 1_000_000
FOREVER = 1 << 60


def conv(start: int, dur: int) -> Event:
    return host("aten::conv2d", start, dur)


def found(
    linked: LinkedTrace, overhead: Intervals | None = None, before: int = FOREVER
) -> list[tuple[str, int]]:
    calls = find_first_calls(linked, overhead or nothing(), before)
    names = [linked.trace.names[number] for number in linked.host.name[calls.event]]
    return list(zip(names, calls.excess_ns.tolist(), strict=True))


def usual(n: int = 5, start: int = 1_000 * MS) -> list[Event]:
    return [conv(start + i * MS, 100 * US) for i in range(n)]


def test_a_slow_first_call_costs_what_exceeds_the_median(tmp_path: Path) -> None:
    linked = written(tmp_path / "t.json", [conv(0, 300 * MS), *usual()])
    assert found(linked) == [("aten::conv2d", 300 * MS - 100 * US)]
    assert found(linked, before=0) == []


@pytest.mark.parametrize(
    "events",
    [
        pytest.param([conv(0, 4 * MS), *usual()], id="too little to claim"),
        pytest.param(
            [conv(0, 90 * MS), *[conv((100 + 20 * i) * MS, 10 * MS) for i in range(5)]], id="not ten times"
        ),
        pytest.param([conv(0, 300 * MS), *usual(2)], id="too few calls to compare with"),
        pytest.param(
            [conv(0, 300 * MS), call("cudaStreamSynchronize", 1 * MS, 299 * MS, 9), *usual()],
            id="it waited for the device",
        ),
        pytest.param(
            [host("model", 0, 300 * MS, "user_annotation"), *usual()], id="an annotation, not an op"
        ),
    ],
)
def test_no_first_call_is_claimed(tmp_path: Path, events: list[Event]) -> None:
    assert found(written(tmp_path / "t.json", events)) == []


def test_only_the_outermost_op_counts_and_waiting_at_any_depth_is_taken_off(tmp_path: Path) -> None:
    events = [
        conv(0, 300 * MS),
        host("aten::cudnn_convolution", 10 * MS, 280 * MS),
        call("cudaDeviceSynchronize", 20 * MS, 200 * MS, 9),
        *usual(),
        *[host("aten::cudnn_convolution", 1_000 * MS + i * MS + 10, 50 * US) for i in range(5)],
    ]
    assert found(written(tmp_path / "t.json", events)) == [("aten::conv2d", 100 * MS - 100 * US)]


def test_compile_inside_or_around_a_call_is_not_its_own_cost(tmp_path: Path) -> None:
    linked = written(tmp_path / "t.json", [conv(0, 300 * MS), *usual()])
    inside = union(np.array([10 * MS]), np.array([299 * MS]))
    assert found(linked, inside) == [("aten::conv2d", 11 * MS - 100 * US)]
    around = union(np.array([-1]), np.array([300 * MS]))
    assert found(linked, around) == []


def test_a_trace_without_ops_has_none(tmp_path: Path) -> None:
    assert found(written(tmp_path / "t.json", [call("cudaLaunchKernel", 0, 5, 1)])) == []


def test_in_steady_reference_traces_nothing_is_taken_for_a_first_call() -> None:
    linked = linked_of(shared_trace("reference/bf16_sdpa.warm.json.gz"))
    assert found(linked) == []


def test_the_first_image_of_an_eager_run_pays_for_plans_and_modules() -> None:
    linked = linked_of(shared_trace("reference/fp32_eager.json.gz"))
    calls = found(linked, before=2_570_000_000)
    assert calls[0][1] > 0
    total = sum(ns for _, ns in calls) / 1e9
    # The first image took 2.571 s, the second 1.060 s.
    assert total == pytest.approx(2.571 - 1.060, rel=0.15)
    assert "aten::conv2d" in {name for name, _ in calls}


def test_an_op_that_is_as_slow_later_on_was_not_slow_for_being_first(tmp_path: Path) -> None:
    again = conv(2_000 * MS, 200 * MS)
    linked = written(tmp_path / "t.json", [conv(0, 300 * MS), *usual(), again])
    assert found(linked, before=1_000 * MS) == []
    faster = conv(2_000 * MS, 100 * MS)
    linked = written(tmp_path / "u.json", [conv(0, 300 * MS), *usual(), faster])
    assert found(linked, before=1_000 * MS) == [("aten::conv2d", 300 * MS - 100 * US)]


def started(name: str, dur: int, before: int = 0) -> list[Event]:
    """An op with a runtime call in it, then the first kernel; `before` it another one ran."""
    events = [host("aten::rand", 0, dur + 2 * MS), host("aten::empty", MS, dur), call(name, MS, dur, 1)]
    events += [call("cudaLaunchKernel", dur + MS, 5 * US, 2), kernel("fill", dur + 2 * MS, 10 * US, 2)]
    return [*events, kernel("earlier", before, 10 * US, 3)] if before else events


def test_the_op_in_which_the_driver_starts_is_a_first_call(tmp_path: Path) -> None:
    linked = written(tmp_path / "t.json", started("cudaDeviceGetStreamPriorityRange", 900 * MS))
    assert found(linked) == [("aten::rand", 900 * MS)]


@pytest.mark.parametrize(
    "events",
    [
        pytest.param(started("cudaMalloc", 90 * MS), id="short"),
        pytest.param(started("cudaMalloc", 900 * MS, before=2 * MS), id="the device has worked before"),
        pytest.param(started("cudaStreamSynchronize", 900 * MS), id="it waits"),
        pytest.param(started("cudaLaunchKernel", 900 * MS), id="a launch"),
        pytest.param(started("cudaMalloc", 900 * MS)[:3], id="nothing ran at all"),
    ],
)
def test_other_long_calls_start_no_driver(tmp_path: Path, events: list[Event]) -> None:
    assert found(written(tmp_path / "t.json", events)) == []


def test_an_op_that_is_as_slow_with_the_same_arguments_was_not_slow_for_being_first(tmp_path: Path) -> None:
    def of(size: int, start: int, dur: int) -> Event:
        return conv(start, dur) | {"args": {"Input Dims": [[size]], "Input type": ["float"]}}

    small = [of(1, 1_000 * MS + i * MS, 100 * US) for i in range(20)]
    twice = [of(9, 0, 300 * MS), of(9, 400 * MS, 290 * MS)]
    assert found(written(tmp_path / "t.json", [*twice, *small])) == []
    once = [of(9, 0, 300 * MS), of(8, 400 * MS, 290 * MS), of(9, 700 * MS, 2 * MS), of(8, 800 * MS, 2 * MS)]
    excess = [("aten::conv2d", 300 * MS - 100 * US), ("aten::conv2d", 290 * MS - 100 * US)]
    assert found(written(tmp_path / "u.json", [*once, *small])) == excess
