"""What to know or to change: records of `report.json`."""

from __future__ import annotations

from typing import Literal

from sdtrace.model.counsel import Saving
from sdtrace.model.struct import Struct

Severity = Literal["high", "medium", "low", "info"]
Confidence = Literal["certain", "likely", "guess"]


class EvidenceRow(Struct, kw_only=True, frozen=True):
    """A row of the report that proves a finding."""

    table: str
    """A table, or the record `events`, `lost` or `overhead`."""
    key: str
    """What names the row there: its first column; of `kernels` and `ops` the name, of `iterations` the index,
    of `ops_by_shape` op and shapes with a blank between, of a record the field."""


class Finding(Struct, kw_only=True, frozen=True):
    """What to know or change, most valuable first."""

    id: str
    severity: Severity
    title: str
    evidence: str
    advice: str
    saving_us: float | None
    confidence: Confidence
    evidence_rows: list[EvidenceRow] = []
    """Rows of the whole trace's report that prove it; only in report.json."""
    verify: str = ""
    """A command that shows the evidence, or whether the advice came true."""
    saving: Saving | None = None
    """What the advice brings, without the profiler; None where no replay tells. Only in report.json."""
