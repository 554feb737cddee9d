"""From a file to everything a report shows."""

from sdtrace.analysis.comparison import build_report
from sdtrace.analysis.options import Options
from sdtrace.analysis.trace_report import analyze

__all__ = ["Options", "analyze", "build_report"]
