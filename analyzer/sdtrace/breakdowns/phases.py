"""Host wall time and device work of each phase."""

from __future__ import annotations

from typing import NamedTuple

from sdtrace.attribution.linked_trace import LinkedTrace
from sdtrace.phases.phases import Phases
from sdtrace.phases.timeline import PHASES


class PhaseRow(NamedTuple):
    """One phase: host wall time, and the device work launched in it; integer nanoseconds."""

    phase: str
    wall_ns: int
    gpu_ns: int
    gpu_events: int


def phase_rows(linked: LinkedTrace, phases: Phases) -> dict[str, PhaseRow]:
    """Every phase by name, also those that take no time."""
    walls = phases.timeline.totals()
    dur_ns = linked.trace.dur_ns[linked.work.row]
    return {
        phase: PhaseRow(phase, walls[phase], int(dur_ns[mask].sum()), int(mask.sum()))
        for phase in PHASES
        for mask in (phases.work_mask(phase),)
    }
