"""Findings about several devices in one trace."""

from __future__ import annotations

from collections.abc import Iterator

from sdtrace.findings.evidence import Evidence
from sdtrace.findings.finding import Finding, rows_of
from sdtrace.findings.text import percent, time


def find(e: Evidence) -> Iterator[Finding]:
    """Devices that work one after the other."""
    if e.turns is None:
        return
    turns = e.turns
    yield Finding(
        "device.turns",
        "high" if 3 * turns.waiting_ns > turns.busy_ns else "medium",
        f"{len(turns.devices)} GPUs take turns: each is idle while another one works",
        f"In {time(turns.busy_ns)} in which any of them works, more than one works for "
        f"{percent(turns.overlap_ns, turns.busy_ns)}. Each waits {time(turns.waiting_ns)} on average "
        "while another works.",
        "A model split by layers (`device_map`) runs on one GPU at a time. If it fits, put it on one GPU, "
        "and run another batch on the other. Else split each layer (tensor parallel), or send several "
        "batches through one after the other (pipeline parallel).",
        confidence="likely",
        evidence_rows=rows_of("devices", turns.devices),
        verify=e.query("SELECT index, busy_us, idle_us FROM devices"),
    )
