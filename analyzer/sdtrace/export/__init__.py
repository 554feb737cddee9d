"""Traces for other tools: the original events with what was found out about them."""

from sdtrace.export.perfetto import Written, write_perfetto
from sdtrace.export.pftrace import write_pftrace

__all__ = ["Written", "write_perfetto", "write_pftrace"]
