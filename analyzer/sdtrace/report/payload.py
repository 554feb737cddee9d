"""What a page's script selects from: the sums of a run by cell as plain lists of whole numbers.

Names stand in one list for the whole page, as they may be shown. Times are nanoseconds.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Final

import numpy as np

from sdtrace.breakdowns.categories import fused_kind
from sdtrace.breakdowns.short_names import short_name
from sdtrace.explore import Explored
from sdtrace.explore.host import COLUMNS
from sdtrace.explore.memory import MemoryUse
from sdtrace.explore.over import Counted
from sdtrace.explore.places import Place
from sdtrace.phases.timeline import PHASES
from sdtrace.report.names import shorten, visible
from sdtrace.report.timeline_data import packed_events, timeline_data
from sdtrace.roofline.kinds import KindWork
from sdtrace.waiting.idle import CAUSES

_MOST_HELD: Final = 200
SHORT: Final = 68
LONGEST: Final = 400
"""Template arguments run to thousands of characters; the whole name is in report.json."""


class Names:
    """Texts of a page, each once."""

    def __init__(self) -> None:
        """None yet."""
        self._numbers: dict[str, int] = {}

    def number(self, text: str, width: int = LONGEST) -> int:
        """The number of a text as it may be shown."""
        return self._numbers.setdefault(shorten(visible(text), width), len(self._numbers))

    @property
    def texts(self) -> list[str]:
        """All of them, by number."""
        return list(self._numbers)


def payload(explored: Explored, names: Names) -> dict[str, Any]:
    """A run for the page's script; `names` gets its names."""
    study = explored.study.study
    structure = study.structure
    component = _renumbered(structure.components.names, explored.components)
    block = _renumbered(structure.blocks.names, explored.blocks)
    of_phase = study.phase_rows
    return {
        "phases": PHASES,
        "present": [name for name in PHASES if of_phase[name].wall_ns or of_phase[name].gpu_events],
        "components": explored.components,
        "blocks": explored.blocks,
        "categories": study.categorized.categories,
        "causes": CAUSES,
        "iterations": len(structure.iterations),
        "steps": int(structure.steps.counts(structure.iterations).max(initial=0)),
        "kept": {"iterations": explored.picks.iterations, "steps": explored.picks.steps},
        "median": explored.picks.median,
        "cells": _place(explored.cells, component, block),
        "kernels": _kernels(explored, names),
        "kinds": _kinds(explored.kinds, names),
        "kindCalls": _counted(explored.kind_calls),
        "launches": _counted(explored.launches),
        "busy": explored.busy and {"ns": explored.busy.ns.tolist(), "over": explored.busy.over},
        "ops": _ops(explored, names),
        "when": {
            "phase": explored.when.phase.tolist(),
            "iteration": explored.when.iteration.tolist(),
            "stepIteration": explored.when.step_iteration.tolist(),
            "step": explored.when.step.tolist(),
            "components": explored.when.components.tolist(),
            "wall": explored.when.wall_ns.tolist(),
        },
        "idle": {
            "cause": explored.idle.cause.tolist(),
            "when": explored.idle.when.tolist(),
            "ns": explored.idle.ns.tolist(),
            "gaps": _counted(explored.idle.gaps),
        },
        "walls": {
            "component": explored.walls.component.tolist(),
            "when": explored.walls.when.tolist(),
            "wall": explored.walls.wall_ns.tolist(),
            "calls": explored.walls.calls.tolist(),
        },
        "totals": explored.totals
        and {
            **_place(explored.totals.place, component, block),
            "ns": explored.totals.total_ns.tolist(),
            "calls": explored.totals.calls.tolist(),
        },
        "calls": _calls(explored, names),
        "timeline": timeline_data(explored.timeline),
        "memory": _memory(explored.memory, names),
    }


def events_of(explored: Explored, names: Names) -> str:
    """The events of the timeline, packed."""
    trace, timeline = explored.study.study.trace, explored.timeline
    used, of_device = np.zeros((2, len(trace.names)), np.bool_)
    for each in timeline.events:
        used[each.name] = True
        of_device[each.name[each.on_device]] = True
    name_of = np.zeros(len(trace.names), np.int64)
    for number in np.flatnonzero(used).tolist():
        name = trace.names[number]
        name_of[number] = names.number(short_name(name) if of_device[number] else name, SHORT)
    return packed_events(timeline.events, name_of)


