"""What a column is: the field it shows, its header, what it holds, and which media show it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import Enum
from operator import attrgetter
from typing import Any, Final, NamedTuple

from sdtrace import units


class Kind(Enum):
    """What a column holds, which decides how it is written, aligned and sorted."""

    NAME = "name"
    """A name from the trace, of any length."""
    TEXT = "text"
    """A word or two of our own."""
    PHASE = "phase"
    PROSE = "prose"
    """Sentences, code in backticks."""
    FLAG = "flag"
    TIME = "time"
    """Microseconds."""
    SHARE = "share"
    """Percent."""
    COUNT = "count"
    ORDINAL = "ordinal"
    """A place in a row, counted from 1 for people and from 0 in data."""
    BYTES = "bytes"
    FLOPS = "flops"
    FACTOR = "factor"
    RATE = "rate"
    """A rate in the unit of the header."""
    FIGURE = "figure"
    """A figure that is written already, because its unit differs from row to row."""

    @property
    def is_number(self) -> bool:
        """Whether figures stand in the column: they are aligned right, and sort by size."""
        return self in _NUMBERS

    @property
    def unit(self) -> str:
        """The unit of the data: `us`, `percent`, `bytes`; '' where there is none."""
        return _UNITS.get(self, "")

    def write(self, value: Any) -> str:
        """A value as people read it; names and sentences as they are."""
        return _WRITERS[self](value)


_NUMBERS: Final = frozenset(
    {
        *(Kind.TIME, Kind.SHARE, Kind.COUNT, Kind.ORDINAL, Kind.BYTES, Kind.FLOPS, Kind.FACTOR),
        Kind.RATE,
        Kind.FIGURE,
    }
)
_UNITS: Final = {
    Kind.TIME: "us",
    Kind.SHARE: "percent",
    Kind.BYTES: "bytes",
    Kind.FLOPS: "operations",
}


def _text(value: object) -> str:
    return "" if value is None else str(value)


_WRITERS: Final[dict[Kind, Callable[[Any], str]]] = {
    **dict.fromkeys((Kind.NAME, Kind.TEXT, Kind.PHASE, Kind.PROSE, Kind.FIGURE), _text),
    Kind.FLAG: lambda value: "yes" if value else "",
    Kind.TIME: units.duration,
    Kind.SHARE: units.share,
    Kind.COUNT: units.count,
    Kind.ORDINAL: lambda value: units.count(None if value is None else value + 1),
    Kind.BYTES: units.size,
    Kind.FLOPS: units.flops,
    Kind.FACTOR: units.factor,
    Kind.RATE: units.rate,
}

TERMINAL: Final = "terminal"
MARKDOWN: Final = "Markdown"
HTML: Final = "HTML"
DATA: Final = "data"
"""report.json, CSV, Parquet and frames: exact values under the field's own name."""
READ: Final = frozenset({TERMINAL, MARKDOWN, HTML})
"""The media that people read."""
EVERYWHERE: Final = READ | {DATA}
PAGES: Final = frozenset({MARKDOWN, HTML})
"""Media with room for many columns."""


class Cell(NamedTuple):
    """A value, and how it is written."""

    text: str
    value: Any


@dataclass(frozen=True)
class Column:
    """One column of a table.

    `field` is the record's field; a column without one in the record has a `value` of its own, a
    function of the record, and is in no data. `whole` makes the value a share: a function of the source
    that gives what is 100 %. `full` names the field with the whole of a name that is shown short.
    `optional` columns are left out where every row has 0 or nothing. `labels` says in words what an
    identifier means. Records that are `unranked` come last in a page, whichever way it is sorted.
    """

    field: str
    header: str
    kind: Kind
    help: str
    media: frozenset[str] = EVERYWHERE
    value: Callable[[Any], Any] | None = None
    whole: Callable[[Any], float] | None = None
    full: str | None = None
    optional: bool = False
    labels: Mapping[str, str] | None = None
    unranked: Callable[[Any], bool] | None = None

    def reader(self, source: Any) -> Callable[[Any], Any]:
        """The function that gives the value of this column for a record of `source`."""
        value = self.value or attrgetter(self.field)
        if self.whole is None:
            return value
        whole = self.whole(source)

        def share(record: Any) -> float | None:
            part = value(record)
            return None if part is None or not whole else 100.0 * part / whole

        return share

    def cell(self, value: Any) -> Cell:
        """A value of this column as a cell."""
        labels = self.labels or {}
        return Cell(labels[value] if value in labels else self.kind.write(value), value)
