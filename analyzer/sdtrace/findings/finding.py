"""What a finding is, and how it names the rows that prove it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Final, NamedTuple

from sdtrace.model import Confidence, EvidenceRow, Severity
from sdtrace.whatif.savings import Saving

SEVERITIES: Final[tuple[Severity, ...]] = ("high", "medium", "low", "info")
_MOST_ROWS = 5
"""Rows that a finding names at most: the largest prove it, the table has the others."""


class Finding(NamedTuple):
    """Something to know or to change. `saving_ns` is per steady iteration unless the text says once.

    `evidence_rows` are rows of the whole trace's report; `verify` is a command that shows the evidence, or
    whether the advice came true.
    """

    id: str
    severity: Severity
    title: str
    evidence: str
    advice: str
    saving_ns: int | None = None
    confidence: Confidence = "certain"
    evidence_rows: Sequence[EvidenceRow] = ()
    verify: str = ""
    saving: Saving | None = None
    """What the advice brings, where a replay tells."""


def rows_of(table: str, keys: Iterable[object]) -> list[EvidenceRow]:
    """Rows of a table of the report by their keys, the first few."""
    return [EvidenceRow(table=table, key=str(key)) for key in list(keys)[:_MOST_ROWS]]
