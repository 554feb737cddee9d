"""What is planted in a fleet is found: the first slow trace, the slow host; and a gate holds runs to it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import cast

import polars as pl
import pytest

import sdtrace
from sdtrace.fleets.hosts import slow_hosts
from sdtrace.fleets.record import FleetReport
from tests.cli.command import complaint, run
from tests.fleets import made


@pytest.fixture(scope="module")
def report(store: Path) -> FleetReport:
    return sdtrace.fleet(store=store).report()


def test_the_first_slow_trace_is_named(written: made.Fleet, report: FleetReport) -> None:
    steady, gpu = sorted(report.changes, key=lambda change: change.measure, reverse=True)
    assert (steady.measure, gpu.measure) == ("steady_us", "steady_gpu_us")
    for change in (steady, gpu):
        assert change.first_source == str(written.first_slower)
        assert change.change_pct == pytest.approx(100 * (made.REGRESSION - 1), abs=1.5)
        assert change.moved[0].name == "transformer"
    assert "1 regression; the largest" in report.summary


def test_the_slow_host_is_named(report: FleetReport) -> None:
    (host,) = report.slow_hosts
    assert host.host == made.SLOW_HOST
    assert host.slower_pct == pytest.approx(100 * (made.SLOWER - 1), abs=0.7)
    assert host.runs == 8
    assert host.hours_lost == pytest.approx(1000 * 8 / 40 * (1 - 1 / made.SLOWER), rel=0.2)


def test_a_host_is_held_against_the_others_alone() -> None:
    runs = pl.DataFrame({"host": ["a"] * 6 + ["b"] * 6, "ratio": [0.97] * 6 + [1.03] * 6})
    (host,) = slow_hosts(runs, hours=1000)
    assert (host.host, host.runs) == ("b", 6)
    assert host.slower_pct == pytest.approx(100 * (1.03 / 0.97 - 1))
    assert host.hours_lost == pytest.approx(500 * (1 - 0.97 / 1.03))


def test_without_what_is_planted_nothing_is_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(made, "REGRESSION", 1.0)
    monkeypatch.setattr(made, "SLOWER", 1.0)
    made.write(tmp_path / "traces", [made.read(path) for path in made.TINY], 30)
    report = sdtrace.fleet(tmp_path / "traces", store=tmp_path / "store", workers=2).report()
    assert (report.changes, report.slow_hosts, report.outliers) == ([], [], [])
    assert "No regressions." in report.summary


def test_series_and_trends_are_those_of_the_rows(store: Path, report: FleetReport) -> None:
    (series,) = report.series
    traces = sdtrace.fleet(store=store).traces
    assert (series.runs, series.median_us) == (40, traces["steady_us"].median())
    assert sum(day.runs for day in series.days) == 40
    trends = {trend.value: trend for trend in report.trends if trend.fact == "host"}
    slow = traces.filter(host=made.SLOW_HOST)["steady_us"].median()
    assert isinstance(slow, float)
    assert trends[made.SLOW_HOST].relative == pytest.approx(slow / series.median_us)
    assert sorted(trends) == sorted(made.HOSTS)


def test_savings_are_shares_of_hours(store: Path, report: FleetReport) -> None:
    findings = sdtrace.fleet(store=store).scan("findings").collect()
    for one in report.advice:
        rows = findings.filter(pl.col("id") == one.id)
        assert one.traces == rows["trace_id"].n_unique()
        shares = ((rows["from_us"] - rows["to_us"]) / rows["from_us"]).drop_nulls()
        assert one.hours == (pytest.approx(1000 * shares.sum() / 40) if len(shares) else None)


def test_a_report_is_written_in_every_form(store: Path, tmp_path: Path) -> None:
    done = run("fleet", "report", store, "-o", "out", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert "+12" in done.stdout
    page = (tmp_path / "out" / "fleet.html").read_text(encoding="utf-8")
    text = (tmp_path / "out" / "fleet.md").read_text(encoding="utf-8")
    data = json.loads((tmp_path / "out" / "fleet.json").read_text(encoding="utf-8"))
    assert data["schema"] == "sdtrace.fleet-report/1"
    for medium in (page, text):
        assert made.SLOW_HOST in medium
        assert data["changes"][0]["first_trace"] in medium
    assert "<script" not in page
    assert "<polyline" in page
    assert "exists already" in complaint(run("fleet", "report", store, "-o", "out", cwd=tmp_path), 2)


def _gate(tmp_path: Path, store: Path, factor: float, *more: str) -> tuple[int, dict[str, dict[str, object]]]:
    made.rewritten(tmp_path / "now.json.gz", factor)
    done = run("gate", "now.json.gz", "--store", store, "--format", "json", *more, cwd=tmp_path)
    rows = json.loads(done.stdout)["rows"]
    return done.returncode, {row["measure"]: row for row in rows}


def test_a_run_like_the_others_passes(store: Path, tmp_path: Path) -> None:
    code, rows = _gate(tmp_path, store, made.REGRESSION)
    assert code == 0
    assert {row["state"] for row in rows.values()} == {"usual"}


def test_a_run_that_is_worse_fails_with_the_arithmetic(store: Path, tmp_path: Path) -> None:
    code, rows = _gate(tmp_path, store, 1.5)
    assert code == 1
    values = sdtrace.fleet(store=store).traces["steady_us"].sort()
    middle = values.median()
    assert isinstance(middle, float)
    mad = (values - middle).abs().median()
    assert isinstance(mad, float)
    row = rows["a steady iteration"]
    assert row["limit_us"] == pytest.approx(middle + max(4 * 1.4826 * mad, 0.05 * middle))
    assert row["state"] == rows["GPU time of transformer"]["state"] == "worse"
    assert "max(4 x 1.4826 x" in str(row["arithmetic"])
    assert rows["one-time cost"]["state"] == "usual"  # nothing, of which nothing can be 5 %
    assert rows["one-time cost"]["limit_us"] == pytest.approx(0.05 * cast(float, row["us"]))
    assert "GPU time of other" not in rows  # less than 1 % of the GPU time


def test_limits_are_those_that_are_asked_for(store: Path, tmp_path: Path) -> None:
    assert _gate(tmp_path, store, 1.5, "--least", "80")[0] == 0
    assert _gate(tmp_path, store, 1.16, "--mads", "0.5", "--least", "1", "--last", "10")[0] == 1


def test_a_gate_learns_what_passes(tmp_path: Path) -> None:
    for number in range(6):
        made.rewritten(tmp_path / f"{number}.json.gz", 1 + number / 1000, day=number)
    sdtrace.fleet(tmp_path / "[0-3].json.gz", store=tmp_path / "store", workers=1)
    gate = ("gate", "--store", "store")
    few = run(*gate, "4.json.gz", "--learn", "good", cwd=tmp_path)
    assert (few.returncode, "4 earlier runs" in few.stdout) == (0, True)
    enough = run(*gate, "5.json.gz", cwd=tmp_path)
    assert (enough.returncode, "ok: a steady iteration" in enough.stdout) == (0, True)
    assert run(*gate, "4.json.gz", "--need-runs", cwd=tmp_path).returncode == 4  # itself does not count
    made.rewritten(tmp_path / "slow.json.gz", 1.3)
    slow = run(*gate, "slow.json.gz", "--learn", "good", cwd=tmp_path)
    assert (slow.returncode, "FAIL: a steady iteration" in slow.stdout) == (1, True)
    assert sdtrace.fleet(store=tmp_path / "store").traces.height == 5


def test_a_store_is_asked_in_sql(store: Path, tmp_path: Path) -> None:
    sql = "SELECT host, count(*) AS n FROM traces GROUP BY host ORDER BY host"
    done = run("query", store, sql, "--format", "csv", cwd=tmp_path)
    assert done.stdout.splitlines()[1:] == [f"{host},8" for host in made.HOSTS]
    joined = "SELECT DISTINCT k.name FROM traces t JOIN kernels k ON t.trace_id = k.trace_id"
    assert run("query", store, joined, "--format", "csv", cwd=tmp_path).stdout.count("\n") == 3
    refused = "SELECT * FROM read_parquet('/etc/passwd')"
    assert "reads only" in complaint(run("query", store, refused, cwd=tmp_path), 2)
    assert "asked alone" in complaint(run("query", store, store, sql, cwd=tmp_path), 2)
    assert "traces has trace_id" in complaint(run("query", store, "SELECT x FROM traces", cwd=tmp_path), 2)
