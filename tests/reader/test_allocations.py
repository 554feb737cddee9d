"""Allocations, alone and by arrays: the same records, in the order of the file."""

from __future__ import annotations

import json
import random
from pathlib import Path
from typing import Any

import pytest

from sdtrace.reader.columns import MemoryEvent
from tests.reader.decoder import read_text

SIZES = ("Bytes", "Total Allocated", "Total Reserved", "Device Type", "Device Id", "Addr")

OP = {"ph": "X", "cat": "cpu_op", "name": "a", "pid": 1, "tid": 7, "ts": 1, "dur": 2}


def allocation(at: int, rng: random.Random) -> dict[str, Any]:
    sizes = (rng.randrange(-(10**9), 10**9), at, 5 * at, 1, rng.randrange(-1, 2), 140_000_000_000_000 + at)
    args = dict(zip(SIZES, sizes, strict=True))
    for name in rng.sample(SIZES, rng.choice([0, 0, 1])):
        del args[name]
    tid = rng.choice([7, 7, 7, "thread 7", -1])
    time = rng.choice([at, at + 0.25, at + 1_712_195_495_519_762, -at - 0.5])
    event = {"ph": "i", "cat": "cpu_instant_event", "name": "[memory]", "pid": 1, "tid": tid}
    return event | {"ts": time, "args": args | {"Ev Idx": at}}


def record(event: dict[str, Any]) -> MemoryEvent:
    sizes = (event["args"].get(name, -1 if name == "Total Reserved" else 0) for name in SIZES)
    return MemoryEvent(int(event["ts"] * 1000), event["tid"], *sizes)


@pytest.mark.parametrize("seed", range(8))
@pytest.mark.parametrize("layout", [{"separators": (",", ":")}, {"indent": 1}])
def test_allocations_are_read_by_arrays_as_one_by_one(
    seed: int, layout: dict[str, Any], alone: list[bytes], tmp_path: Path
) -> None:
    rng = random.Random(seed)
    events = [allocation(100 + at, rng) for at in range(1500)]
    events.insert(700, OP)
    raw = read_text(json.dumps({"traceEvents": events}, **layout), tmp_path)
    assert raw.memory == [record(event) for event in events if event["ph"] == "i"]
    assert raw.counts == {"cpu_op": 1, "cpu_instant_event": 1500}
    assert len(alone) < 500


def test_an_allocation_that_cannot_be_used_is_counted(tmp_path: Path) -> None:
    good = [allocation(at, random.Random(at)) for at in range(50)]
    for bad in ({"ts": "soon"}, {"args": [1]}, {"tid": None}):
        raw = read_text(json.dumps([OP, *good, good[0] | bad, *good]), tmp_path)
        assert (len(raw.memory), raw.skipped) == (100, 1)
