"""What to know and what to change, each with its evidence, most valuable first."""

from __future__ import annotations

from sdtrace.findings import (
    blocking,
    compiled,
    cpu,
    device,
    devices,
    dominant,
    far_from_peak,
    host,
    host_causes,
    layout,
    losses,
    memory_and_copies,
    overhead,
    quality,
    reuse,
    tuned,
    unfilled,
)
from sdtrace.findings.evidence import Evidence
from sdtrace.findings.facts import (
    Breaks,
    Collectives,
    Conversions,
    CopyTraffic,
    Culprit,
    Dominant,
    Encoded,
    FewBlocks,
    Fusable,
    Late,
    MemoryCalls,
    MemoryPeak,
    Offload,
    Part,
    Range,
    Replays,
    Searches,
    Slower,
    Tuned,
    Wait,
    Waiting,
)
from sdtrace.findings.finding import SEVERITIES, Finding

__all__ = [
    "Breaks",
    "Collectives",
    "Conversions",
    "CopyTraffic",
    "Culprit",
    "Dominant",
    "Encoded",
    "Evidence",
    "FewBlocks",
    "Finding",
    "Fusable",
    "Late",
    "MemoryCalls",
    "MemoryPeak",
    "Offload",
    "Part",
    "Range",
    "Replays",
    "Searches",
    "Slower",
    "Tuned",
    "Wait",
    "Waiting",
    "find_all",
]

_ABOUT = (quality, losses, overhead)
_OF_HOST = (host, blocking, host_causes, memory_and_copies, compiled, cpu, dominant, reuse)
_OF_WORK = "trace.ranges"
"""The finding about the trace that rests on all GPU work."""
_OF_DEVICE = (device, layout, far_from_peak, unfilled, tuned)


def find_all(evidence: Evidence) -> list[Finding]:
    """All findings by severity; within it what to know about the trace, then what saves most."""
    about = [finding for module in _ABOUT for finding in module.find(evidence)]
    # GPU events come last in a file: of one that was cut, nothing can be said about waiting.
    modules = _OF_DEVICE if evidence.salvaged else (*_OF_HOST, *_OF_DEVICE, devices)
    asked = () if evidence.only_records else modules
    causes = [_hidden(evidence, finding) for module in asked for finding in module.find(evidence)]
    if not evidence.is_sound:
        about = [_doubted(finding) if finding.id == _OF_WORK else finding for finding in about]
        causes = [_doubted(finding) for finding in causes]
    causes.sort(key=lambda finding: -(finding.saving_ns or 0))
    return sorted(about + causes, key=lambda finding: SEVERITIES.index(finding.severity))


def _doubted(finding: Finding) -> Finding:
    """What rests on lost or impossible data is never certain."""
    return finding._replace(confidence="likely") if finding.confidence == "certain" else finding


def _hidden(evidence: Evidence, finding: Finding) -> Finding:
    """Says that saving GPU time does not help while launching takes longer."""
    if not (finding.id.startswith("device.") and evidence.is_launch_bound and finding.saving_ns):
        return finding
    return finding._replace(
        evidence=f"{finding.evidence} You are CPU-bound: fix that first, this will not help until then."
    )
