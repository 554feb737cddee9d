"""The order of findings: the one to act on first, the others by what they bring, then what promises nothing.

Severity says how much something matters, and is a label: a one-time cost of high severity still brings
nothing for the next iteration.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from sdtrace.analysis.promise import gains, gains_later
from sdtrace.findings.finding import SEVERITIES
from sdtrace.model import Finding

_BATCH: Final = "host.batch"
"""Its figures are for one of two images: they cannot be held against those of one."""
_ABOUT: Final = ("trace.", "overhead.")


def first_to_fix(findings: Sequence[Finding]) -> Finding | None:
    """The finding that saves most of an iteration, of those that matter; None where none saves anything.

    What is a guess is not among them.
    """
    matter = [row for row in findings if row.severity != "info" and row.confidence != "guess"]
    known = [row for row in matter if row.saving and gains(row.saving)]
    return max(known, key=lambda row: row.saving_us or 0, default=None)


def in_order(findings: Sequence[Finding]) -> list[Finding]:
    """The findings as every report lists them."""
    first = first_to_fix(findings)
    return sorted(findings, key=lambda row: _place(row, row is first))


def _place(finding: Finding, is_first: bool) -> tuple[int, float, float]:
    """What brings something by how much, alone or else after the others; all else by severity, what to know
    about the trace before what to change."""
    alone, later = finding.saving_us or 0.0, finding.saving.step_us if finding.saving else 0.0
    if is_first:
        return 0, 0.0, 0.0
    if finding.id != _BATCH and (gains(finding.saving) if finding.saving else alone > 0):
        return 1, -alone, 0.0
    if finding.id == _BATCH or (finding.saving and gains_later(finding.saving)):
        return 2, -later, 0.0
    return 3, SEVERITIES.index(finding.severity), float(not finding.id.startswith(_ABOUT))
