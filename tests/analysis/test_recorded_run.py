from __future__ import annotations

from typing import Any

import pytest

from sdtrace.analysis.recorded_run import RecordedRun, recorded_run


def test_facts_of_the_collector() -> None:
    run = {"variant": "bf16", "unprofiled_wall_s": [0.3, 0.1, 0.2], "warmup_wall_s": [2.5, 0.25]}
    assert recorded_run(run) == RecordedRun(
        "bf16", [300_000_000, 100_000_000, 200_000_000], [2_500_000_000, 250_000_000]
    )
    assert recorded_run(run).unprofiled_wall_ns == 200_000_000


@pytest.mark.parametrize(
    "run",
    [
        {},
        {"variant": 3, "unprofiled_wall_s": 0.2, "warmup_wall_s": "2.5"},
        {"variant": None, "unprofiled_wall_s": [], "warmup_wall_s": None},
        {"unprofiled_wall_s": [-1, 0, float("inf"), float("nan"), "x"], "warmup_wall_s": [{}, 1e30]},
    ],
)
def test_a_trace_may_hold_anything_under_that_key(run: dict[str, Any]) -> None:
    assert recorded_run(run) == RecordedRun(None, [], [])
