"""What `import sdtrace` offers: a trace as an object with polars frames. The command line stands on it."""

from sdtrace.analysis.options import Options
from sdtrace.api.analysis import Analysis
from sdtrace.api.comparing import compare
from sdtrace.api.job import JobAnalysis, load_job
from sdtrace.api.loading import load

__all__ = ["Analysis", "JobAnalysis", "Options", "compare", "load", "load_job"]
