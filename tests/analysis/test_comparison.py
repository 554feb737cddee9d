from __future__ import annotations

import json
from pathlib import Path

import pytest
from msgspec.structs import replace

from sdtrace.analysis import Options, analyze, build_report
from sdtrace.errors import UsageError
from sdtrace.model import Amortization, TraceReport
from sdtrace.report import summary
from sdtrace.report.side_by_side import standings
from tests.analysis.reference import COLD, EAGER, STACK, reported
from tests.written import images


def traced(path: Path, walls_ms: list[int], compile_ms: int = 0, **run: object) -> TraceReport:
    linked = {"sdtrace": {"schema": "sdtrace.run/1", **run}}
    path.write_text(json.dumps({**linked, "traceEvents": images(walls_ms, compile_ms)}), encoding="utf-8")
    return analyze(path, Options.of())


def only_row(traces: list[TraceReport], baseline: str | None = None) -> Amortization:
    comparison = build_report(traces, baseline).comparison
    assert comparison is not None
    (row,) = comparison.rows
    return row


def test_overhead_is_paid_back_after_as_many_iterations_as_the_arithmetic_says(tmp_path: Path) -> None:
    eager = traced(tmp_path / "eager.json", [100] * 4)
    compiled = traced(tmp_path / "compiled.json", [1040, 40, 40, 40], compile_ms=1000)
    row = only_row([eager, compiled])
    assert (row.name, row.steady_us, row.overhead_us) == ("compiled", 40_000, 1_000_000)
    assert row.speedup == 2.5
    assert row.saving_per_iteration_us == 60_000
    # 1000 / 60 = 16.7: 16 images are not enough, 17 are.
    assert row.break_even_iterations == 17
    assert "1.00 s more one-time cost / (100 ms - 40.0 ms) saved each time = 16.7" in row.arithmetic
    assert "ahead of `eager` from iteration 17 on (with the profiler)" in row.arithmetic


def test_a_draw_is_not_ahead_yet(tmp_path: Path) -> None:
    eager = traced(tmp_path / "eager.json", [100] * 4)
    compiled = traced(tmp_path / "compiled.json", [1050, 50, 50, 50], compile_ms=1000)
    assert only_row([eager, compiled]).break_even_iterations == 1000 // 50 + 1
    assert only_row([eager, traced(tmp_path / "fast.json", [50] * 4)]).break_even_iterations == 1


def test_what_is_slower_never_pays(tmp_path: Path) -> None:
    eager = traced(tmp_path / "eager.json", [100] * 4)
    slow = traced(tmp_path / "slow.json", [120] * 4)
    row = only_row([eager, slow], baseline="eager")
    assert row.break_even_iterations is None
    assert row.arithmetic == "Not faster than `eager`: 120 ms against 100 ms with the profiler"
    assert only_row([eager, slow]).name == "eager"


def test_times_without_the_profiler_count_when_all_traces_have_them(tmp_path: Path) -> None:
    first = replace(traced(tmp_path / "a.json", [100] * 4), unprofiled_wall_us=60_000.0)
    second = replace(traced(tmp_path / "b.json", [80] * 4), unprofiled_wall_us=20_000.0)
    assert only_row([first, second]).speedup == 3
    half = replace(second, unprofiled_wall_us=None)
    assert only_row([first, half]).speedup == 1.25


def test_what_was_paid_before_the_profiler_started_counts(tmp_path: Path) -> None:
    eager = traced(tmp_path / "eager.json", [100] * 4)
    warm = traced(tmp_path / "warm.json", [40] * 4, warmup_wall_s=[1.04, 0.04])
    assert only_row([eager, warm]).overhead_us == pytest.approx(1_000_000)
    assert (warm.overhead.before_profile_us, warm.overhead.total_us) == (1_000_000, 0)
    assert warm.overhead.paid_us == 1_000_000
    untold = traced(tmp_path / "untold.json", [40] * 4)
    assert untold.overhead.before_profile_us == 0
    quick = traced(tmp_path / "quick.json", [40] * 4, warmup_wall_s=[0.03], unprofiled_wall_s=[0.035])
    assert quick.overhead.before_profile_us == 0, "no iteration gives time back"


def test_what_is_not_compared_is_told_why(tmp_path: Path) -> None:
    gpu = "NVIDIA H200"
    a, b = (traced(tmp_path / f"{name}.json", [100] * 4, steps=50, device_name=gpu) for name in "ab")
    other = traced(tmp_path / "other.json", [50] * 4, steps=10, device_name=gpu)
    untold = traced(tmp_path / "untold.json", [50] * 4, steps=50)
    standing = {item.trace.name: item for item in standings(build_report([a, b, other, untold]))}
    assert standing["other"].told == "Not compared with `a`: steps 10, not 50."
    assert standing["untold"].told == "Not compared with `a`: device unknown, not NVIDIA H200."
    assert standing["b"].speedup == 1
    single = traced(tmp_path / "single.json", [1040], compile_ms=1000, unprofiled_wall_s=[0.04], steps=50)
    alike = [traced(tmp_path / f"{name}.json", [100] * 4, steps=50) for name in "cd"]
    linked = [item.told for item in standings(build_report([*alike, single]))]
    assert linked[2] == "Not compared with `c`: it has no steady iteration with the profiler."


def test_the_headline_says_what_was_paid_before_the_profile(tmp_path: Path) -> None:
    warm = traced(tmp_path / "warm.json", [40] * 4, warmup_wall_s=[1.04, 0.04])
    assert "One-time cost before the profiler started: 1.00 s." in summary.headline(warm)
    assert "before it" not in summary.headline(traced(tmp_path / "untold.json", [40] * 4))


def test_traces_without_steady_iterations_are_not_compared(tmp_path: Path) -> None:
    eager = traced(tmp_path / "eager.json", [100] * 4)
    single = traced(tmp_path / "single.json", [1040], compile_ms=1000)
    assert single.steady is None
    assert build_report([eager, single]).comparison is None
    assert build_report([eager]).comparison is None


def test_names_are_unique_and_baselines_known(tmp_path: Path) -> None:
    trace = traced(tmp_path / "same.json", [100] * 4)
    report = build_report([trace, trace, trace])
    assert [item.name for item in report.traces] == ["same", "same (2)", "same (3)"]
    with pytest.raises(UsageError, match="no trace is named 'other'"):
        build_report([trace], baseline="other")


def test_a_trace_that_is_called_like_a_number_keeps_its_name(tmp_path: Path) -> None:
    orders = [("a", "a", "a (2)"), ("a (2)", "a", "a"), ("a", "a (2)", "a"), ("a", "a", "a (2)", "a (2)")]
    trace = traced(tmp_path / "a.json", [50, 50, 50])
    for names in orders:
        report = build_report([replace(trace, name=name) for name in names])
        given = [item.name for item in report.traces]
        assert len(set(given)) == len(names)
        assert {"a", "a (2)", "a (3)"} <= set(given)
        assert report.comparison is not None
        assert report.comparison.baseline not in {row.name for row in report.comparison.rows}


def test_the_cold_reference_run_pays_back_against_eager_after_a_hundred_images() -> None:
    """10 steps against 4: the arithmetic is the point, not the verdict."""
    cold, eager = reported(COLD), reported(EAGER)
    row = only_row([cold, eager, reported(STACK)])
    assert row.name == cold.name
    extra = cold.overhead.total_us - eager.overhead.total_us
    assert cold.steady is not None
    assert eager.steady is not None
    saving = eager.steady.median_us - cold.steady.median_us
    assert row.break_even_iterations == int(extra / saving) + 1
