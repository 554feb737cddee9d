"""A transformer that accelerate split over two H100s (`device_map="auto"`), recorded by `sdtrace run`.

FLUX's geometry with 4 and 8 blocks; 4 blocks and one run on GPU 0, seven on GPU 1. The script decodes each
image itself, after the pipeline's call. Cut to the first of four steps of each image.
"""

from __future__ import annotations

import gzip
import json
from typing import Any

import pytest

import sdtrace
from tests.fields import FIELD
from tests.loaded import analysis_of

PATH = FIELD / "h100_sharded.json.gz"
WORK = ("kernel", "gpu_memcpy", "gpu_memset")


@pytest.fixture(scope="module")
def trace() -> dict[str, Any]:
    read: dict[str, Any] = json.loads(gzip.decompress(PATH.read_bytes()))
    return read


@pytest.fixture(scope="module")
def analysis() -> sdtrace.Analysis:
    return analysis_of(PATH)


def spans(events: list[dict[str, Any]]) -> list[tuple[float, float]]:
    return sorted((event["ts"], event["ts"] + event["dur"]) for event in events)


def length(parts: list[tuple[float, float]]) -> float:
    """Of their union."""
    total, reached = 0.0, float("-inf")
    for begun, done in parts:
        total += max(0.0, done - max(begun, reached))
        reached = max(reached, done)
    return total


def test_an_image_is_the_call_that_was_timed_and_no_decode_after_it(
    trace: dict[str, Any], analysis: sdtrace.Analysis
) -> None:
    named = [event for event in trace["traceEvents"] if event.get("cat") == "user_annotation"]
    calls = spans([event for event in named if event["name"] == "model_inference"])
    rows = analysis.report.iterations
    assert [row.host_wall_us for row in rows] == pytest.approx(
        [done - begun for begun, done in calls], abs=0.01
    )
    assert all(row.is_whole and row.phase == "steady" and row.steps == 1 for row in rows)
    recorded = trace["sdtrace"]["profiled_wall_s"]
    assert [row.host_wall_us / 1e6 for row in rows] == pytest.approx(recorded, rel=0.03)
    # Only a decoder convolves here.
    decode = [event for event in trace["traceEvents"] if event.get("name") == "aten::cudnn_convolution"]
    assert len(decode) > 10
    assert all(calls[0][1] < event["ts"] < calls[1][0] for event in decode)


def test_each_gpu_has_its_own_busy_time_and_a_gpu_works_while_any_does(
    trace: dict[str, Any], analysis: sdtrace.Analysis
) -> None:
    work = [event for event in trace["traceEvents"] if event.get("cat") in WORK]
    each = [spans([event for event in work if event["pid"] == gpu]) for gpu in (0, 1)]
    assert [row.busy_us for row in analysis.report.devices] == pytest.approx([*map(length, each)], rel=1e-5)
    calls = {row.index: (row.start_us, row.start_us + row.wall_us) for row in analysis.report.iterations}
    origin = min(event["ts"] for event in trace["traceEvents"] if event.get("ph") == "X")
    for row in analysis.report.iterations:
        begun, done = (origin + at for at in calls[row.index])
        held = [[(max(a, begun), min(b, done)) for a, b in parts if b > begun and a < done] for parts in each]
        assert row.any_busy_us == pytest.approx(length(sorted(held[0] + held[1])), rel=1e-4)
        assert row.gpu_busy_us == pytest.approx(sum(map(length, held)) / 2, rel=1e-4)
    assert analysis.report.verdict is not None
    assert "At least one GPU works for" in analysis.report.verdict.text


def test_gpus_that_take_turns_are_told_so(analysis: sdtrace.Analysis) -> None:
    turns = next(row for row in analysis.report.findings if row.id == "device.turns")
    assert "more than one works for 0.0 %" in turns.evidence
    bound = next(row for row in analysis.report.findings if row.id == "host.launch_bound")
    assert bound.saving is None, "no CUDA graph holds work of two GPUs"
