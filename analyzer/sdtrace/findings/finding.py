"""What a finding is, and how it names the rows that prove it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Final, NamedTuple

from sdtrace.model import Confidence, EvidenceRow, Severity
from sdtrace.whatif.savings import Saving

SEVERITIES: Final[tuple[Severity, ...]] = ("high", "medium", "low", "info")
_SEVERE: Final[tuple[tuple[float, Severity], ...]] = ((0.25, "high"), (0.08, "medium"), (0.02, "low"))
"""Severity by the share of an iteration that a finding saves."""
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


def severity_of(share: float) -> Severity:
    """The severity of what saves `share` of an iteration (0 to 1), or of what takes so much of the run.

    >>> severity_of(0.3), severity_of(0.1), severity_of(0.01)
    ('high', 'medium', 'info')
    """
    return next((name for least, name in _SEVERE if share >= least), "info")


def lower(severity: Severity, other: Severity) -> Severity:
    """The less severe of two."""
    return max(severity, other, key=SEVERITIES.index)


def rows_of(table: str, keys: Iterable[object]) -> list[EvidenceRow]:
    """Rows of a table of the report by their keys, the first few."""
    return [EvidenceRow(table=table, key=str(key)) for key in list(keys)[:_MOST_ROWS]]
