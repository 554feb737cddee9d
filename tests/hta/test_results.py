"""Every analysis gives tables, or one line that says why not."""

from __future__ import annotations

from pathlib import Path

import polars as pl
import pytest

import sdtrace
from sdtrace.cli.hta import _NAMES
from tests.cli.command import complaint, run
from tests.hta import raw
from tests.shared import shared_trace

GRAPHS = raw.TRACES / raw.SHIPPED[0]
SLOW = {"h200-bf16_sdpa_regional.cold.json.gz", "tracelens_xdit_sd35_mi300x"}
"""HTA itself takes ten seconds and more for the call graph of these."""


@pytest.mark.parametrize("name", [*raw.SHIPPED, *raw.THIRD_PARTY])
def test_every_analysis_answers(name: str) -> None:
    from sdtrace.hta.results import Asked  # noqa: PLC0415  # needs HTA
    from sdtrace.hta.results import run as run_analysis  # noqa: PLC0415  # as above

    path = raw.TRACES / name if name in raw.SHIPPED else shared_trace(f"third_party/{name}.json.gz")
    hta = sdtrace.load(path).hta()
    for analysis in _NAMES[:-2] if name in SLOW else _NAMES:
        result = run_analysis(hta, analysis, Asked())
        assert bool(result.tables) != bool(result.lacks), analysis
        assert "\n" not in result.lacks
        assert all(table.rows.height and table.title for table in result.tables)
        if name in raw.SHIPPED and analysis != "overlap":
            assert result.tables, (analysis, result.lacks)


def test_the_names_are_those_of_the_analyses() -> None:
    from sdtrace.hta.results import ANALYSES  # noqa: PLC0415  # needs HTA

    assert tuple(ANALYSES) == _NAMES


def test_the_command_prints_80_columns(tmp_path: Path) -> None:
    done = run("hta", GRAPHS, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert max(map(len, done.stdout.splitlines())) <= 80
    assert "overlap: the trace has no communication kernels (NCCL)" in done.stdout
    assert "43,216.644" in done.stdout
    assert not done.stderr


def test_the_command_writes_all_rows(tmp_path: Path) -> None:
    done = run("hta", GRAPHS, "--only", "temporal,launches", "-o", "out", cwd=tmp_path)
    assert "wrote" in done.stdout, done.stderr
    names = ("temporal", "launch_summary", "launches")
    expected = {f"hta_{name}.{suffix}" for name in names for suffix in ("csv", "json")}
    assert {path.name for path in (tmp_path / "out").iterdir()} == expected
    csv = pl.read_csv(tmp_path / "out" / "hta_launches.csv")
    assert csv.height == 554
    assert csv.equals(pl.read_json(tmp_path / "out" / "hta_launches.json"))


def test_an_unknown_analysis_is_a_mistake_of_usage(tmp_path: Path) -> None:
    assert "temporal" in complaint(run("hta", GRAPHS, "--only", "tempral", cwd=tmp_path), 2)


def test_an_unknown_annotation_is_said(tmp_path: Path) -> None:
    done = run("hta", GRAPHS, "--only", "critical-path", "--annotation", "nowhere", cwd=tmp_path)
    assert "no annotation has a name with nowhere" in done.stdout
