"""Who called whom: components, modules, ops and kernels as one tree, with device and host time by cell.

The tree holds the iterations that are kept, without compile, autotune and capture, whose calls are the
compiler's own. What is too small to be seen counts for its caller.
"""

from __future__ import annotations

from typing import Final, NamedTuple

import numpy as np

from sdtrace.analysis.study import Study
from sdtrace.attribution.host import sum_by
from sdtrace.attribution.nesting import depths, first_outside
from sdtrace.breakdowns.components import OUTSIDE
from sdtrace.breakdowns.short_names import short_name
from sdtrace.explore.places import OTHERS, Index, Place
from sdtrace.intervals import Bools, Int64s
from sdtrace.phases.timeline import PHASES, STALL, STEADY, WARMUP

_SHOWN: Final = (WARMUP, STALL, STEADY)
_LEAST: Final = 5e-4
_MOST_EVENTS: Final = 400_000
_DEEPEST: Final = 1 << 14
_MODULE: Final = "nn.Module: "


class Calls(NamedTuple):
    """`parent` and `name` have an element per node, parents first, -1 for a root.

    Names of roots are components, of others a name of the trace. `node`, `cell`, `device_ns` and `host_ns`
    are arrays of one length: what each node took itself, without those it called.
    """

    names: list[str]
    parent: list[int]
    node: Int64s
    cell: Int64s
    device_ns: Int64s
    host_ns: Int64s


def call_tree(study: Study, cells: Place, host_cell: Index, work_cell: Int64s) -> Calls | None:
    """The tree; None where nothing is to be shown, or far too much.

    `host_cell` has a cell for each event of `study.linked.host`, `work_cell` for each piece of device work.
    """
    trace, host, work = study.trace, study.linked.host, study.linked.work
    shown = _shown(cells)
    picked = np.flatnonzero(shown[host_cell])
    pieces = np.flatnonzero(shown[work_cell])
    if not (len(picked) or len(pieces)) or len(picked) + len(pieces) > _MOST_EVENTS:
        return None
    roots, known = _roots(study, cells), _Nodes()
    node = _of_host(study, picked, roots[host_cell[picked]], known)
    of_op = np.full(len(host) + 1, -1, np.int64)
    of_op[picked] = node
    op = of_op[work.op[pieces]]
    below = np.where(op >= 0, op, known.of(np.full(len(pieces), -1), roots[work_cell[pieces]]))
    first_kernel = known.size
    leaf = known.of(below, trace.name[work.row[pieces]].astype(np.int64))
    size = len(cells.phase)
    length = known.size * size
    host_ns = sum_by(node * size + host_cell[picked], host.self_ns[picked], length)
    device_ns = sum_by(leaf * size + work_cell[pieces], trace.dur_ns[work.row[pieces]], length)
    tables = device_ns.reshape(-1, size), host_ns.reshape(-1, size)
    names = [*trace.names, *study.structure.components.names, OUTSIDE]
    return _pruned(known, names, first_kernel, tables)


def _shown(cells: Place) -> Bools:
    phases = [PHASES.index(phase) for phase in _SHOWN]
    mask: Bools = np.isin(cells.phase, phases) & (cells.iteration != OTHERS)
    return mask


def _roots(study: Study, cells: Place) -> Int64s:
    """The name (a number) of the root of each cell: its component."""
    first = len(study.trace.names)
    code = cells.component
    return first + np.where(code < 0, len(study.structure.components.names), code)


class _Nodes:
    """Nodes by parent and name; numbered as they are found."""

    def __init__(self) -> None:
        self.parents: list[Int64s] = []
        self.names: list[Int64s] = []
        self.size = 0
        self._roots: dict[int, int] = {}

    def of(self, parent: Int64s, name: Int64s) -> Int64s:
        """The node of each pair; new ones for all but roots, which are the same at every call."""
        width = int(name.max(initial=0)) + 1
        codes, which = np.unique((parent + 1) * width + name, return_inverse=True)
        over, called = codes // width - 1, codes % width
        number = np.arange(self.size, self.size + len(codes))
        is_root = over < 0
        for place in np.flatnonzero(is_root).tolist():
            number[place] = self._roots.setdefault(int(called[place]), int(number[place]))
        self.parents.append(over)
        self.names.append(called)
        self.size += len(codes)
        found: Int64s = number[which.reshape(-1)]
        return found


def _of_host(study: Study, picked: Int64s, root: Int64s, known: _Nodes) -> Int64s:
    """The node of each picked host event, from the outermost in; `root` has the root of each."""
    host = study.linked.host
    place = np.full(len(host) + 1, -1, np.int64)
    place[picked] = np.arange(len(picked))
    parent = place[host.tree_parent[picked]]
    parent[(parent >= 0) & (root[parent] != root)] = -1
    skipped = skipped_names(study)[host.name[picked]] | host.is_duplicate[picked]
    above = first_outside(parent, skipped, parent)
    node = known.of(np.full(len(picked), -1), root)
    outermost = node.copy()
    depth = depths(np.where(skipped, -1, above))
    depth[skipped] = -1
    order = np.argsort(depth.astype(np.int16), kind="stable")
    bounds = np.flatnonzero(np.diff(depth[order], prepend=-2, append=_DEEPEST))
    for first, last in zip(bounds[:-1].tolist(), bounds[1:].tolist(), strict=True):
        events = order[first:last]
        if depth[events[0]] < 0:
            continue
        over = np.where(above[events] >= 0, node[above[events]], outermost[events])
        node[events] = known.of(over, host.name[picked[events]].astype(np.int64))
    node[skipped] = np.where(above[skipped] >= 0, node[above[skipped]], outermost[skipped])
    return node


def skipped_names(study: Study) -> Bools:
    """Names that are no part of the tree: Python functions that are no modules, marks of components."""
    trace = study.trace
    marks = np.isin(np.array(trace.names), study.structure.components.names)
    python = np.zeros(len(trace.names), np.bool_)
    python[trace.name[trace.rows({"python_function"})]] = True
    modules = np.array([name.startswith(_MODULE) for name in trace.names], np.bool_)
    return (python & ~modules) | marks


def _pruned(known: _Nodes, names: list[str], first_kernel: int, tables: tuple[Int64s, Int64s]) -> Calls:
    """Nodes that can be seen; what the others took counts for the nearest caller that can."""
    parent, name = np.concatenate(known.parents), np.concatenate(known.names)
    total = np.stack([table.sum(axis=1) for table in tables], axis=1)
    whole = np.maximum(total.sum(axis=0), 1)
    for number in range(known.size - 1, -1, -1):
        if parent[number] >= 0:
            total[parent[number]] += total[number]
    seen = (total >= _LEAST * whole).any(axis=1)
    target = first_outside(parent, ~seen, np.arange(known.size))
    number_of = np.cumsum(seen) - 1
    kept = np.flatnonzero(target >= 0)
    sums = np.zeros((2, int(seen.sum()), tables[0].shape[1]), np.int64)
    for table, summed in zip(tables, sums, strict=True):
        np.add.at(summed, number_of[target[kept]], table[kept])
    node, cell = np.nonzero(sums.any(axis=0))
    over = [int(number_of[up]) if up >= 0 else -1 for up in parent[seen].tolist()]
    said = [
        short_name(names[name[place]]) if place >= first_kernel else names[name[place]]
        for place in np.flatnonzero(seen).tolist()
    ]
    return Calls(said, over, node, cell, sums[0][node, cell], sums[1][node, cell])
