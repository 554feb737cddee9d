"""The copy as a file: the original text kept, whatever its packing, and closed where it was cut."""

from __future__ import annotations

import gzip
import json
import re
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sdtrace.errors import OutputError, UnreadableTrace
from sdtrace.export import write_perfetto
from sdtrace.export.overlaps import Misfit, find_misfits
from sdtrace.export.track_edits import move_events
from sdtrace.trace import load_trace

TRACES = Path(__file__).parents[2] / "traces"
EAGER = TRACES / "h200-fp32_eager.json"
COLD = TRACES / "h200-bf16_sdpa_regional.cold.json.gz"


def _event(name: str, start_us: float, dur_us: float, tid: int = 1) -> dict[str, Any]:
    place = {"ph": "X", "cat": "cpu_op", "name": name, "pid": 1, "tid": tid}
    return {**place, "ts": start_us, "dur": dur_us}


def _written(source: Path, target: Path) -> bytes:
    write_perfetto(source, target, force=False)
    content = target.read_bytes()
    return gzip.decompress(content) if target.suffix == ".gz" else content


def _whole_events(text: str) -> list[dict[str, Any]]:
    """The events before the place where the text ends, read one at a time."""
    events: list[dict[str, Any]] = []
    decode, at = json.JSONDecoder().raw_decode, text.index('"traceEvents": [') + 16
    while (start := text.find("{", at)) >= 0:
        try:
            event, at = decode(text, start)
        except json.JSONDecodeError:
            break
        events.append(event)
    return events


def _is_ours(event: dict[str, Any]) -> bool:
    return event.get("pid") == "sdtrace"


def test_what_was_there_stays_byte_for_byte(tmp_path: Path) -> None:
    text = EAGER.read_bytes()
    head, tail = text.split(b'"traceEvents": [', 1)
    copy = _written(EAGER, tmp_path / "copy.json")
    assert copy.startswith(head)
    assert copy.endswith(tail)
    added = json.loads(b"[" + copy[len(head) + 16 : -len(tail)].rstrip(b",\n") + b"]")
    assert len(added) > 10
    assert all(map(_is_ours, added))


def test_packed_or_plain_in_and_out_is_the_same_text(tmp_path: Path) -> None:
    packed = tmp_path / "packed.json.gz"
    packed.write_bytes(gzip.compress(EAGER.read_bytes()))
    plain = _written(EAGER, tmp_path / "plain.json")
    for number, (source, suffix) in enumerate([(EAGER, ".json.gz"), (packed, ".json"), (packed, ".json.gz")]):
        assert _written(source, tmp_path / f"copy{number}{suffix}") == plain


def test_only_the_track_of_overlapping_events_changes(tmp_path: Path) -> None:
    before = json.loads(gzip.decompress(COLD.read_bytes()))["traceEvents"]
    after = [
        event
        for event in json.loads(_written(COLD, tmp_path / "c.json"))["traceEvents"]
        if not _is_ours(event)
    ]
    moved = [(old, new) for old, new in zip(before, after, strict=True) if old != new]
    assert len(moved) == len(find_misfits(load_trace(COLD))) > 0
    for old, new in moved:
        assert re.fullmatch(rf"{old['tid']} overlap \d+", new["tid"])
        assert old == {**new, "tid": old["tid"]}


@pytest.mark.parametrize(
    "text",
    [
        json.dumps([_event("a", 1.5, 2.0), _event("b", 4.0, 2.0)]),
        json.dumps([_event("a", 1.5, 2.0), _event("b", 4.0, 2.0)], indent=2),
        json.dumps(
            {"traceEvents": [_event("a", 1.5, 2.0)], "other": {"x": [{"ph": 1}]}}, separators=(",", ":")
        ),
        '\ufeff {"a": {"traceEvents": [1]}, "traceEvents" :\n[ ' + json.dumps(_event("a", 1, 2)) + " ]}",
    ],
    ids=["array", "pretty array", "compact object", "nested key"],
)
def test_every_layout_stays_json_with_all_its_events(text: str, tmp_path: Path) -> None:
    source = tmp_path / "source.json"
    source.write_text(text)
    copy = json.loads(_written(source, tmp_path / "copy.json").decode("utf-8-sig"))
    original = json.loads(text.removeprefix("\ufeff"))
    if isinstance(original, list):
        assert [event for event in copy if not _is_ours(event)] == original
    else:
        kept = [event for event in copy["traceEvents"] if not _is_ours(event)]
        assert {**copy, "traceEvents": kept} == original


