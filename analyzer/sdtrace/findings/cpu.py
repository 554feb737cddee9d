"""Findings about ops that are slow on the CPU."""

from __future__ import annotations

from collections.abc import Iterator

from sdtrace.findings.evidence import Evidence
from sdtrace.findings.finding import Finding, lower, rows_of, severity_of
from sdtrace.findings.text import listed, percent

_SHARE = 0.05
"""Of the CPU time of steady ops."""


def find(e: Evidence) -> Iterator[Finding]:
    """Implementations for what no fast library takes."""
    if e.dominant is None or e.dominant.on_device:
        return
    names, ns = [op.name for op in e.slow_cpu_ops], sum(op.ns for op in e.slow_cpu_ops)
    if not names or ns < _SHARE * e.dominant.whole_ns:
        return
    yield Finding(
        "host.slow_op",
        lower("medium", severity_of(ns / max(1, e.dominant.whole_ns))),
        "An op runs in a slow implementation on the CPU",
        f"{percent(ns, e.dominant.whole_ns)} of the CPU time of steady ops is in {listed(names)}: the "
        "fallback for tensors that oneDNN does not support.",
        "Use float32 or bfloat16 instead of float64 or float16, keep tensors dense, and check that "
        "`torch.backends.mkldnn.is_available()` and `.enabled` are true.",
        confidence="likely",
        evidence_rows=rows_of("ops", names),
        verify=e.query("SELECT name, calls, self_cpu_us / 1000 AS ms FROM ops ORDER BY ms DESC LIMIT 10"),
    )
