"""Damaged files: every whole event is kept, the rest is counted, and a cut is told."""

from __future__ import annotations

import gzip
import json
import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from sdtrace.reader import rows
from sdtrace.reader.events import Event, decode_event
from tests.fuzz.seeds import Seed, cut_out, shared_seeds
from tests.reader.decoder import Row, decode, read_text, rows_of


@pytest.fixture(scope="module")
def seeds(cpu_trace: Path) -> list[Seed]:
    rng = random.Random(7)
    return [*shared_seeds(rng), cut_out(cpu_trace, rng)]


def rows_in(events: tuple[bytes, ...]) -> list[Row]:
    return decode(f"[{b','.join(events).decode('utf-8', 'replace')}]").rows


@pytest.mark.parametrize("pack", [bytes, lambda data: gzip.compress(data)[:-8]], ids=["plain", "gzip"])
def test_a_file_cut_anywhere_keeps_every_event_before_the_cut(
    pack: Callable[[bytes], bytes], seeds: list[Seed], tmp_path: Path
) -> None:
    for seed in seeds:
        data, ends = seed.data(), seed.ends()
        for at in range(ends[0], ends[-1] + 1, len(data) // 60):
            whole = sum(end <= at for end in ends)
            raw = read_text(pack(data[:at]), tmp_path)
            assert raw.salvaged
            assert raw.skipped == 0
            assert rows_of(raw) == rows_in(seed.events[:whole])
            assert sum(raw.counts.values()) == whole


def test_an_archive_cut_anywhere_gives_what_came_before_and_says_so(
    seeds: list[Seed], tmp_path: Path
) -> None:
    for seed in seeds:
        packed = gzip.compress(seed.data())
        expected = rows_in(seed.events)
        # The last two bytes before gzip's trailer of eight may hold the end mark alone: then nothing is lost.
        for at in range(len(packed) // 2, len(packed) - 10, len(packed) // 20):
            raw = read_text(packed[:at], tmp_path, "trace.json.gz")
            found = rows_of(raw)
            assert raw.salvaged
            assert found
            assert found == expected[: len(found)]


def test_a_cut_in_the_keys_after_the_events_is_told_too(seeds: list[Seed], tmp_path: Path) -> None:
    seed = seeds[0]
    for tail in (b"\n  ]", b'\n  ],"traceName"', b'\n  ], "traceName": "x"'):
        raw = read_text(Seed(seed.name, seed.head, seed.events, tail).data(), tmp_path)
        assert raw.salvaged
        assert rows_of(raw) == rows_in(seed.events)


def test_a_damaged_beginning_costs_the_metadata_only(seeds: list[Seed], tmp_path: Path) -> None:
    for seed in seeds:
        damaged = seed.data().replace(b'"schemaVersion": ', b'"schemaVersion" ', 1)
        raw = read_text(damaged, tmp_path)
        assert raw.salvaged
        assert rows_of(raw) == rows_in(seed.events)


def test_a_file_that_ends_in_zeros_keeps_its_events(seeds: list[Seed], tmp_path: Path) -> None:
    seed = seeds[0]
    raw = read_text(seed.data()[: seed.ends()[-1]] + b"\0" * (1 << 20), tmp_path)
    assert raw.salvaged
    assert rows_of(raw) == rows_in(seed.events)


@pytest.mark.parametrize(
    ("dirt", "read_as"),
    [
        (b'"quoted"', '"quoted"'),
        (b'a, "b": c"', 'a, "b": c"'),
        (b"\xff\xfe", "��"),
        (b"\xed\xa0\x80", "���"),
        (b"\\ud800", "?"),
        (b"\x01\x1f", "\x01\x1f"),
        (b"\t", "\t"),
        (b"\r\n", "\r\n"),
        (b"<script>alert(1)</script>", "<script>alert(1)</script>"),
    ],
)
def test_a_bad_name_is_kept_and_nothing_else_changes(
    dirt: bytes, read_as: str, seeds: list[Seed], tmp_path: Path
) -> None:
    for seed in seeds:
        place = next(
            n for n, e in enumerate(seed.events) if n > 5 and b'"name": "' in e and b'"ph": "X"' in e
        )
        clean = seed.events[place]
        at = clean.index(b'"name": "') + len(b'"name": "')
        events = (*seed.events[:place], clean[:at] + dirt + clean[at:], *seed.events[place + 1 :])
        index = len(rows_in(seed.events[:place]))
        expected = rows_in(seed.events)
        expected[index] = expected[index]._replace(name=read_as + expected[index].name)
        for data in (seed.with_events(list(events)).data(), b"[" + b",".join(events) + b"]"):
            raw = read_text(data, tmp_path)
            assert rows_of(raw) == expected
            assert (raw.skipped, raw.salvaged) == (0, False)


@pytest.mark.parametrize(
    ("dirt", "read_as"),
    [
        (b"C:\\Users", "C:\\Users"),
        (b"a\\\\b", "a\\b"),
        (b"\\ud800", "?"),
        (b"\x02", "\x02"),
        (b"\xff", "\ufffd"),
    ],
)
def test_bad_names_throughout_are_not_decoded_one_by_one(
    dirt: bytes, read_as: str, seeds: list[Seed], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    alone: list[bytes] = []

    def decode_alone(text: bytes) -> Event | None:
        alone.append(text)
        return decode_event(text)

    monkeypatch.setattr(rows, "decode_event", decode_alone)
    monkeypatch.setattr("sdtrace.reader.events.decode_event", decode_alone)
    for seed in seeds:
        expected = [row._replace(name=read_as + row.name) for row in rows_in(seed.events)]
        read_text(seed.with_events([*seed.events] * 9).data(), tmp_path)
        usual = len(alone)
        alone.clear()
        events = [event.replace(b'"name": "', b'"name": "' + dirt, 1) for event in seed.events] * 9
        assert rows_of(read_text(seed.with_events(events).data(), tmp_path)) == expected * 9
        assert len(alone) <= usual
        alone.clear()


def test_what_was_not_damaged_is_read_as_before(seeds: list[Seed], tmp_path: Path) -> None:
    rng = random.Random(3)
    for seed in seeds:
        for _ in range(40):
            place = rng.randrange(len(seed.events))
            damaged = bytearray(seed.events[place])
            damaged[rng.randrange(3, len(damaged) - 1)] = rng.randrange(256)
            events = (*seed.events[:place], bytes(damaged), *seed.events[place + 1 :])
            found = rows_of(read_text(seed.with_events(list(events)).data(), tmp_path))
            before, after = rows_in(seed.events[:place]), rows_in(seed.events[place + 1 :])
            assert found[: len(before)] == before
            assert found[len(found) - len(after) :] == after
            assert len(found) - len(before) - len(after) in (0, 1)


GOOD: dict[str, Any] = {"ph": "X", "cat": "cpu_op", "name": "a", "pid": 1, "tid": 2, "ts": 10, "dur": 5}


UNUSABLE: dict[str, list[Any]] = {
    "ts": [None, "", "x", [], {}, True, float("nan"), float("inf"), 1e30, 10**40, 10**400],
    "dur": [None, "soon", float("nan"), -float("inf"), 10**400],
    "name": [None, 5, ["a"], {}],
    "pid": [None, 1.5, [1], {}, False],
    "tid": [None, 1.5, [1], {}, True, 2**64],
    "args": [5, 500, "text", [1, 2], True],
}


@pytest.mark.parametrize(
    "bad",
    [
        *(GOOD | {key: value} for key, values in UNUSABLE.items() for value in values),
        *({key: value for key, value in GOOD.items() if key != gone} for gone in ("ts", "dur")),
        {"ph": "i", "name": "[memory]", "tid": 1, "ts": "x", "args": {}},
        None,
        5,
        "text",
        [],
        [GOOD],
    ],
)
def test_an_event_that_cannot_be_used_is_counted_as_skipped(bad: Any, tmp_path: Path) -> None:
    raw = read_text(json.dumps([GOOD, bad, GOOD]), tmp_path)
    assert len(rows_of(raw)) == 2
    assert raw.skipped == 1
    assert sum(raw.counts.values()) == 2


@pytest.mark.parametrize(
    "args", [None, {}, [], {"External id": None}, {"External id": "x", "correlation": [1]}]
)
def test_arguments_that_say_nothing_cost_the_ids_only(args: Any, tmp_path: Path) -> None:
    [row] = rows_of(read_text(json.dumps([GOOD | {"args": args}]), tmp_path))
    assert (row.external_id, row.correlation) == (0, 0)


def test_metadata_that_json_does_not_allow_is_kept(tmp_path: Path) -> None:
    text = b'{"deviceProperties": [{"name": "a\xffb", "x": NaN}], "traceEvents": [%s], "traceName": "\xff"}'
    raw = read_text(text % json.dumps(GOOD).encode(), tmp_path)
    assert raw.top_level == {"deviceProperties": [{"name": "a�b", "x": "NaN"}], "traceName": "�"}
    assert not raw.salvaged