def _renumbered(known: Sequence[str], shown: Sequence[str]) -> Callable[[int], int]:
    """Numbers of components as the page counts them; what is none stays so."""
    numbers = {known.index(name): number for number, name in enumerate(shown)}
    return lambda code: numbers.get(code, -1)


def _place(
    place: Place, component: Callable[[int], int], block: Callable[[int], int]
) -> dict[str, list[int]]:
    return {
        "phase": place.phase.tolist(),
        "component": [component(code) for code in place.component.tolist()],
        "block": [block(code) for code in place.block.tolist()],
        "iteration": place.iteration.tolist(),
        "stepIteration": place.step_iteration.tolist(),
        "step": place.step.tolist(),
    }


def _kernels(explored: Explored, names: Names) -> dict[str, Any]:
    """Kernels by name: [full name, short name, how it was fused], and their sums."""
    sums, trace = explored.kernels, explored.study.study.trace
    numbers: dict[int, int] = {}
    of_row = [numbers.setdefault(name, len(numbers)) for name in sums.name.tolist()]
    rows = []
    for name in (trace.names[number] for number in numbers):
        fused = fused_kind(name)
        rows.append([names.number(name), names.number(short_name(name), SHORT), fused.kind if fused else ""])
    return {
        "rows": rows,
        "row": of_row,
        "category": sums.category.tolist(),
        "kind": sums.kind.tolist(),
        "alone": sums.is_alone.tolist(),
        "cell": sums.cell.tolist(),
        "calls": sums.calls.tolist(),
        "total": sums.total_ns.tolist(),
        "min": sums.min_ns.tolist(),
        "max": sums.max_ns.tolist(),
    }


def _kinds(kinds: Sequence[KindWork], names: Names) -> dict[str, Any]:
    """Kinds of ops, the `group` (op and shape) of each; seconds of the least time of a call, or null."""
    groups: dict[tuple[str, str, str], int] = {}
    group = [groups.setdefault((work.kind.op, work.dims, work.types), len(groups)) for work in kinds]
    return {
        "groups": [[names.number(op), names.number(op, SHORT), names.number(dims)] for op, dims, _ in groups],
        "group": group,
        "flops": [work.flops for work in kinds],
        "moved": [work.moved for work in kinds],
        "roof": [None if work.roof is None else work.roof.seconds for work in kinds],
        "bound": [None if work.roof is None else work.roof.bound for work in kinds],
    }


def _ops(explored: Explored, names: Names) -> dict[str, Any] | None:
    """The op table: [full name, short name, whether an annotation], and sums but columns of zeros."""
    ops = explored.ops
    if ops is None:
        return None
    return {
        "rows": [[names.number(name), names.number(name, SHORT), int(mark)] for name, mark in ops.rows],
        "row": ops.row.tolist(),
        "cell": ops.cell.tolist(),
        "sums": {
            name.removesuffix("_ns").removesuffix("_bytes"): ops.sums[:, place].tolist()
            for place, name in enumerate(COLUMNS)
            if ops.sums[:, place].any()
        },
        "over": [[over.row, over.shown_in, over.cell, over.ns] for over in ops.over],
    }


def _calls(explored: Explored, names: Names) -> dict[str, Any] | None:
    """Who called whom: names and parents of nodes, and what each took itself by cell."""
    calls = explored.calls
    if calls is None:
        return None
    return {
        "names": [names.number(name.removeprefix("nn.Module: "), SHORT) for name in calls.names],
        "parent": calls.parent,
        "node": calls.node.tolist(),
        "cell": calls.cell.tolist(),
        "device": calls.device_ns.tolist(),
        "host": calls.host_ns.tolist(),
    }


def _memory(use: MemoryUse | None, names: Names) -> dict[str, Any] | None:
    """Memory over time and at its peak, in bytes."""
    if use is None:
        return None
    return {
        "device": use.device,
        "start": use.start_ns,
        "end": use.end_ns,
        "most": use.most.tolist(),
        "peak": use.peak,
        "peakAt": use.peak_ns,
        "before": use.before,
        "held": [
            [row.component, names.number(row.op, SHORT), row.nbytes, row.blocks]
            for row in use.held[:_MOST_HELD]
        ],
    }


def _counted(counted: Counted) -> dict[str, Any]:
    return {
        "group": counted.group.tolist(),
        "cell": counted.cell.tolist(),
        "times": counted.times.tolist(),
        "over": counted.over,
    }
