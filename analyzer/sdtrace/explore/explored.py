"""Sums of a run by cell, from which the tables of any part of it follow."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, NamedTuple

import numpy as np

from sdtrace.analysis.options import Options
from sdtrace.analysis.speed_of_light import WorkStudy
from sdtrace.attribution.host import sum_by
from sdtrace.attribution.op_table import OpTimes
from sdtrace.explore.calls import Calls, call_tree
from sdtrace.explore.device import (
    BusySums,
    KernelSums,
    busy_sums,
    kernel_sums,
    kind_calls,
    launch_calls,
)
from sdtrace.explore.host import OpSums, linked_for, op_sums
from sdtrace.explore.memory import MemoryUse, memory_of
from sdtrace.explore.over import Counted
from sdtrace.explore.picks import Picks, find_picks
from sdtrace.explore.places import Place, Places, cells_of, present
from sdtrace.explore.timeline import Timeline, timeline_of
from sdtrace.explore.waiting import ComponentSums, IdleSums, Times, When
from sdtrace.intervals import Int64s
from sdtrace.roofline.kinds import KindWork

_MOST_TOTALS: Final = 6_000


class Totals(NamedTuple):
    """Device work of every iteration and step, kept or not: places, nanoseconds and pieces of each."""

    place: Place
    total_ns: Int64s
    calls: Int64s


@dataclass(frozen=True)
class Explored:
    """Sums of a run by cell: a phase, component, block, iteration and step; see the parts for their fields.

    `components` names components, then blocks, as `Part.component` does; a `Place` numbers the two kinds
    each by its own list. `ops` is None where op times are torch's, which no part of a trace has.
    """

    study: WorkStudy
    picks: Picks
    cells: Place
    components: list[str]
    blocks: list[str]
    kernels: KernelSums
    kinds: list[KindWork]
    kind_calls: Counted
    launches: Counted
    busy: BusySums | None
    ops: OpSums | None
    when: When
    idle: IdleSums
    walls: ComponentSums
    totals: Totals | None
    calls: Calls | None
    timeline: Timeline
    memory: MemoryUse | None


def explore(work: WorkStudy, options: Options) -> Explored:
    """Add up everything that a page shows of parts of a run, once.

    `work` is the study as the report has it, whose results are reused.
    """
    study = work.study
    picks = find_picks(study)
    places = Places(study, picks)
    structure = study.structure
    with_ops = options.op_times is OpTimes.TRUE
    hosts = [study.linked.host]
    if with_ops and study.for_table(OpTimes.TRUE) is not study.linked:
        hosts.append(study.for_table(OpTimes.TRUE).host)
    of_hosts = [places.of_host(host.start_ns, host.thread) for host in hosts]
    cells, (of_work, *others) = cells_of(places, [places.of_work, *(place for place, _ in of_hosts)])
    host_cells = [number.astype(np.int32)[at] for number, (_, at) in zip(others, of_hosts, strict=True)]
    size = len(cells.phase)
    times = Times(places)
    return Explored(
        study=work,
        picks=picks,
        cells=cells,
        components=[structure.components.names[code] for code in present(structure.components)],
        blocks=[structure.blocks.names[code] for code in present(structure.blocks)],
        kernels=kernel_sums(work, of_work),
        kinds=work.works,
        kind_calls=kind_calls(work, of_work, size),
        launches=launch_calls(work, of_work, size),
        busy=busy_sums(work, of_work, size),
        ops=op_sums(study, linked_for(study), host_cells[-1], of_work, size) if with_ops else None,
        when=times.when,
        idle=times.idle(),
        walls=times.components(),
        totals=_totals(places),
        calls=call_tree(study, cells, host_cells[0], of_work),
        timeline=timeline_of(work, picks),
        memory=memory_of(study),
    )


def _totals(places: Places) -> Totals | None:
    """None where the run has too many iterations and steps."""
    place = places.of_work
    study = places.study
    _, first, number = np.unique(place.code, return_index=True, return_inverse=True)
    if len(first) > _MOST_TOTALS:
        return None
    dur_ns = study.trace.dur_ns[study.linked.work.row]
    sums = sum_by(number, dur_ns, len(first))
    return Totals(place.take(first), sums, np.bincount(number, minlength=len(first)))
