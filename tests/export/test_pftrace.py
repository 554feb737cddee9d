"""Perfetto's own format in Perfetto itself: every event with its times, and tracks as the report has them."""

from __future__ import annotations

import gzip
import json
from collections import Counter
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pytest

from sdtrace.export import write_pftrace
from sdtrace.export.packets import BEGIN, form
from sdtrace.export.protobuf import number, varint, wide_varints
from sdtrace.export.slices import Slices, depths, slice_packets
from sdtrace.model import TraceReport
from tests.export.perfetto_page import Perfetto, ask, import_errors, perfetto
from tests.loaded import report_of
from tests.shared import shared_trace

_OTHERS = "where category is not 'sdtrace'"
TRACES = Path(__file__).parents[2] / "traces"


class Loaded(NamedTuple):
    events: list[dict[str, Any]]
    report: TraceReport
    written: int
    errors: list[list[Any]]
    slices: Counter[tuple[str, int, int]]
    """Name, start since the first event, duration of all that sdtrace did not add."""
    added: dict[str, dict[str, tuple[int, int]]]
    """Of each added track the slices and nanoseconds of each name."""
    flows: list[list[Any]]
    facts: dict[str, int]
    counters: dict[str, tuple[int, float]]
    """Of each counter how many values, and the largest."""
    tracks: list[str]


@pytest.fixture(scope="module")
def page_of_perfetto(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Perfetto]:
    with perfetto(tmp_path_factory.mktemp("perfetto")) as found:
        yield found


@pytest.fixture(
    scope="module",
    params=[
        "h200-bf16_sdpa_eager.stack.json.gz",
        "third_party/tracelens_vllm_decode_graph_rocm.json.gz",
        "third_party/hta_cpu_only.json.gz",
    ],
)
def loaded(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory, page_of_perfetto: Perfetto
) -> Loaded:
    source = shared_trace(request.param) if "/" in request.param else TRACES / request.param
    copy = tmp_path_factory.mktemp("copy") / "copy.pftrace"
    written = write_pftrace(source, copy, force=False)
    page = page_of_perfetto.load(copy)
    others = ask(page, f"select name, ts, dur from slice {_OTHERS}")
    added: dict[str, dict[str, tuple[int, int]]] = {}
    for track, name, count, ns in ask(
        page,
        "select t.name, s.name, count(*), sum(s.dur) from slice s join track t on s.track_id = t.id "
        "where s.category = 'sdtrace' group by 1, 2",
    ):
        added.setdefault(track, {})[name] = int(count), int(ns)
    text = gzip.decompress(source.read_bytes()) if source.suffix == ".gz" else source.read_bytes()
    return Loaded(
        events=json.loads(text, parse_float=Decimal)["traceEvents"],
        report=report_of(source),
        written=written,
        errors=import_errors(page),
        slices=Counter((name, int(ts), int(dur)) for name, ts, dur in others),
        added=added,
        flows=ask(
            page,
            "select a.category, b.category, count(*) from flow f join slice a on f.slice_out = a.id "
            "join slice b on f.slice_in = b.id group by 1, 2",
        ),
        facts={
            key: int(n)
            for key, n in ask(
                page, f"select key, count(*) from slice join args using (arg_set_id) {_OTHERS} group by 1"
            )
        },
        counters={
            name: (int(count), most)
            for name, count, most in ask(
                page,
                "select t.name, count(*), max(c.value) from counter c join track t on c.track_id = t.id "
                "group by 1",
            )
        },
        tracks=[name for (name,) in ask(page, "select name from track where name is not null")],
    )


def _ns(us: float | Decimal) -> int:
    return round(us * 1000)


def test_perfetto_imports_it_without_an_error(loaded: Loaded) -> None:
    assert loaded.errors == []


def test_every_event_is_a_slice_with_its_times_to_the_nanosecond(loaded: Loaded) -> None:
    complete = [event for event in loaded.events if event["ph"] == "X"]
    first = min(_ns(event["ts"]) for event in complete)
    expected = Counter((e["name"], _ns(e["ts"]) - first, _ns(e["dur"])) for e in complete)
    lost = expected - loaded.slices
    assert not lost, (lost.most_common(3), (loaded.slices - expected).most_common(3))
    assert loaded.slices == expected
    assert loaded.written == len(complete) + sum(
        count for names in loaded.added.values() for count, _ in names.values()
    )


