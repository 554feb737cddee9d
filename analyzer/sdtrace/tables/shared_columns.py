"""Columns and sets of media that several tables have in common."""

from __future__ import annotations

from typing import Any, Final

from sdtrace.tables.columns import DATA, PAGES, READ, Column, Kind

DATA_ONLY: Final = frozenset({DATA})
PAGES_AND_DATA: Final = PAGES | {DATA}


def calls(what: str) -> Column:
    """How often something happened; `what` says it in words."""
    return Column("calls", "Calls", Kind.COUNT, f"How often {what}.")


def share(field: str, header: str, text: str, whole: Any, **more: Any) -> Column:
    """A share that the record does not hold: `field` names it, the first word of `field` its value."""
    value = more.pop("value")
    return Column(field, header, Kind.SHARE, text, more.pop("media", READ), value, whole, **more)
