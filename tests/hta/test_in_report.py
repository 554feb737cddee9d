"""`sdtrace analyze --hta`, as a person runs it."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import polars as pl
import pytest

import sdtrace
from sdtrace.units import NARROW_SPACE
from tests.cli.command import run
from tests.hta import raw

TITLES = ("HTA beside sdtrace", "HTA&#39;s analyses")


@pytest.fixture(scope="module")
def reported(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("hta")
    formats = "html,md,json,csv,terminal"
    done = run("analyze", raw.path_of(raw.GRAPHS), "--hta", "--format", formats, "-o", "out", cwd=folder)
    assert done.returncode == 0, done.stderr
    (folder / "terminal.txt").write_text(done.stdout, encoding="utf-8")
    return folder


def read(path: Path) -> str:
    return path.read_text(encoding="utf-8").replace(NARROW_SPACE, " ")


def test_every_medium_has_htas_figures(reported: Path) -> None:
    page, text = (read(reported / "out" / name) for name in ("report.html", "report.md"))
    assert all(title in page for title in TITLES)
    assert "| GPU busy | 4.28 ms | 4.28 ms | +0.000 µs | Both count an instant once" in text
    assert "The trace is of one rank; stragglers need those of several." in text
    terminal = read(reported / "terminal.txt")
    assert "Launch delay, median   9.37 µs  1.70 µs   -7.670 µs" in terminal
    assert max(map(len, terminal.splitlines())) <= 80


def test_data_have_them_exactly(reported: Path) -> None:
    (trace,) = json.loads((reported / "out" / "report.json").read_bytes())["traces"]
    busy = next(row for row in trace["hta"] if row["measure"] == "GPU busy")
    expected = raw.busy(raw.work_of(raw.path_of(raw.GRAPHS))).busy_ns / 1000
    assert busy["ours_us"] == busy["hta_us"] == round(expected, 3)
    csv = pl.read_csv(reported / "out" / "hta.csv")
    assert csv["measure"].to_list() == [row["measure"] for row in trace["hta"]]
    assert csv["difference_us"].to_list() == [row["difference_us"] for row in trace["hta"]]
    assert pl.read_csv(reported / "out" / "hta_results.csv").height == len(trace["hta_results"])


def test_without_the_option_nothing_of_it_is_shown_and_the_rest_is_the_same(
    reported: Path, tmp_path: Path
) -> None:
    sdtrace.load(raw.path_of(raw.GRAPHS)).save(tmp_path, ["html", "json", "csv"])
    page = read(tmp_path / "report.html")
    assert not any(title in page for title in TITLES)
    (trace,) = json.loads((tmp_path / "report.json").read_bytes())["traces"]
    assert trace["hta"] == trace["hta_results"] == []
    assert pl.read_csv(tmp_path / "hta.csv").is_empty()
    (asked,) = json.loads((reported / "out" / "report.json").read_bytes())["traces"]
    assert {row["analysis"] for row in asked["hta_results"]} > {"idle", "critical-path", "stragglers"}
    assert asked | {"hta": [], "hta_results": []} == trace


WITHOUT_PANDAS = """
import sys
sys.modules["pandas"] = None
from sdtrace.cli.main import main
main()
"""


@pytest.mark.parametrize("arguments", [["analyze", "--hta"], ["hta"]])
def test_where_hta_is_missing_one_line_says_so_before_any_work(arguments: list[str], tmp_path: Path) -> None:
    command = [sys.executable, "-c", WITHOUT_PANDAS, *arguments, "missing.json"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert done.stderr == "sdtrace: pandas is not installed; run: pip install 'sdtrace[hta]'\n"
    assert not done.stdout
    assert not list(tmp_path.iterdir())
