"""Plain HTA, with its own loader and nothing of sdtrace, reads what the collector writes."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import pytest

from tests.hta import raw

pytestmark = pytest.mark.filterwarnings("ignore::FutureWarning", "ignore::RuntimeWarning")
EAGER, GRAPHS = raw.path_of(raw.EAGER), raw.path_of(raw.GRAPHS)


def work(analysis: Any, rank: int) -> Any:
    frame = analysis.t.get_trace(rank)
    return frame[frame["stream"] >= 0]


def test_a_folder_with_a_trace(tmp_path: Path) -> None:
    from hta.trace_analysis import TraceAnalysis  # noqa: PLC0415  # needs HTA

    shutil.copy(EAGER, tmp_path)
    plain = TraceAnalysis(trace_dir=str(tmp_path))
    expected = raw.work_of(EAGER)
    assert len(work(plain, 0)) == len(expected)
    _, kernels = plain.get_gpu_kernel_breakdown(visualize=False, num_kernels=10_000)
    exact_us = sum(item.end_ns - item.start_ns for item in expected) / 1000
    # HTA cuts times to whole microseconds: each piece of work loses up to two of them.
    assert exact_us - 2 * len(expected) < kernels["sum (us)"].sum() < exact_us


def test_two_traces_are_two_ranks(tmp_path: Path) -> None:
    from hta.trace_analysis import TraceAnalysis  # noqa: PLC0415  # needs HTA

    for rank, path in enumerate((EAGER, GRAPHS)):
        text = path.read_text("utf-8").replace("{", f'{{\n"distributedInfo": {{"rank": {rank}}},', 1)
        (tmp_path / path.name).write_text(text, "utf-8")
    plain = TraceAnalysis(trace_dir=str(tmp_path))
    assert plain.t.get_ranks() == [0, 1]
    assert [len(work(plain, rank)) for rank in (0, 1)] == [len(raw.work_of(p)) for p in (EAGER, GRAPHS)]
