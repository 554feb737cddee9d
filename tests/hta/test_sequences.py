"""Kernel sequences of ops are those that HTA finds, and the trace that shows them is the same."""

from __future__ import annotations

import gzip
import json
from copy import copy
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.hta import raw
from tests.hta.conftest import Loaded

pytestmark = pytest.mark.filterwarnings("ignore::FutureWarning", "ignore::RuntimeWarning")
MI250 = "hta_mi250_rocm62_training"
TIMES = ["GPU kernel duration (us)", "CPU op duration (us)"]


def theirs(hta: Any, operator: str, folder: Path, least: int) -> Any:
    """HTA's own result on the exact frame. Its call graph leaves out work of stream 0."""
    from hta.analyzers.cuda_kernel_analysis import CudaKernelAnalysis  # noqa: PLC0415  # needs HTA

    shadow = copy(hta.nanoseconds)
    frame = shadow.get_trace(0)
    streams = frame["stream"]
    shadow.traces = {0: frame.assign(stream=streams.where(streams < 0, streams + 1))}
    found = CudaKernelAnalysis.get_frequent_cuda_kernel_sequences(
        shadow, operator, str(folder), least, visualize=False
    )
    return found.assign(**{name: found[name] / 1000 for name in TIMES})


@pytest.mark.parametrize(
    ("name", "operator", "least", "rows"),
    [
        (raw.GRAPHS, "aten::conv", 1, 7),
        (raw.GRAPHS, "Torch-Compiled Region", 3, 2),
        # Backward passes run below the profiler's steps, and so their ops are deeper than others.
        (MI250, "aten::add", 1, 1),
    ],
)
def test_sequences_are_those_of_hta(
    loaded: Loaded, tmp_path: Path, name: str, operator: str, least: int, rows: int
) -> None:
    hta = loaded(name)[1]
    expected, found = theirs(hta, operator, tmp_path, least), hta.kernel_sequences(operator, least)
    assert len(found) == rows
    assert found[["pattern", "count"]].equals(expected[["pattern", "count"]])
    assert np.abs(found[TIMES] - expected[TIMES]).max(axis=None) < 1e-6


@pytest.mark.parametrize("compress", [True, False])
def test_the_trace_with_sequences_is_that_of_hta(loaded: Loaded, tmp_path: Path, compress: bool) -> None:
    hta = loaded(MI250)[1]
    found = hta.get_frequent_cuda_kernel_sequences(
        "aten::add", str(tmp_path), 1, compress_other_kernels=compress
    )
    assert len(found) == 1
    (path,) = tmp_path.iterdir()
    ours = json.loads(gzip.decompress(path.read_bytes()))["traceEvents"]
    from hta.analyzers.cuda_kernel_analysis import CudaKernelAnalysis  # noqa: PLC0415  # needs HTA

    CudaKernelAnalysis.get_frequent_cuda_kernel_sequences(
        hta.nanoseconds, "aten::add", str(tmp_path), 1, visualize=False, compress_other_kernels=compress
    )
    expected = json.loads(gzip.decompress(path.read_bytes()))["traceEvents"]
    assert sum("Patterns" in event["args"] for event in ours) > 2
    assert ours == expected


def test_an_annotation_has_sequences_though_the_gpu_has_a_range_of_that_name(loaded: Loaded) -> None:
    found = loaded(raw.EAGER)[1].kernel_sequences("model_inference")
    assert found["count"].tolist() == [2]


def test_what_launches_nothing_has_none(tmp_path: Path, loaded: Loaded) -> None:
    hta = loaded(raw.EAGER)[1]
    for operator in ("nowhere", "aten::empty", ""):
        assert hta.get_frequent_cuda_kernel_sequences(operator, str(tmp_path)).empty
    assert not list(tmp_path.iterdir())


def test_lengthless_ops_are_called_by_what_runs_or_begins_then() -> None:
    from sdtrace.hta.call_order import call_order  # noqa: PLC0415  # numpy alone

    start, dur = (np.array(values) for values in ([0, 5, 10, 10, 20, 20], [10, 5, 10, 0, 0, 0]))
    order = call_order(np.zeros(6, np.int64), start, dur)
    assert order.event.tolist() == [0, 1, 2, 3, 4, 5]
    assert order.depth.tolist() == [0, 1, 0, 1, 1, 2]
