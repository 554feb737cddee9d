"""The page of the study, held to the reports it was made from."""

from __future__ import annotations

from pathlib import Path

import pytest
from benchmarks import study_table

from sdtrace_collector.variants import AXIS_NAMES, VARIANTS

PAGE = (Path(__file__).parents[1] / "docs" / "study.md").read_text(encoding="utf-8")


@pytest.mark.parametrize("table", study_table.tables(), ids=lambda table: table[0].split("|")[1].strip())
def test_every_table_is_the_one_its_reports_give(table: list[str]) -> None:
    rows = PAGE.splitlines()
    # Tables of one heading may stand together on the page.
    assert [row for row in table if row not in rows] == []


def test_no_row_of_figures_is_on_the_page_without_a_report() -> None:
    made = {row for table in study_table.tables() for row in table}
    rows = [row for row in PAGE.splitlines() if row.startswith("|")]
    assert len(rows) > 50
    assert [row for row in rows if row not in made] == []


SPECIAL = ("_b8", "_by_row", "_cudnn_benchmark", "_module_norm")


def test_every_report_names_the_variant_and_the_axes_it_ran_with() -> None:
    for path in sorted(study_table.REPORTS.rglob("*.json.gz")):
        run = study_table.read_report(path).run
        variant, *moves = run["variant"].split("+")
        if path.parent.name != "options":
            told = path.name.removesuffix(".json.gz").removeprefix(f"{run['model']}_")
            assert (run["batch"] == 8) == told.endswith("_b8"), path.name
            for ending in SPECIAL:
                told = told.removesuffix(ending)
            assert told == variant, path.name
        axes = VARIANTS[variant].axes
        moved = dict(move.split("=") for move in moves)
        assert set(moved) <= set(AXIS_NAMES), path.name
        # Axes that came later had the base's value then.
        for name in ("dtype", "attention", "compile", "memory_format"):
            assert run["axes"][name] == moved.get(name, getattr(axes, name)), path.name
