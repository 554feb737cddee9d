"""What became slower, which work did it, and when that is a failure."""

from __future__ import annotations

import json
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from sdtrace.analysis.conditions import METRICS, parse_condition
from sdtrace.analysis.regression import Difference, Regression, compare_traces
from sdtrace.errors import UsageError
from sdtrace.model import TraceReport
from tests.cli.command import ANY_WORK, COLD, EAGER, GRAPHS, MINIMAL, complaint, run
from tests.loaded import report_of


@pytest.fixture(scope="module")
def reports() -> dict[str, TraceReport]:
    return {path.name: report_of(path, "steady") for path in (EAGER, GRAPHS, COLD)}


@pytest.fixture(scope="module")
def comparison(reports: dict[str, TraceReport]) -> Regression:
    return compare_traces(reports[EAGER.name], [reports[GRAPHS.name]])


def _figures(found: Difference) -> dict[str, tuple[float | None, float | None]]:
    return {measure.metric: (measure.base, measure.candidate) for measure in found.measures}


def test_the_figures_are_those_of_the_run(comparison: Regression) -> None:
    facts = []
    for path in (EAGER, GRAPHS):
        told = json.loads(path.read_text())["sdtrace"]
        facts.append(json.loads(told) if isinstance(told, str) else told)
    figures = _figures(comparison.differences[0])
    assert comparison.is_unprofiled
    assert list(figures) == list(METRICS)
    for side, recorded_run in enumerate(facts):
        walls = sorted(recorded_run["unprofiled_wall_s"])
        assert figures["steady_ms"][side] == pytest.approx(1000 * walls[len(walls) // 2])
        assert figures["peak_memory_mib"][side] == recorded_run["peak_memory_bytes"] / 2**20


def test_kernels_are_means_over_steady_iterations(comparison: Regression) -> None:
    """Both traces are steady from end to end, so the file's kernels are those of steady state."""
    means = []
    for path in (EAGER, GRAPHS):
        events = json.loads(path.read_text())["traceEvents"]
        images = sum(e.get("name") == "model_inference" and e["cat"] == "user_annotation" for e in events)
        sums: dict[str, float] = {}
        for event in events:
            if event.get("cat") in {"kernel", "gpu_memcpy", "gpu_memset"}:
                sums[event["name"]] = sums.get(event["name"], 0.0) + event["dur"] / images
        means.append(sums)
    before, after = means
    found = {mover.name: mover for mover in comparison.differences[0].kernels}
    for name in {**before, **after}:
        if before.get(name) == after.get(name):
            continue
        assert found[name].base_us == pytest.approx(before.get(name, 0.0))
        assert found[name].candidate_us == pytest.approx(after.get(name, 0.0))
        state = (
            "moved" if name in before and name in after else "appeared" if name in after else "disappeared"
        )
        assert found[name].state == state


def test_movers_come_with_the_largest_change_first(comparison: Regression) -> None:
    found = comparison.differences[0]
    for movers in (found.categories, found.kernels):
        assert all(abs(a.change_us) >= abs(b.change_us) for a, b in pairwise(movers))
    total = sum(mover.change_us for mover in found.categories)
    assert total == pytest.approx(sum(mover.change_us for mover in found.kernels))


def test_a_trace_against_itself_differs_in_nothing(reports: dict[str, TraceReport]) -> None:
    report = reports[COLD.name]
    found = compare_traces(report, [report]).differences[0]
    assert found.categories == found.kernels == []
    assert all(measure.base == measure.candidate for measure in found.measures)
    assert all(measure.change_pct in (0, None) for measure in found.measures)


def test_different_workloads_are_said_to_be_and_in_what(comparison: Regression) -> None:
    # By the runs' own facts: one step an image in the one, two in the other, all else alike.
    assert comparison.differences[0].notes == [
        "The runs differ (steps 2, not 1): their times say little about each other."
    ]


@pytest.mark.parametrize(
    ("text", "base", "candidate", "met"),
    [
        ("steady_ms>+5%", 100.0, 105.1, True),
        ("steady_ms>+5%", 100.0, 105.0, False),
        ("steady_ms>=+5%", 100.0, 105.0, True),
        ("steady_ms<-3%", 100.0, 96.9, True),
        ("steady_ms<-3%", 100.0, 97.1, False),
        (" launches > 2000 ", 9.0, 2001.0, True),
        ("gpu_ms<=1.5", 9.0, 1.5, True),
        ("gpu_ms<1.5", 9.0, 1.5, False),
        ("compile_ms>+0%", 0.0, 0.1, True),
    ],
)
def test_conditions(text: str, base: float, candidate: float, met: bool) -> None:
    assert parse_condition(text).is_met(base, candidate) is met


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("steady>5%", "did you mean 'steady_ms'?"),
        ("speed>5", "metrics are steady_ms"),
        ("steady_ms", "write METRIC OP VALUE"),
        ("steady_ms>", "write METRIC OP VALUE"),
        ("steady_ms=5", "write METRIC OP VALUE"),
        ("steady_ms>>5", "write METRIC OP VALUE"),
        ("steady_ms>5 ms", "write METRIC OP VALUE"),
        ("steady_ms>1e9", "write METRIC OP VALUE"),
        ("steady_ms>nan", "write METRIC OP VALUE"),
        ("steady_ms>5%", "write +5% or -5%"),
        ("steady_ms>+5", "neither absolute (5) nor relative (+5%)"),
        ("", "write METRIC OP VALUE"),
    ],
)
def test_conditions_that_cannot_be_read(text: str, said: str, tmp_path: Path) -> None:
    with pytest.raises(UsageError) as raised:
        parse_condition(text)
    assert said in str(raised.value)
    assert said in complaint(run("compare", "a.json", "b.json", "--fail-on", text, cwd=tmp_path), 2)


