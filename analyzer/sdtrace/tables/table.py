"""What a table is, and how it is filled for a medium: plain cells, nothing of any layout."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Final, NamedTuple

from sdtrace.tables.columns import Cell, Column

ALL_ROWS: Final = 1 << 62


@dataclass(frozen=True)
class Bar:
    """A bar in each row: `field` gives its length, `fallback` where that is 0 in every row.

    `style` is a field with the name of a phase, or, if the record has no such field, a style itself.
    `part` is a field with the part of the length that is drawn darker.
    """

    field: str
    style: str
    fallback: str = ""
    part: str = ""
    legend: str = ""


@dataclass(frozen=True)
class Table:
    """One table in all media.

    `id` is also the field of `TraceReport`, the name of the CSV file, of the SQL table and of the frame.
    `rows` gives the records in the order in which people read them; data has all, in report.json's
    order. `is_long` tables are cut at a number of rows, and can be sorted and searched in HTML. `is_wide`
    ones take the whole width there, and are cut too unless they are `is_complete`.
    """

    id: str
    title: str | Callable[[Any], str]
    record: type[Any]
    rows: Callable[[Any], Sequence[Any]]
    help: str
    columns: tuple[Column, ...]
    bar: Bar | None = None
    is_long: bool = False
    is_wide: bool = False
    is_complete: bool = False
    sorted_by: str = ""
    note: Callable[[Any], str] = lambda _: ""

    def title_of(self, source: Any) -> str:
        """The title above the table of `source`."""
        return self.title if isinstance(self.title, str) else self.title(source)


class Filled(NamedTuple):
    """A table of one source for one medium: `cells` has a list per record, one cell per column."""

    table: Table
    title: str
    note: str
    columns: list[Column]
    records: list[Any]
    cells: list[list[Cell]]
    left_out: int
    """Records that are only in report.json."""

    @property
    def total(self) -> int:
        """Records there are."""
        return len(self.records) + self.left_out

    def place(self, field: str) -> int:
        """The number of the column of `field`; 0 where it is not shown."""
        return next((i for i, column in enumerate(self.columns) if column.field == field), 0)


def fill(table: Table, source: Any, medium: str, most: int = ALL_ROWS) -> Filled:
    """The table of `source` as `medium` shows it; of long ones the first `most` rows."""
    records = list(table.rows(source))
    readers = {column.field: column.reader(source) for column in table.columns}
    columns = [
        column
        for column in table.columns
        if medium in column.media
        and not (column.optional and not any(readers[column.field](record) for record in records))
    ]
    is_cut = (table.is_long or table.is_wide) and not table.is_complete
    shown = records[:most] if is_cut else records
    cells = [[column.cell(readers[column.field](record)) for column in columns] for record in shown]
    return Filled(
        table, table.title_of(source), table.note(source), columns, shown, cells, len(records) - len(shown)
    )


def fill_all(tables: Sequence[Table], source: Any, medium: str, most: int = ALL_ROWS) -> list[Filled]:
    """The tables that have rows."""
    found = (fill(table, source, medium, most) for table in tables)
    return [filled for filled in found if filled.records]


def full_name(filled: Filled, row: int) -> tuple[str, str]:
    """The first column of a row: what is shown of the name, and all of it."""
    column = filled.columns[0]
    shown = filled.cells[row][0].text
    return shown, str(getattr(filled.records[row], column.full)) if column.full else shown
