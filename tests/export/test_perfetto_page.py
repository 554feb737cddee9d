"""The copy in Perfetto itself: nothing is lost, and the added tracks say what the report says."""

from __future__ import annotations

import gzip
import json
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from sdtrace.export import write_perfetto
from sdtrace.model import TraceReport
from tests.export.perfetto_page import Perfetto, ask, import_errors, perfetto
from tests.loaded import report_of
from tests.shared import shared_trace

TRACES = Path(__file__).parents[2] / "traces"
_OURS = "join thread_track t on s.track_id = t.id join thread using (utid) join process p using (upid)"


class Loaded(NamedTuple):
    """A trace after Perfetto has loaded its copy."""

    events: list[dict[str, Any]]
    report: TraceReport
    errors: list[list[Any]]
    errors_before: list[list[Any]]
    tracks: dict[str, tuple[int, int]]
    """Of each added track, how many slices and nanoseconds."""
    original_slices: int
    idle: dict[str, int]
    busy: list[list[Any]]


def _source(name: str) -> Path:
    return shared_trace(name) if "/" in name else TRACES / name


@pytest.fixture(scope="module")
def page_of_perfetto(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Perfetto]:
    with perfetto(tmp_path_factory.mktemp("perfetto")) as found:
        yield found


@pytest.fixture(
    scope="module",
    params=[
        "h200-fp32_eager.json",
        "h200-bf16_sdpa_regional.cold.json.gz",
        "third_party/hta_ns_resolution_v100.json.gz",
        "third_party/tracelens_vllm_decode_graph_rocm.json.gz",
        "third_party/hta_cpu_only.json.gz",
    ],
)
def loaded(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory, page_of_perfetto: Perfetto
) -> Loaded:
    source = _source(request.param)
    copy = tmp_path_factory.mktemp("copy") / ("copy.json.gz" if source.suffix == ".gz" else "copy.json")
    write_perfetto(source, copy, force=False)
    before = import_errors(page_of_perfetto.load(source))
    page = page_of_perfetto.load(copy)
    ours = ask(
        page,
        f"select thread.name, count(*), sum(s.dur) from slice s {_OURS} where p.name = 'sdtrace' group by 1",
    )
    others = ask(page, "select count(*) from slice where category is not 'sdtrace' and dur >= 0")
    idle = ask(
        page,
        f"select s.name, sum(s.dur) from slice s {_OURS} "
        "where p.name = 'sdtrace' and thread.name like 'GPU idle%' group by 1",
    )
    text = gzip.decompress(source.read_bytes()) if source.suffix == ".gz" else source.read_bytes()
    return Loaded(
        events=json.loads(text)["traceEvents"],
        report=report_of(source),
        errors=import_errors(page),
        errors_before=before,
        tracks={name: (int(count), int(ns)) for name, count, ns in ours},
        original_slices=int(others[0][0]),
        idle={name: int(ns) for name, ns in idle},
        busy=ask(page, "select c.ts, c.value from counter c join counter_track t on c.track_id = t.id"),
    )


def _ns(us: float) -> int:
    return round(us * 1000)


def test_perfetto_imports_the_copy_without_an_error(loaded: Loaded) -> None:
    assert loaded.errors == []


def test_every_complete_event_becomes_a_slice(loaded: Loaded) -> None:
    complete = sum(event["ph"] == "X" for event in loaded.events)
    dropped = sum(int(count) for name, count in loaded.errors_before if "overlap" in name)
    instants = sum(event["ph"] in "iI" for event in loaded.events)
    assert loaded.original_slices in range(complete, complete + instants + 1)
    assert dropped == 0 or loaded.original_slices > complete - dropped


def test_phases_are_those_of_the_report(loaded: Loaded) -> None:
    shown = {name.removeprefix("phase "): ns for name, (_, ns) in loaded.tracks.items() if "phase" in name}
    assert shown == {row.phase: _ns(row.wall_us) for row in loaded.report.phases if row.wall_us}


def test_iterations_steps_and_components_are_those_of_the_report(loaded: Loaded) -> None:
    report, tracks = loaded.report, loaded.tracks
    assert tracks["iterations"] == (
        len(report.iterations),
        sum(_ns(row.host_wall_us) for row in report.iterations),
    )
    assert tracks.get("denoising steps", (0, 0))[0] == sum(row.steps for row in report.iterations)
    calls = sum(row.calls for row in report.components if "." not in row.component)
    shown = sum(count for name, (count, _) in tracks.items() if name.startswith("components"))
    assert shown == calls


def test_idle_causes_are_those_of_the_report(loaded: Loaded) -> None:
    assert loaded.idle == {row.cause: _ns(row.us) for row in loaded.report.idle}


def test_the_busy_counter_integrates_to_the_busy_time(loaded: Loaded) -> None:
    points = [(int(ts), value) for ts, value in loaded.busy]
    spans = pairwise(points)
    area_us = sum(percent / 100 * (after - at) / 1000 for (at, percent), (after, _) in spans)
    assert area_us == pytest.approx(loaded.report.gpu.busy_us, rel=0.01, abs=1)
    assert all(0 <= value <= 100 for _, value in points)