def test_a_condition_that_is_met_is_exit_code_1_with_the_figures(tmp_path: Path) -> None:
    conditions = ["--fail-on", "steady_ms>+5%", "--fail-on", "peak_memory_mib<200"]
    done = run("compare", ANY_WORK, EAGER, GRAPHS, *conditions, cwd=tmp_path)
    assert done.returncode == 1
    told = " ".join(done.stdout.split())
    assert "ok steady_ms>+5%: steady_ms of h200-bf16_sdpa_cudagraphs is 10.4536 (base 17.2729" in told
    assert "FAIL peak_memory_mib<200: peak_memory_mib of h200-bf16_sdpa_cudagraphs is 36.5259" in told
    assert run("compare", ANY_WORK, EAGER, GRAPHS, "--fail-on", "steady_ms>+5%", cwd=tmp_path).returncode == 0


def test_a_metric_that_a_trace_does_not_tell_is_no_pass(tmp_path: Path) -> None:
    (tmp_path / "bare.json").write_text(MINIMAL)
    done = run("compare", ANY_WORK, EAGER, "bare.json", "--fail-on", "peak_memory_mib>+5%", cwd=tmp_path)
    assert "peak_memory_mib of bare is unknown" in complaint(done, 2)


def test_all_formats_say_the_same(tmp_path: Path) -> None:
    done = run(
        "compare", ANY_WORK, EAGER, GRAPHS, COLD, "--format", "terminal,md,json", "-o", "out", cwd=tmp_path
    )
    assert done.returncode == 0, done.stderr
    told: dict[str, Any] = json.loads((tmp_path / "out" / "compare.json").read_text())
    markdown = (tmp_path / "out" / "compare.md").read_text()
    assert told["schema"] == "sdtrace.compare/1"
    assert [found["name"] for found in told["differences"]] == [
        "h200-bf16_sdpa_cudagraphs",
        "h200-bf16_sdpa_regional.cold",
    ]
    assert max(map(len, done.stdout.splitlines())) <= 80
    for found in told["differences"]:
        assert " ".join(found["story"]["speed"].replace("`", "").split()) in " ".join(done.stdout.split())
        assert f"{found['name']} against h200-fp32_eager" in done.stdout
        assert f"## {found['name']} against h200-fp32_eager" in markdown
        assert found["categories"][0]["name"] in markdown
    repeat = ("compare", ANY_WORK, EAGER, GRAPHS, "--format", "md", "-o", "out")
    assert run(*repeat, cwd=tmp_path).returncode == 0
    (tmp_path / "out" / "compare.md").write_text("edited")
    again = run(*repeat, cwd=tmp_path)
    assert again.returncode == 2
    assert "pass --force" in again.stderr


def test_the_base_among_the_candidates_is_passed_over(tmp_path: Path) -> None:
    for source in (EAGER, GRAPHS):
        (tmp_path / source.name).write_bytes(source.read_bytes())
    done = run("compare", ANY_WORK, EAGER.name, "*.json", "--format", "json", cwd=tmp_path)
    assert done.returncode == 0
    told = json.loads((tmp_path / "report" / "compare.json").read_text())
    assert [found["path"] for found in told["differences"]] == [GRAPHS.name]
    assert "nothing to compare" in complaint(run("compare", EAGER.name, EAGER.name, cwd=tmp_path), 2)
