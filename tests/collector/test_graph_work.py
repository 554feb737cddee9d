"""What each kernel of an image was, as it is recorded for CUDA graphs: against a plain count of the file."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path
from typing import Any

import msgspec
import pytest

from sdtrace_collector.graph_work import graph_work_of
from sdtrace_collector.protocol import GraphWork

TRACE = Path(__file__).parents[2] / "traces" / "h200-fp32_eager.json"
PARTS = ("text_encoder", "unet", "vae", "scheduler", "safety_checker")


@pytest.fixture(scope="module")
def found() -> GraphWork:
    return graph_work_of(TRACE)


@pytest.fixture(scope="module")
def events() -> list[dict[str, Any]]:
    trace = json.loads(TRACE.read_text(encoding="utf-8"))
    return [event for event in trace["traceEvents"] if event.get("ph") == "X"]


def innermost(events: list[dict[str, Any]], at: dict[str, Any]) -> dict[str, Any] | None:
    """The shortest of the events on this thread that hold the start of `at`."""
    around = [
        event
        for event in events
        if event["tid"] == at["tid"] and event["ts"] <= at["ts"] < event["ts"] + event["dur"]
    ]
    return min(around, key=lambda event: event["dur"], default=None)


def test_pieces_ops_and_components_are_those_of_a_plain_count(
    found: GraphWork, events: list[dict[str, Any]]
) -> None:
    ops = [event for event in events if event["cat"] == "cpu_op"]
    parts = [e for e in events if e["cat"] == "user_annotation" and e["name"] in PARTS]
    launches = {
        event["args"]["correlation"]: event
        for event in events
        if event["cat"] in ("cuda_runtime", "cuda_driver") and "correlation" in event["args"]
    }
    device = [event for event in events if event["cat"] in ("kernel", "gpu_memcpy", "gpu_memset")]
    wanted = []
    for piece in sorted(device, key=lambda event: event["ts"]):
        launch = launches[piece["args"]["correlation"]]
        op, part = innermost(ops, launch), innermost(parts, launch)
        if op is not None:
            wanted.append((piece["name"], op["name"], part["name"] if part else "", op["ts"]))
    told = [(found.kernels[kernel], found.ops[op][0], found.ops[op][2]) for kernel, op, _ in found.work]
    assert len(told) > 1000
    assert told == [(kernel, op, part) for kernel, op, part, _ in wanted]
    assert Counter(Counter(call for _, _, call in found.work).values()) == Counter(
        Counter(begun for *_, begun in wanted).values()
    ), "pieces of one call have one number"


def test_each_thing_is_written_once_and_comes_back_from_json(found: GraphWork) -> None:
    assert len(set(found.kernels)) == len(found.kernels)
    assert len(set(found.ops)) == len(found.ops)
    calls = list(dict.fromkeys(call for _, _, call in found.work))
    assert calls == list(range(len(calls))), "numbered in order"
    assert msgspec.json.decode(msgspec.json.encode(found), type=GraphWork) == found
