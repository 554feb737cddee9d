"""The published reference of columns is the current one, and says something about each."""

from __future__ import annotations

from pathlib import Path

import pytest
from msgspec import structs

from sdtrace.tables import JOB_TABLES, TABLES, Table, reference

PUBLISHED = Path(__file__).parents[2] / "docs" / "columns.md"


def test_the_published_page_is_the_current_one() -> None:
    assert PUBLISHED.read_text(encoding="utf-8") == reference.text()


@pytest.mark.parametrize("table", [*TABLES, *JOB_TABLES], ids=lambda table: table.id)
def test_every_field_of_a_record_is_a_column_with_a_meaning(table: Table) -> None:
    declared = {column.field for column in table.columns}
    assert {field.name for field in structs.fields(table.record)} <= declared
    assert all(len(column.help) > 3 for column in table.columns)
    assert all(column.help.endswith((".", ")")) for column in table.columns)
