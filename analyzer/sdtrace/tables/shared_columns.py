"""Columns and sets of media that several tables have in common."""

from __future__ import annotations

from typing import Any, Final

from sdtrace.tables.columns import DATA, PAGES, READ, Column, Kind

DATA_ONLY: Final = frozenset({DATA})
PAGES_AND_DATA: Final = PAGES | {DATA}

TBPS: Final = "Terabytes per second of what must be read and written."

BYTES: Final = (
    Column("bytes_read", "Read", Kind.BYTES, "Bytes that must be read at least, each once.", DATA_ONLY),
    Column("bytes_written", "Written", Kind.BYTES, "Bytes that must be written.", DATA_ONLY),
    Column(
        "must_read",
        "Must read",
        Kind.BYTES,
        "Bytes that must be read at least, each once, where Reads is known.",
        PAGES,
        lambda row: None if row.dram_bytes_read is None else row.bytes_read,
        optional=True,
    ),
    Column(
        "dram_bytes_read",
        "Reads",
        Kind.BYTES,
        "What a fused kernel reads from memory, again too: Nsight Compute's dram__bytes_read.sum.",
        PAGES_AND_DATA,
        optional=True,
    ),
)
"""What work moves. People see both figures of what is read where they may differ."""


def calls(what: str) -> Column:
    """How often something happened; `what` says it in words."""
    return Column("calls", "Calls", Kind.COUNT, f"How often {what}.")


def share(field: str, header: str, text: str, whole: Any, **more: Any) -> Column:
    """A share that the record does not hold: `field` names it, the first word of `field` its value."""
    value = more.pop("value")
    return Column(field, header, Kind.SHARE, text, more.pop("media", READ), value, whole, **more)
