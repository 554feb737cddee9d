"""Times and lists in the words of findings."""

from __future__ import annotations

from collections.abc import Sequence

from sdtrace import units
from sdtrace.units import percent


def time(ns: float) -> str:
    """Nanoseconds as people read them: `69.8 s`, `187 ms`, `4.20 µs`."""
    return units.duration(ns / 1000)


def listed(names: Sequence[str], most: int = 3) -> str:
    """Names as code, the first few of them: `a`, `b` and 4 more."""
    shown = ", ".join(f"`{name.replace('`', chr(39))}`" for name in names[:most])
    return f"{shown} and {len(names) - most} more" if len(names) > most else shown


def literal(text: str) -> str:
    """Text as SQL has it, in quotes."""
    return "'" + text.replace("'", "''") + "'"


__all__ = ["listed", "literal", "percent", "time"]
