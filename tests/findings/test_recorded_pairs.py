"""Pairs of recordings on an H100: nearly the same script, with and without what a finding says.

`loop`: two layers of a transformer in a loop of 6 steps, with `gc.collect()` or a loop in Python after each.
`memory`: a VAE decodes 8 images, with 94 % of the card's memory taken by something else, or none. `clock`:
five products of 8192x8192 at a time, with pauses of 60 ms, or from the 81st time on without; NVML read
1,980 MHz and 218 W with pauses, and at the end without 1,425 MHz and 684 W.
"""

from __future__ import annotations

import gzip
import json
from functools import cache
from statistics import median
from typing import Any

import pytest

from sdtrace.model import Finding
from tests.fields import FIELD
from tests.loaded import report_of


@cache
def found(name: str) -> dict[str, Finding]:
    return {finding.id: finding for finding in report_of(path(name)).findings}


@cache
def events(name: str) -> list[dict[str, Any]]:
    read: list[dict[str, Any]] = json.loads(gzip.decompress(path(name).read_bytes()))["traceEvents"]
    return sorted((event for event in read if event.get("ph") == "X"), key=lambda event: float(event["ts"]))


def path(name: str) -> Any:
    return FIELD / f"h100_{name}.json.gz"


def test_a_loop_that_collects_garbage_is_told_so_and_what_it_would_take() -> None:
    collecting = found("loop_gc")["host.gc"]
    assert "host.gc" not in found("loop_nothing")
    (without,) = (report_of(path("loop_nothing")).unprofiled,)
    assert collecting.severity == "high"
    assert collecting.saving is not None
    assert without is not None
    assert collecting.saving.low_us < without.mid_us < collecting.saving.high_us
    # By hand: collections without a kernel, copy or fill beside them, of the time of the image.
    calls = [event for event in events("loop_gc") if event["name"] == "<built-in function collect>"]
    assert len(calls) == 6
    work = [event for event in events("loop_gc") if event["cat"] in ("kernel", "gpu_memcpy", "gpu_memset")]
    beside = sum(shared(call, piece) for call in calls for piece in work)
    idle = sum(row.us for row in report_of(path("loop_gc")).idle if row.cause == "gc")
    assert idle == pytest.approx(sum(call["dur"] for call in calls) - beside, rel=0.01)


def test_python_between_the_steps_is_told_with_its_function() -> None:
    python = found("loop_python")["host.python"]
    assert "host.python" not in found("loop_nothing").keys() | found("loop_gc").keys()
    assert "loop.py(16): captions" in python.evidence
    calls = [event for event in events("loop_python") if event["name"].endswith("loop.py(16): captions")]
    assert len(calls) == 6
    work = [
        event for event in events("loop_python") if event["cat"] in ("kernel", "gpu_memcpy", "gpu_memset")
    ]
    beside = sum(shared(call, piece) for call in calls for piece in work)
    idle = sum(row.us for row in report_of(path("loop_python")).idle if row.cause == "python")
    assert idle == pytest.approx(sum(call["dur"] for call in calls) - beside, rel=0.02)
    # A recorded wall tells how fast this Python is, not how fast the rest is.
    without = report_of(path("loop_nothing")).unprofiled
    assert python.saving is not None
    assert without is not None
    assert python.saving.low_us < without.low_us < without.high_us < python.saving.high_us


def shared(one: dict[str, Any], other: dict[str, Any]) -> float:
    begun, done = max(one["ts"], other["ts"]), min(one["ts"] + one["dur"], other["ts"] + other["dur"])
    return max(0.0, float(done - begun))


def test_a_card_that_lowers_its_clock_is_told_by_its_kernels() -> None:
    slower = found("clock_busy")["device.clock"]
    assert "device.clock" not in found("clock_pauses")
    ratios = {}
    for name in ("clock_busy", "clock_pauses"):
        took = [
            event["dur"] for event in events(name) if event["cat"] == "kernel" and "nvjet" in event["name"]
        ]
        assert len(took) == 1200
        ratios[name] = median(took[-400:]) / median(took[:200])
    assert ratios["clock_busy"] == pytest.approx(1.15, abs=0.01)
    assert ratios["clock_pauses"] == pytest.approx(1.0, abs=0.005)
    assert f"take {ratios['clock_busy']:.2f} times as long" in slower.title


def test_memory_near_the_limit_is_told_with_what_it_does_to_convolutions() -> None:
    full, free = found("memory_full"), found("memory_free")
    assert "device.memory_limit" not in free
    # torch.cuda.memory_stats() gave 84,120,961,024 reserved bytes at most, and 33 retries of an allocation.
    assert f"{84_120_961_024 / 2**30:.1f} GiB of 79.2 GiB" in full["device.memory_limit"].evidence
    slow = [event for event in events("memory_full") if "convolve_sgemm<__nv_bfloat16" in event["name"]]
    work = [
        event for event in events("memory_full") if event["cat"] in ("kernel", "gpu_memcpy", "gpu_memset")
    ]
    share = 100 * sum(event["dur"] for event in slow) / sum(event["dur"] for event in work)
    assert f"{share:.1f} % of steady GPU time" in full["device.memory_limit"].evidence
    # Nothing is in float32: those kernels take bfloat16, and no type makes them faster.
    assert not {"device.float32", "device.tf32"} & full.keys()