def test_the_added_tracks_say_what_the_report_says(loaded: Loaded) -> None:
    report, added = loaded.report, loaded.added
    phases = {name.removeprefix("phase "): rows for name, rows in added.items() if name.startswith("phase ")}
    assert {name: rows[name][1] for name, rows in phases.items()} == {
        row.phase: _ns(row.wall_us) for row in report.phases if row.wall_us
    }
    idle: Counter[str] = Counter()
    for track, rows in added.items():
        if track.startswith("GPU idle"):
            idle.update({cause: ns for cause, (_, ns) in rows.items()})
    assert idle == {row.cause: _ns(row.us) for row in report.idle}
    assert sum(count for count, _ in added.get("iterations", {}).values()) == len(report.iterations)


def test_arrows_lead_from_launches_to_their_work(loaded: Loaded) -> None:
    device = {"kernel", "gpu_memcpy", "gpu_memset"}
    if not loaded.report.has_device:
        assert loaded.flows == []
        return
    assert {inward for _, inward, _ in loaded.flows} <= device
    assert sum(int(count) for _, _, count in loaded.flows) == loaded.report.gpu.launches


def test_facts_stand_beside_the_slices(loaded: Loaded) -> None:
    if loaded.report.has_device:
        kernels = sum(row.gpu_events for row in loaded.report.phases)
        assert loaded.facts["debug.category"] == kernels
        assert loaded.facts["debug.phase"] >= kernels
        assert any("stream" in name for name in loaded.tracks)
    shaped = sum(
        bool(event.get("args", {}).get("Input Dims")) for event in loaded.events if event["ph"] == "X"
    )
    told = loaded.facts.get("debug.Input Dims", 0)
    assert 0 < told <= shaped if shaped else told == 0


def test_allocated_memory_is_a_counter_of_each_device(loaded: Loaded) -> None:
    told: dict[str, list[int]] = {}
    for event in loaded.events:
        if event.get("name") == "[memory]":
            args = event["args"]
            device = f"GPU {args['Device Id']}" if args["Device Type"] else "CPU"
            told.setdefault(f"memory allocated, {device}", []).append(args["Total Allocated"])
    found = {name: value for name, value in loaded.counters.items() if name.startswith("memory")}
    assert found == {name: (len(values), max(values)) for name, values in told.items()}


@pytest.mark.parametrize("value", [0, 1, 127, 128, 300, 2**34 - 1, 2**49 - 1])
def test_numbers_are_written_seven_bits_a_byte(value: int) -> None:
    def read(digits: bytes) -> int:
        assert all(byte & 0x80 for byte in digits[:-1])
        assert not digits[-1] & 0x80
        return sum((byte & 0x7F) << 7 * place for place, byte in enumerate(digits))

    assert read(varint(value)) == value
    assert read(wide_varints(np.array([value])).tobytes()) == value
    if value < 2**35:
        assert read(wide_varints(np.array([value]), 5).tobytes()) == value


def test_depth_is_how_many_slices_of_the_track_lie_around() -> None:
    track = np.array([1, 1, 1, 2, 1, 1])
    start = np.array([0, 0, 5, 0, 10, 10])
    length = np.array([10, 5, 5, 3, 0, 4])
    assert depths(track, start, length).tolist() == [0, 1, 1, 0, 1, 0]


def _fields(message: bytes) -> list[tuple[int, Any]]:
    """The fields of a message by number: whole numbers, or bytes."""

    def number(at: int) -> tuple[int, int]:
        value, shift = 0, 0
        while True:
            value |= (message[at] & 0x7F) << shift
            shift, at = shift + 7, at + 1
            if not message[at - 1] & 0x80:
                return value, at

    found: list[tuple[int, Any]] = []
    at = 0
    while at < len(message):
        tag, at = number(at)
        value, at = number(at)
        if tag & 7 == 2:
            found.append((tag >> 3, message[at : at + value]))
            at += value
        else:
            found.append((tag >> 3, value))
    return found


def test_at_one_instant_what_ends_comes_before_what_begins_and_the_outer_before_the_inner() -> None:
    track, start, length = np.array([1] * 5), np.array([5, 0, 5, 8, 8]), np.array([3, 5, 2, 0, 4])
    looks = np.arange(5)
    forms = [form(BEGIN, 1, [number(10, name)]) for name in (1, 2, 3, 4, 5)]
    packets = _fields(b"".join(slice_packets(Slices(track, start, length, looks, forms, [b""] * 5))))
    told = []
    for _, content in packets:
        whole = dict(_fields(content))
        event = dict(_fields(whole[11]))
        told.append((whole[8], event.get(10, "end")))
    assert told == [
        *((0, 2), (5, "end"), (5, 1), (5, 3), (7, "end"), (8, "end")),
        *((8, 5), (8, 4), (8, "end"), (12, "end")),
    ]
