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
    from sdtrace.api import Analysis, JobAnalysis, Options, compare, load, load_job
    from sdtrace.api.fleet_store import Fleet, fleet
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
_FROM_API = frozenset({"Analysis", "JobAnalysis", "Options", "compare", "load", "load_job"})
_FROM_FLEET = frozenset({"Fleet", "fleet"})
"""Apart from the others: a store needs polars from the start."""


def __getattr__(name: str) -> Any:
    if name not in __all__:
        raise AttributeError(f"module 'sdtrace' has no attribute {name!r}")
    module = "sdtrace.errors"
    if name in _FROM_API:
        module = "sdtrace.api"
    elif name in _FROM_FLEET:
        module = "sdtrace.api.fleet_store"
    return getattr(import_module(module), name)


def __dir__() -> list[str]:
    return __all__
