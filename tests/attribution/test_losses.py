"""What is missing or impossible is counted, and nothing in a sound trace."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pytest

from sdtrace.attribution.linked_trace import LinkedTrace, attribute
from sdtrace.attribution.losses import Losses, find_losses, with_device_later
from sdtrace.intervals import total, union
from sdtrace.reader.categories import WORK
from sdtrace.trace import Trace, load_trace
from tests.loaded import linked_of
from tests.shared import shared_trace
from tests.written import Event, call, host, kernel, written

FIELD = Path(__file__).parents[1] / "field"
NOTHING = Losses(0, 0, 0, 0, 0)
SOUND = [
    *("reference/fp32_eager", "reference/bf16_sdpa.warm", "reference/bf16_sdpa_graphs.warm"),
    *("third_party/hta_cudagraph_training_a100", "third_party/hta_mi250_rocm62_training"),
    *("third_party/hta_ns_resolution_v100", "third_party/tracelens_vllm_decode_graph_rocm"),
    *("wild/lora_train", "wild/sd_offload", "wild/cfg_parallel.rank1"),
]


@pytest.mark.parametrize("name", SOUND)
def test_a_sound_trace_lost_nothing(name: str) -> None:
    assert find_losses(linked_of(shared_trace(f"{name}.json.gz"), with_python=False)) == NOTHING


def test_a_device_clock_that_is_behind_by_a_constant_is_found_and_set_right() -> None:
    """By device_clock_early.expect.md: 160 of 160 kernels begin 50 ms early; true busy share 48.5 %."""
    trace = load_trace(FIELD / "device_clock_early.json")
    losses = find_losses(attribute(trace))
    assert losses._replace(clock_shift_ns=0, clock_error_ns=0) == NOTHING._replace(work_before_launch=160)
    assert losses.clock_error_ns == losses.clock_shift_ns
    assert 49_900_000 < losses.clock_shift_ns <= 50_000_000
    later = with_device_later(trace, losses.clock_shift_ns)
    assert find_losses(attribute(later)) == NOTHING
    assert later.start_ns.min() == 0
    assert later.origin_ns == 1_700_000_000_000_000_000
    assert busy_share(later) == pytest.approx(0.485, abs=0.006)


def busy_share(trace: Trace) -> float:
    rows = trace.rows(WORK)
    return total(union(trace.start_ns[rows], trace.end_ns[rows])) / int(trace.end_ns.max())


def launched(n: int, lags: Sequence[int], device: int = 0) -> list[Event]:
    """`n` launches 100 us apart, whose kernels begin these times after them, in turn."""
    events = [host("op", 0, 100_000 * n)]
    for number in range(n):
        correlation, start = 1 + number + 1000 * device, 1_000_000 + 100_000 * number
        events.append(call("cudaLaunchKernel", start, 5_000, correlation))
        events.append({**kernel("k", start + lags[number % len(lags)], 20_000, correlation), "pid": device})
    return events


def losses_of(folder: Path, events: list[Event]) -> Losses:
    return find_losses(written(folder / "t.json", events))


def test_a_few_early_kernels_are_counted_and_no_reason_to_move_the_clock(tmp_path: Path) -> None:
    lags = [7_000] * 9 + [-50_000]
    assert losses_of(tmp_path, launched(100, lags)) == Losses(0, 10, 0, 0, 0, clock_error_ns=50_000)


def test_a_clock_that_drifts_is_not_moved(tmp_path: Path) -> None:
    lags = [-2_000 * number for number in range(1, 101)]
    assert losses_of(tmp_path, launched(100, lags)) == Losses(0, 100, 0, 0, 0, clock_error_ns=200_000)


def test_the_clock_of_one_device_of_two_is_not_moved_with_the_other(tmp_path: Path) -> None:
    events = launched(40, [-500_000]) + launched(40, [9_000], device=1)
    assert losses_of(tmp_path, events) == Losses(0, 40, 0, 0, 0, clock_error_ns=500_000)


def test_starts_that_are_rounded_to_a_microsecond_are_no_loss(tmp_path: Path) -> None:
    assert losses_of(tmp_path, launched(40, [-1_000, 3_000])) == NOTHING


def test_launches_whose_work_is_not_there_are_counted() -> None:
    """By launches_without_any_kernel.expect.md: 80 launches, not one kernel."""
    linked = attribute(load_trace(FIELD / "launches_without_any_kernel.json"))
    assert find_losses(linked) == NOTHING._replace(launches_without_work=80)


def test_captured_launches_and_fills_of_nothing_are_no_loss(tmp_path: Path) -> None:
    events = [
        call("cudaStreamBeginCapture", 0, 10, 1),
        *(call("cudaLaunchKernel", 100 * number, 10, 10 + number) for number in range(1, 9)),
        call("cudaStreamEndCapture", 1000, 10, 2),
        call("cudaMemsetAsync", 1100, 10, 3),
        call("cudaMemcpyAsync", 1200, 10, 4),
    ]
    assert losses_of(tmp_path, events) == NOTHING._replace(launches_without_work=1)


def test_work_of_one_stream_cannot_overlap(tmp_path: Path) -> None:
    events = launched(50, [7_000])
    overlapping = [{**event, "dur": 300} if event["cat"] == "kernel" else event for event in events]
    assert losses_of(tmp_path, overlapping) == NOTHING._replace(overlapping_work=49)
    streams = [{**event, "tid": event["args"]["correlation"]} for event in overlapping if "args" in event]
    assert losses_of(tmp_path, [e for e in streams if e["cat"] == "kernel"]).overlapping_work == 0


def test_the_branches_of_a_graph_may_overlap(tmp_path: Path) -> None:
    events = [call("cudaGraphLaunch", 0, 5_000, 1)]
    events += [kernel("k", 10_000 + number, 90_000, 1) for number in range(20)]
    assert losses_of(tmp_path, events) == NOTHING


def test_events_of_an_unknown_kind_are_counted(tmp_path: Path) -> None:
    events = [*launched(3, [7_000]), host("a", 0, 5, "hpu_op"), host("b", 0, 5, "")]
    assert losses_of(tmp_path, events) == NOTHING._replace(foreign_events=2)


def test_a_trace_of_nothing_but_device_work_lost_all_launches(tmp_path: Path) -> None:
    linked: LinkedTrace = written(tmp_path / "t.json", [kernel("k", 0, 10, 5)])
    assert find_losses(linked) == NOTHING._replace(work_without_launch=1)


def waited_for(late: Sequence[int], wait: str = "cudaDeviceSynchronize") -> list[Event]:
    """Launches 1 ms apart, each followed by a wait for its work, which is stamped so much too late."""
    events = [host("op", 0, 1_000_000 * (len(late) + 1))]
    for number, by in enumerate(late):
        start = 1_000_000 * (number + 1)
        events.append(call("cudaLaunchKernel", start, 5_000, 2 * number + 1))
        events.append(call(wait, start + 6_000, 100_000, 2 * number + 2))
        events.append(kernel("k", start + 10_000 + by, 90_000, 2 * number + 1))
    return events


@pytest.mark.parametrize("wait", ["cudaDeviceSynchronize", "hipStreamSynchronize", "cuCtxSynchronize"])
def test_a_device_clock_that_is_ahead_by_a_constant_is_found_and_set_right(wait: str, tmp_path: Path) -> None:
    """Work ends 6 us before the wait for it is over; 700 us later, it ends 694 us after it."""
    linked = written(tmp_path / "t.json", waited_for([700_000] * 20, wait))
    losses = find_losses(linked)
    off = NOTHING._replace(work_after_wait=20, clock_shift_ns=-694_000, clock_error_ns=694_000)
    assert losses == off
    earlier = with_device_later(linked.trace, losses.clock_shift_ns)
    assert find_losses(attribute(earlier)) == NOTHING
    assert (earlier.start_ns.min(), earlier.origin_ns) == (0, linked.trace.origin_ns)


def test_a_clock_that_runs_ahead_more_and_more_is_not_moved(tmp_path: Path) -> None:
    losses = losses_of(tmp_path, waited_for([10_000 * number for number in range(20)]))
    assert losses == NOTHING._replace(work_after_wait=19, clock_error_ns=184_000)


def test_one_wait_does_not_tell_whether_the_clock_is_off_by_a_constant(tmp_path: Path) -> None:
    losses = losses_of(tmp_path, waited_for([700_000]))
    assert losses == NOTHING._replace(work_after_wait=1, clock_error_ns=694_000)


def test_a_wait_is_not_for_work_launched_after_it_began_or_on_another_stream(tmp_path: Path) -> None:
    events = [host("op", 0, 1_000_000), call("cudaStreamSynchronize", 0, 500_000, 9)]
    events += [call("cudaLaunchKernel", 10_000, 5_000, 1, thread=2), kernel("k", 20_000, 900_000, 1)]
    assert losses_of(tmp_path, events) == NOTHING
    events += [call("cudaLaunchKernel", 600_000, 5_000, 2), call("cudaStreamSynchronize", 610_000, 50_000, 3)]
    assert losses_of(tmp_path, [*events, kernel("k", 640_000, 10_000, 2, stream=20)]) == NOTHING


@pytest.mark.parametrize("lost", [slice(0, 3), slice(3, 6), slice(7, 10)])
def test_launches_whose_work_is_lost_are_counted_where_ids_are_used_again(
    lost: slice, tmp_path: Path
) -> None:
    """Ten rounds with the same ids 1 to 4; the kernels of three rounds are not there."""
    events: list[Event] = []
    for number in range(10):
        is_there = number not in range(10)[lost]
        for id_ in range(1, 5):
            start = 1_000_000 * number + 10_000 * id_
            events.append(call("cudaLaunchKernel", start, 5_000, id_))
            events += [kernel("k", start + 7_000, 1_000, id_)] if is_there else []
    assert losses_of(tmp_path, events) == NOTHING._replace(launches_without_work=12)


def test_the_drivers_call_within_that_of_the_runtime_shares_its_work(tmp_path: Path) -> None:
    driver = host("cuLaunchKernel", 1_000, 3_000, "cuda_driver")
    events = [call("cudaLaunchKernel", 0, 5_000, 7), {**driver, "args": {"correlation": 7}}]
    assert losses_of(tmp_path, [*events, kernel("k", 10_000, 5_000, 7)]) == NOTHING
    assert losses_of(tmp_path, events) == NOTHING._replace(launches_without_work=2)


def test_work_without_a_launch_is_counted_from_the_first_launched_work_on(tmp_path: Path) -> None:
    events = launched(20, [7_000])
    calls = [event for event in events if event["name"] == "cudaLaunchKernel"]
    before = [event for event in events if event not in calls[:5]]
    assert losses_of(tmp_path, before) == NOTHING
    between = [event for event in events if event not in calls[5:9]]
    assert losses_of(tmp_path, between) == NOTHING._replace(work_without_launch=4)
