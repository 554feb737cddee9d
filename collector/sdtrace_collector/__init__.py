"""Runs Stable Diffusion variants, or pipelines of your own, under torch.profiler and writes Chrome traces.

    from sdtrace_collector import annotated, profile, profile_call

Importing this is quick; torch is imported when a name is first used.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from sdtrace_collector.annotate import annotated
    from sdtrace_collector.script.python_api import Run, profile, profile_call

__all__ = ["Run", "annotated", "profile", "profile_call"]


def __getattr__(name: str) -> Any:
    if name not in __all__:
        raise AttributeError(f"module 'sdtrace_collector' has no attribute {name!r}")
    place = "annotate" if name == "annotated" else "script.python_api"
    return getattr(import_module(f"sdtrace_collector.{place}"), name)


def __dir__() -> list[str]:
    return __all__
