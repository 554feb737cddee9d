"""Inputs of kinds that people meet, from the file to the report: what the page must say, and must not."""

from __future__ import annotations

import pytest

from sdtrace.report.summary import headline
from tests.fields import findings_of, report_of


def test_clocks_apart_are_said_and_set_right() -> None:
    """By its answer: 160 of 160 kernels begin 50 ms before their launch; true busy share 48.5 %."""
    report, findings = report_of("device_clock_early.json"), findings_of("device_clock_early.json")
    assert "160 pieces of GPU work begin before their own launch" in findings["trace.clock"].title
    assert report.lost is not None
    assert report.lost.clock_shift_us == pytest.approx(50_000, rel=0.05)
    assert "48.5 % of it" in headline(report)
    assert not [
        item for item in findings.values() if item.id.startswith("host.") and item.confidence == "certain"
    ]


def test_launches_without_any_kernel_are_no_run_on_the_cpu() -> None:
    findings = findings_of("launches_without_any_kernel.json")
    assert findings["trace.lost_work"].severity == "high"
    assert "80 times" in findings["trace.lost_work"].evidence
    assert "trace.no_device_work" not in findings
    assert not [item for item in findings.values() if "CPU runs" in item.evidence + item.advice]


def test_a_model_split_over_two_gpus_waits_half_the_time() -> None:
    """By its answer: each GPU busy 196 of 400 ms, and each waits half the time for the other."""
    report = report_of("model_split_over_two_gpus.json.gz")
    assert [(row.index, row.busy_us) for row in report.devices] == [(0, 196_000.0), (1, 196_000.0)]
    assert "49.0 % of it" in headline(report)
    turns = findings_of("model_split_over_two_gpus.json.gz")["device.turns"]
    assert turns.severity == "high"


def test_merged_ranks_are_two_devices_with_their_own_work() -> None:
    report = report_of("two_ranks_merged.json")
    assert [row.kernels for row in report.devices] == [20, 20]
    assert report.gpu.launches == 40
    shares = {row.category: (row.calls, row.gpu_us) for row in report.categories}
    assert shares == {"convolution": (20, 6000.0), "gemm": (20, 2000.0)}


def test_a_period_found_in_the_ops_is_a_guess_in_the_headline() -> None:
    report = report_of("user_do_bench.json.gz")
    assert "100 iterations (guess) in" in headline(report)
    assert report.verdict is not None
    assert "Where iterations begin and end is a guess." in report.verdict.text
    assert "overhead.once" not in findings_of("user_do_bench.json.gz")


def test_marked_steps_are_certain_and_the_headline_has_no_doubt() -> None:
    report = report_of("old_profilerstep_operator.json")
    assert report.structure is not None
    assert report.structure.confidence == "certain"
    assert headline(report).startswith("As profiled: 6 iterations in ")
