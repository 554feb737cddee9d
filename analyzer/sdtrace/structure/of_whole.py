"""Iterations of a part of a trace: those that were found in the whole."""

from __future__ import annotations

import numpy as np

from sdtrace.structure.iterations import Confidence, Iterations
from sdtrace.trace import Trace

_ORDER: tuple[Confidence, ...] = ("guess", "likely", "certain")


def iterations_of_whole(trace: Trace) -> Iterations | None:
    """What `sdtrace slim` noted in the file; None where it is no part of a trace, or holds no iteration."""
    found = trace.part_of.iterations if trace.part_of else ()
    if not found:
        return None
    return Iterations(
        [one.name for one in found],
        np.array([one.start_ns for one in found]) - trace.origin_ns,
        np.array([one.end_ns for one in found]) - trace.origin_ns,
        "Iterations are those of the whole trace, of which this is a part.",
        min((one.confidence for one in found), key=_ORDER.index),
        np.array([one.is_whole for one in found]),
    )
