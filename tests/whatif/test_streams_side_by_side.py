"""A change of the CPU's work lets no more GPU work run at the same time than did in the trace."""

from __future__ import annotations

from pathlib import Path

import msgspec

from sdtrace.analysis import Options, analyze
from tests.analysis.reference import finding
from tests.written import MS, Event, call, host, kernel

US = 1_000
PIECES = 8
LATER = 100 * US


def in_turns() -> list[Event]:
    """Kernels of 1 ms on two streams in turns, each launched when the CPU has waited for the one before."""
    events, at = [], 0
    for number in range(1, PIECES + 1):
        begun = at + LATER
        events += [
            host("aten::mm", at + 10 * US, begun - at),
            call("cudaLaunchKernel", begun - 10 * US, 8 * US, number),
            kernel("ampere_sgemm_128x64_nn", begun, MS, number, 7 + number % 2),
            call("cudaStreamSynchronize", begun + 20 * US, MS - 15 * US, 100 + number),
        ]
        at = begun + MS + 10 * US
    return [host("ProfilerStep#1", 0, at, "user_annotation"), *events]


def test_what_waited_for_each_other_is_not_promised_to_run_side_by_side(tmp_path: Path) -> None:
    path = tmp_path / "t.json"
    path.write_bytes(msgspec.json.encode({"schemaVersion": 1, "traceEvents": in_turns()}))
    waiting = finding(analyze(path, Options.of()), "host.sync")
    assert waiting is not None
    assert waiting.saving is not None
    work_us = PIECES * MS / US
    assert work_us <= waiting.saving.to_us < waiting.saving.from_us
    # At best the two streams need nothing of each other.
    assert waiting.saving.low_us < 0.7 * work_us
