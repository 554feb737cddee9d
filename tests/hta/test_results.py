"""Every analysis gives tables, or one line that says why not."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import polars as pl
import pytest

import sdtrace
from sdtrace.cli.hta import _NAMES
from sdtrace.errors import UsageError
from tests.cli.command import complaint, run, run_process
from tests.hta import raw
from tests.hta.conftest import Loaded
from tests.written import call, host, kernel, written

GRAPHS = raw.path_of(raw.GRAPHS)
SLOW = {
    "h200-bf16_sdpa_regional.cold.json.gz",
    "h200-bf16_sdpa_eager.cudnn_benchmark.json.xz",
    "h200-bf16_sdpa_eager.stack.json.gz",
    raw.EAGER,
    raw.GRAPHS,
}
"""HTA takes long for the call graph of these, or the command below runs all analyses on them."""
TAKES_LONG = {"sequences", "critical-path", "tracks"}
LACKING = {"overlap", "full-queue", "steps", "stragglers", "counters"}
"""What the shipped traces have nothing for."""


def answers(hta: Any, names: set[str]) -> dict[str, Any]:
    from sdtrace.hta.results import Asked, run  # noqa: PLC0415  # needs HTA

    return {name: run(hta, name, Asked()) for name in _NAMES if name in names}


@pytest.mark.parametrize("name", [*raw.SHIPPED, *raw.MOST])
def test_every_analysis_answers(loaded: Loaded, name: str) -> None:
    asked = set(_NAMES) - (TAKES_LONG if name in SLOW else set())
    for analysis, result in answers(loaded(name)[1], asked).items():
        assert bool(result.tables or result.files) != bool(result.lacks), analysis
        assert "\n" not in result.lacks
        assert "fails" not in result.lacks
        assert all(table.rows.height and table.title for table in result.tables)
        if name in raw.SHIPPED:
            assert (not result.lacks) == (analysis not in LACKING), (analysis, result.lacks)


def test_the_names_are_those_of_the_analyses() -> None:
    from sdtrace.hta.results import ANALYSES  # noqa: PLC0415  # needs HTA

    assert tuple(ANALYSES) == _NAMES


def test_the_command_prints_80_columns(tmp_path: Path) -> None:
    done = run_process("hta", GRAPHS, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert max(map(len, done.stdout.splitlines())) <= 80
    assert "overlap: the trace has no communication kernels (NCCL)" in done.stdout
    assert "43,216.644" in done.stdout
    assert "Frequent kernel sequences of Torch-Compiled Region: 0/0" in done.stdout
    assert "Critical path of model_inference, instance 1, by bound" in done.stdout
    assert not done.stderr
    assert not list(tmp_path.iterdir())


def test_the_command_writes_all_rows_and_traces(tmp_path: Path) -> None:
    done = run("hta", GRAPHS, "--only", "temporal,launches,tracks", "-o", "out", cwd=tmp_path)
    assert "wrote" in done.stdout, done.stderr
    names = ("temporal", "launch_summary", "launches")
    stem = GRAPHS.name.removesuffix(".json")
    expected = {f"hta_{name}.{suffix}" for name in names for suffix in ("csv", "json")}
    expected |= {f"{stem}_with_counters.json.gz", f"overlaid_critical_path_{stem}.json.gz"}
    assert {path.name for path in (tmp_path / "out").iterdir()} == expected
    csv = pl.read_csv(tmp_path / "out" / "hta_launches.csv")
    assert csv.height == 554
    assert csv.equals(pl.read_json(tmp_path / "out" / "hta_launches.json"))


@pytest.mark.parametrize(
    ("arguments", "said"),
    [(["--only", "tempral"], "temporal"), (["--only", "tracks"], "-o FOLDER")],
)
def test_a_mistake_of_usage_is_said(tmp_path: Path, arguments: list[str], said: str) -> None:
    assert said in complaint(run("hta", GRAPHS, *arguments, cwd=tmp_path), 2)


def test_an_unknown_annotation_is_said(loaded: Loaded) -> None:
    from sdtrace.hta.results import Asked, run  # noqa: PLC0415  # needs HTA

    result = run(loaded(raw.GRAPHS)[1], "critical-path", Asked(annotation="nowhere"))
    assert result.lacks == "no annotation has a name with nowhere; choose with --annotation"


def test_several_traces_have_a_name_and_a_folder_each(tmp_path: Path) -> None:
    other = tmp_path / "other"
    other.mkdir()
    (other / GRAPHS.name).write_bytes(GRAPHS.read_bytes())
    missing = tmp_path / "missing.json"
    traces = (GRAPHS, other / GRAPHS.name, missing)
    done = run("hta", *traces, "--only", "temporal", "-o", "out", cwd=tmp_path)
    assert done.returncode == 3
    assert "missing.json: no such file" in done.stderr
    label = GRAPHS.name.removesuffix(".json")
    for name in (label, f"{label} (2)"):
        assert f"{name}\n\n" in done.stdout
        assert (tmp_path / "out" / name / "hta_temporal.csv").is_file()


def test_a_stretch_without_a_path_is_said(tmp_path: Path) -> None:
    work = [
        host("aten::mm", 0, 5_000),
        call("cudaLaunchKernel", 1_000, 2_000, 1),
        kernel("gemm", 4_000, 9_000, 1),
    ]
    written(tmp_path / "idle.json", [*work, host("waiting", 20_000, 5_000, "user_annotation")])
    hta = sdtrace.load(tmp_path / "idle.json").hta()
    with pytest.raises(UsageError, match="HTA finds no path there; choose another annotation"):
        hta.critical_path_analysis(0, "waiting", 0)
