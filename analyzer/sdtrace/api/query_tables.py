"""The columns of the tables that SQL can ask, with their units and meanings."""

from __future__ import annotations

from typing import Final

from sdtrace.api.event_columns import EVENTS, LAUNCHES, MEMORY, About
from sdtrace.tables import DATA, TABLES

_OWN: Final = {"events": EVENTS, "launches": LAUNCHES, "memory": MEMORY}
_OTHER_NAMES: Final = {"compile_stages": "compile"}


def columns(name: str) -> dict[str, About]:
    """The columns of a table of `sdtrace.api.sql.TABLES`, in order, without `trace`, which all have."""
    if name in _OWN:
        return _OWN[name]
    table = next(table for table in TABLES if table.id == _OTHER_NAMES.get(name, name))
    held = [column for column in table.columns if DATA in column.media]
    return {column.field: About(column.kind.unit, column.help) for column in held}


def about(name: str) -> str:
    """What a row of the table is, in a sentence."""
    own = {
        "events": "Every event of the trace with a duration.",
        "launches": "Every kernel, copy and fill, with the call that launched it.",
        "memory": "The allocators over time; empty without profile_memory=True.",
    }
    if name in own:
        return own[name]
    return next(table.help for table in TABLES if table.id == _OTHER_NAMES.get(name, name))
