"""Figures of a comparison in the units that their names give."""

from __future__ import annotations

from msgspec.structs import replace

from sdtrace.analysis.regression import compare_traces, metrics
from sdtrace.model import Category, Overhead
from tests.report import sample


def test_a_metric_is_in_the_unit_of_its_name() -> None:
    overhead = Overhead(
        compile_us=1_000.0,
        autotune_us=2_000.0,
        capture_us=3_000.0,
        warmup_us=4_000.0,
        total_us=10_000.0,
        before_profile_us=5_000.0,
    )
    trace = replace(sample.cold(), overhead=overhead, unprofiled_wall_us=5_000.0)
    assert metrics(replace(trace, run={"peak_memory_bytes": 3 * 2**20}), True) == {
        "steady_ms": 5.0,
        "gpu_ms": 43.936658,
        "launches": 653.0,
        "paid_ms": 15.0,
        "before_profile_ms": 5.0,
        "overhead_ms": 10.0,
        "compile_ms": 1.0,
        "autotune_ms": 2.0,
        "capture_ms": 3.0,
        "warmup_ms": 4.0,
        "peak_memory_mib": 3.0,
    }


def test_work_is_a_mean_over_steady_iterations() -> None:
    base = sample.cold()
    assert base.steady is not None
    assert base.steady.iterations == 2
    before = Category(category="gemm", gpu_us=10.0, pct=100.0, calls=6)
    after = replace(before, gpu_us=30.0, calls=8)
    found = compare_traces(
        replace(base, categories=[before]), [replace(base, name="other", categories=[after])]
    )
    (mover,) = found.differences[0].categories
    assert (mover.base_us, mover.candidate_us, mover.change_us) == (5.0, 15.0, 10.0)
    assert (mover.base_calls, mover.candidate_calls) == (3.0, 4.0)
