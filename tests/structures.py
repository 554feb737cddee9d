"""Structure and phases of a linked trace, found as an analysis finds them."""

from __future__ import annotations

from sdtrace.attribution.linked_trace import LinkedTrace
from sdtrace.phases.overhead_spans import find_overhead
from sdtrace.phases.phases import Phases, find_phases
from sdtrace.structure.run_structure import RunStructure, find_structure


def structure_of(linked: LinkedTrace) -> RunStructure:
    """Iterations, steps and components of `linked`."""
    return find_structure(linked, find_overhead(linked.trace).anywhere(linked.trace))


def phases_of(linked: LinkedTrace, structure: RunStructure | None = None) -> Phases:
    """Phases of `linked`; `structure` where it is known already."""
    structure = structure or structure_of(linked)
    return find_phases(linked, find_overhead(linked.trace), structure.iterations, structure.steps)