@pytest.mark.parametrize("share", [0.3, 0.77, 0.9999])
def test_a_file_that_was_cut_is_closed_after_its_last_whole_event(share: float, tmp_path: Path) -> None:
    text = EAGER.read_bytes()
    source = tmp_path / "cut.json"
    source.write_bytes(text[: int(len(text) * share)])
    copy = json.loads(_written(source, tmp_path / "copy.json"))
    kept = [event for event in copy["traceEvents"] if not _is_ours(event)]
    assert kept == _whole_events(source.read_text())
    assert load_trace(source).salvaged


def test_a_cut_array_whose_last_event_is_whole_loses_none(tmp_path: Path) -> None:
    events = [_event("a", 1, 2), {**_event("b", 5, 2), "args": {"list": [{"x": 1}, {"y": 2}]}}]
    source = tmp_path / "cut.json"
    source.write_text(json.dumps(events)[:-1] + ",\n")
    copy = json.loads(_written(source, tmp_path / "copy.json"))
    assert [event for event in copy if not _is_ours(event)] == events


def test_nothing_is_left_when_it_fails(tmp_path: Path) -> None:
    target = tmp_path / "copy.json"
    target.write_text("precious")
    with pytest.raises(OutputError, match="exists already"):
        write_perfetto(EAGER, target, force=False)
    bad = tmp_path / "bad.json"
    bad.write_text('{"traceEvents": []}')
    with pytest.raises(UnreadableTrace):
        write_perfetto(bad, target, force=True)
    assert target.read_text() == "precious"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["bad.json", "copy.json"]


_SPANS = st.lists(
    st.tuples(st.integers(0, 60), st.integers(0, 30), st.integers(1, 2)), min_size=1, max_size=40
)


@given(spans=_SPANS)
def test_after_moving_everything_nests(
    spans: list[tuple[int, int, int]], tmp_path_factory: pytest.TempPathFactory
) -> None:
    folder = tmp_path_factory.mktemp("spans")
    events = [_event(f"e{n}", start, dur, tid) for n, (start, dur, tid) in enumerate(spans)]
    (folder / "t.json").write_text(json.dumps(events))
    copy = json.loads(_written(folder / "t.json", folder / "copy.json"))
    kept = [event for event in copy if not _is_ours(event)]
    assert [event["name"] for event in kept] == [event["name"] for event in events]
    for a in kept:
        for b in kept:
            if a["tid"] == b["tid"] and a["ts"] < b["ts"] < a["ts"] + a["dur"]:
                assert b["ts"] + b["dur"] <= a["ts"] + a["dur"]


@given(cuts=st.lists(st.integers(0, 400), max_size=6))
def test_moving_does_not_depend_on_where_blocks_end(cuts: list[int]) -> None:
    text = json.dumps([_event("a", 1.5, 2.25), _event("b", 1234.567, 8.9, 77), _event("c", 3, 1)]).encode()
    edges = [0, *sorted(min(cut, len(text)) for cut in cuts), len(text)]
    blocks = [text[start:end] for start, end in pairwise(edges)]
    misfits = [Misfit("1", 1_500, 2_250, 1), Misfit("77", 1_234_567, 8_900, 2), Misfit("1", 3_000, 1_001, 1)]
    moved = json.loads(b"".join(move_events(blocks, misfits)))
    assert [event["tid"] for event in moved] == ["1 overlap 1", "77 overlap 2", 1]
