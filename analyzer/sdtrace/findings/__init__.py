"""What to know and what to change, each with its evidence, most valuable first."""

from __future__ import annotations

from sdtrace.findings import device, devices, host, host_causes, losses, memory_and_copies, overhead, quality
from sdtrace.findings.evidence import Evidence
from sdtrace.findings.facts import (
    Collectives,
    CopyTraffic,
    Culprit,
    Late,
    MemoryCalls,
    Range,
    Searches,
    Waiting,
)
from sdtrace.findings.finding import Finding

__all__ = [
    "Collectives",
    "CopyTraffic",
    "Culprit",
    "Evidence",
    "Finding",
    "Late",
    "MemoryCalls",
    "Range",
    "Searches",
    "Waiting",
    "find_all",
]

_ORDER = {"high": 0, "medium": 1, "low": 2, "info": 3}


def find_all(evidence: Evidence) -> list[Finding]:
    """All findings by severity; within it what to know about the trace, then what saves most."""
    about = [finding for module in (quality, losses, overhead) for finding in module.find(evidence)]
    # Device events come last in a file: of one that was cut, nothing can be said about waiting.
    modules = (device,) if evidence.salvaged else (host, host_causes, memory_and_copies, device, devices)
    causes = [finding for module in modules for finding in module.find(evidence)]
    if not evidence.is_sound:
        causes = [_doubted(finding) for finding in causes]
    causes.sort(key=lambda finding: -(finding.saving_ns or 0))
    return sorted(about + causes, key=lambda finding: _ORDER[finding.severity])


def _doubted(finding: Finding) -> Finding:
    """What rests on lost or impossible data is never certain."""
    return finding._replace(confidence="likely") if finding.confidence == "certain" else finding
