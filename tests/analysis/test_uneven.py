"""Iterations of which some wait long for data: the mean is what a training takes, the loader the cause."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pytest

from sdtrace.analysis import Options, analyze
from sdtrace.model import TraceReport
from tests.structure.pipelines import Recorder
from tests.written import MS, written

LOADER = "enumerate(DataLoader)#_MultiProcessingDataLoaderIter.__next__"


def trained(folder: Path, waits_ms: Sequence[int], waits_in: str = LOADER) -> TraceReport:
    """Training steps of 0.6 ms each, with a wait of so long before each of them."""
    run = Recorder()
    for number, wait_ms in enumerate(waits_ms):
        with run.mark(f"ProfilerStep#{number}", "user_annotation"):
            with run.mark(waits_in, "user_annotation"):
                run.idle(wait_ms * MS)
            run.ops(["conv2d", "batch_norm", "relu"] * 20)
    path = folder / "t.json"
    written(path, run.events)
    return analyze(path, Options.of())


def test_an_iteration_takes_the_mean_where_workers_of_a_loader_come_late_together(tmp_path: Path) -> None:
    report = trained(tmp_path, [0, 0, 0, 6] * 4)
    assert report.steady is not None
    assert report.steady.median_us < 1_000
    assert report.steady.mean_us is not None
    assert report.steady.usual_us == report.steady.mean_us > 2_000
    assert report.verdict is not None
    takes = next(line for line in report.verdict.lines if line.label == "Takes")
    assert "the mean: iterations wait for data for different times" in takes.rest


def test_the_loader_comes_first_where_it_holds_up_some_iterations_only(tmp_path: Path) -> None:
    report = trained(tmp_path, [0, 6, 2, 2, 0, 6, 2, 2])
    assert report.verdict is not None
    assert report.verdict.first == "host.data"
    saving = next(finding.saving for finding in report.findings if finding.id == "host.data")
    assert saving is not None
    assert saving.from_us == pytest.approx(3_100, rel=0.25)
    assert saving.to_us < 1_000


def test_what_is_alike_or_late_for_another_reason_is_told_by_the_median(tmp_path: Path) -> None:
    for waits_ms, waits_in in (([2] * 8, LOADER), ([0, 0, 0, 6] * 4, "save the weights")):
        report = trained(tmp_path, waits_ms, waits_in)
        assert report.steady is not None
        assert report.steady.mean_us is None
        assert report.steady.usual_us == report.steady.median_us
