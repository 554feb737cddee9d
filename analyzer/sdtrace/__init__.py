"""sdtrace: where every microsecond of a PyTorch profiler trace went.

    import sdtrace
    a = sdtrace.load("trace.json.gz")
    a.kernels                                # a polars frame
    a.at(phase="steady", component="unet").kernels

Importing this is quick; what a name needs is imported when the name is first used.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from sdtrace.version import VERSION

if TYPE_CHECKING:
    from sdtrace.api import Analysis, Fleet, JobAnalysis, Options, compare, fleet, load, load_job
    from sdtrace.errors import DifferentWork, OutputError, SdtraceError, UnreadableTrace, UsageError

__version__ = VERSION
__all__ = [
    "Analysis",
    "DifferentWork",
    "Fleet",
    "JobAnalysis",
    "Options",
    "OutputError",
    "SdtraceError",
    "UnreadableTrace",
    "UsageError",
    "__version__",
    "compare",
    "fleet",
    "load",
    "load_job",
]
_FROM_API = frozenset({"Analysis", "Fleet", "JobAnalysis", "Options", "compare", "fleet", "load", "load_job"})


def __getattr__(name: str) -> Any:
    if name not in __all__:
        raise AttributeError(f"module 'sdtrace' has no attribute {name!r}")
    return getattr(import_module("sdtrace.api" if name in _FROM_API else "sdtrace.errors"), name)


def __dir__() -> list[str]:
    return __all__
