"""Candidates from calls of compiled functions and launches of CUDA graphs."""

from __future__ import annotations

import numpy as np

from sdtrace.structure.candidates import Candidate
from sdtrace.structure.denoiser_calls import Calls


def calls_as_iterations(calls: Calls) -> Candidate | None:
    """Each call as an iteration of its own."""
    if len(calls) < 2:  # one call repeats nothing
        return None
    names = [f"call {number}" for number in range(len(calls))]
    how = f"Iterations are the {calls.what}."
    whole = np.ones(len(calls), np.bool_)
    return Candidate(
        calls.kind, names, calls.start_ns, calls.end_ns, whole, how, calls.what, calls.confidence
    )
