"""The pages for users of Python and SQL are true: what stands in them runs."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

import sdtrace
from sdtrace.api import event_columns, sql
from sdtrace.cli import query_output

ROOT = Path(__file__).parents[2]
RECIPES = re.findall(r"```sql\n(.*?)```", (ROOT / "docs" / "sql.md").read_text(encoding="utf-8"), re.DOTALL)
BLOCKS = re.findall(
    r"```python\n(.*?)```", (ROOT / "docs" / "python.md").read_text(encoding="utf-8"), re.DOTALL
)


def test_there_are_ten_recipes() -> None:
    assert len(RECIPES) == 10


@pytest.mark.parametrize("recipe", RECIPES, ids=range(len(RECIPES)))
def test_a_recipe_gives_rows(recipe: str, regional: sdtrace.Analysis) -> None:
    rows = regional.query(recipe)
    assert rows.height
    assert rows.width > 1


def test_the_page_runs_from_top_to_bottom(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)
    names: dict[str, object] = {}
    for block in BLOCKS:
        exec(block, names)  # our own page
    assert [verdict.is_met for verdict in names["found"].verdicts] == [False, False]  # type: ignore[attr-defined]


def test_a_query_over_several_traces_names_each(eager: sdtrace.Analysis, regional: sdtrace.Analysis) -> None:
    rows = sql.query([eager, regional], "SELECT trace, sum(total_us) AS us FROM kernels GROUP BY trace")
    sums = {one.name: one.kernels["total_us"].sum() for one in (eager, regional)}
    assert dict(rows.iter_rows()) == pytest.approx(sums)


@pytest.mark.parametrize("function", ["lower(name)", "upper(name)", "length(name)", "left(name, 3)"])
@pytest.mark.parametrize("table", ["events", "launches", "ops", "kernels"])
def test_functions_of_text_work_on_text(regional: sdtrace.Analysis, table: str, function: str) -> None:
    where = "WHERE name LIKE '%e%'"
    assert regional.query(f"SELECT {function} AS x FROM {table} {where} LIMIT 3").height == 3


@pytest.mark.parametrize("name", sql.TABLES)
def test_the_list_of_tables_has_every_column(regional: sdtrace.Analysis, name: str) -> None:
    listed = next(text for text in query_output.tables().split("\n\n") if text.startswith(f"{name}\n"))
    columns = re.findall(r"^  (\w+)  ", listed, re.MULTILINE)
    assert sorted(columns) == sorted(sql.TABLES[name](regional).columns)
    assert max(map(len, query_output.tables().splitlines())) <= 80


def test_every_described_column_says_something() -> None:
    for columns in (event_columns.EVENTS, event_columns.LAUNCHES, event_columns.MEMORY):
        assert all(about.help.endswith(".") and len(about.help) > 5 for about in columns.values())
