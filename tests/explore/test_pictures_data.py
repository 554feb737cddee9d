"""What pictures draw: bins and branches lose nothing, and a peak of memory is taken apart whole."""

from __future__ import annotations

import base64
import zlib

import numpy as np
import pytest

from sdtrace.explore.timeline import BINS
from sdtrace.report.timeline_data import COLUMNS, packed_events
from tests.explore import parts
from tests.explore.parts import EAGER, GRAPHS, REGIONAL, STACK

NAMES = pytest.mark.parametrize("name", [EAGER, REGIONAL, GRAPHS, STACK])


@NAMES
def test_bins_hold_all_the_time_of_streams_and_of_idle_causes(name: str) -> None:
    found, report = parts.explored(name), parts.analysis(name).report
    streams = sum(int(lane.busy_ns.sum()) for lane in found.timeline.lanes if lane.is_stream)
    assert streams / 1000 == pytest.approx(sum(row.total_us for row in report.kernels))
    assert {len(lane.busy_ns) for lane in found.timeline.lanes} == {BINS}
    idle = {row.cause: row.us for row in report.idle}
    for cause, bins in found.timeline.idle.items():
        assert int(bins.sum()) / 1000 == pytest.approx(idle[cause])


@NAMES
def test_the_median_iteration_has_every_piece_of_its_work(name: str) -> None:
    found, study = parts.explored(name), parts.analysis(name).study
    events = found.timeline.events[0]
    assert events.iteration == found.picks.median
    trace, work = study.trace, study.linked.work
    at = study.structure.iterations.at(study.structure.launches.called_ns)
    mine = work.row[at == events.iteration]
    drawn = events.on_device
    shown = sorted(zip(events.start[drawn].tolist(), events.dur[drawn].tolist(), strict=True))
    assert shown == sorted(zip(trace.start_ns[mine].tolist(), trace.dur_ns[mine].tolist(), strict=True))


def _unpacked(text: str, size: int) -> list[list[int]]:
    """Columns as the page's script reads them, number by number."""
    data, columns, at = zlib.decompress(base64.b64decode(text)), [], 0
    for _ in COLUMNS:
        width = data[at]
        planes = [data[at + 1 + plane * size : at + 1 + (plane + 1) * size] for plane in range(width)]
        folded = [sum(byte << (8 * i) for i, byte in enumerate(each)) for each in zip(*planes, strict=True)]
        columns.append([-(value + 1) // 2 if value % 2 else value // 2 for value in folded])
        at += 1 + width * size
    assert at == len(data)
    return columns


def test_packed_events_are_what_they_were() -> None:
    timeline, trace = parts.explored(EAGER).timeline, parts.analysis(EAGER).study.trace
    size = sum(len(each.start) for each in timeline.events)
    name_of = np.arange(len(trace.names))[::-1].copy()
    lane, _, start, dur, name, kind = _unpacked(packed_events(timeline.events, name_of), size)
    for column, field in ((lane, "lane"), (dur, "dur"), (kind, "kind")):
        assert column == np.concatenate([getattr(each, field) for each in timeline.events]).tolist()
    assert np.cumsum(start).tolist() == np.concatenate([each.start for each in timeline.events]).tolist()
    assert name == name_of[np.concatenate([each.name for each in timeline.events])].tolist()


@NAMES
def test_the_tree_holds_all_work_outside_compile_and_autotune(name: str) -> None:
    found = parts.explored(name)
    assert found.calls is not None
    shown = {row.phase: row.gpu_us for row in parts.analysis(name).report.phases}
    expected = sum(shown.get(phase, 0.0) for phase in ("warmup", "stall", "steady"))
    assert int(found.calls.device_ns.sum()) / 1000 == pytest.approx(expected)
    assert all(parent < number for number, parent in enumerate(found.calls.parent))


def test_modules_stand_between_components_and_ops() -> None:
    calls = parts.explored(STACK).calls
    assert calls is not None
    paths = [_path(calls.names, calls.parent, node) for node in calls.node.tolist()]
    deep = next(path for path in paths if path[0] == "vae" and "aten::conv2d" in path)
    assert deep[1].startswith("nn.Module: ")
    assert len(deep) > deep.index("aten::conv2d") > 2


def _path(names: list[str], parent: list[int], node: int) -> list[str]:
    path: list[str] = []
    while node >= 0:
        path.insert(0, names[node])
        node = parent[node]
    return path


def test_the_peak_of_memory_is_what_was_live_block_by_block() -> None:
    use, memory = parts.explored(STACK).memory, parts.analysis(STACK).study.trace.memory
    assert use is not None
    live: dict[int, int] = {}
    peak, at_peak = 0, 0
    for number in range(len(memory.time_ns)):
        if memory.device_type[number] != 1:
            continue
        address, nbytes = int(memory.address[number]), int(memory.nbytes[number])
        live[address] = nbytes
        if nbytes < 0:
            del live[address]
        if memory.total_allocated[number] > peak:
            peak, at_peak = int(memory.total_allocated[number]), sum(live.values())
    assert use.peak == peak
    assert sum(row.nbytes for row in use.held) == at_peak
    assert use.before == peak - at_peak
    assert int(use.most.max()) == peak
    assert {row.component for row in use.held} >= {"vae"}


def test_a_trace_without_memory_has_no_picture_of_it() -> None:
    assert parts.explored(EAGER).memory is None
