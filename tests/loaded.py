"""Traces that many tests look at, each read and studied once in a process: 1.2 GB for all that are shared.

What is asked twice is the same object, so its arrays cannot be written to.
"""

from __future__ import annotations

from dataclasses import fields
from functools import cache
from pathlib import Path

import numpy as np

import sdtrace
from sdtrace.analysis.options import Options
from sdtrace.analysis.study import Study, study_trace
from sdtrace.analysis.trace_report import report_on
from sdtrace.attribution.linked_trace import LinkedTrace, attribute
from sdtrace.breakdowns.rules import load_rules
from sdtrace.model import TraceReport
from sdtrace.trace import Trace, load_trace


@cache
def trace_of(path: Path) -> Trace:
    """The file's events."""
    trace = load_trace(path)
    for field in fields(trace):
        column = getattr(trace, field.name)
        if isinstance(column, np.ndarray):
            column.flags.writeable = False
    return trace


@cache
def linked_of(path: Path, with_python: bool = True) -> LinkedTrace:
    """Its events attributed."""
    return attribute(trace_of(path), with_python=with_python)


@cache
def study_of(path: Path) -> Study:
    """Its study by the usual rules."""
    return study_trace(trace_of(path), load_rules(None))


@cache
def analysis_of(path: Path) -> sdtrace.Analysis:
    """What `sdtrace.load` gives, of the one study."""
    return sdtrace.Analysis(study_of(path), Options.of())


@cache
def report_of(path: Path, phase: str | None = None) -> TraceReport:
    """What `analyze` gives, of all or of one phase."""
    return analysis_of(path).report if phase is None else report_on(study_of(path), Options.of(phase))
