"""The tables of a part of a run as records, from the sums by cell: equal to those of `Analysis.at`."""

from __future__ import annotations

from collections.abc import Iterable

import msgspec
import numpy as np

from sdtrace import model
from sdtrace.analysis.microseconds import in_microseconds, us
from sdtrace.analysis.part import WHOLE, Part
from sdtrace.analysis.speed_of_light import shape_record, work_fields
from sdtrace.analysis.trace_report import Known
from sdtrace.attribution.host import sum_by
from sdtrace.attribution.op_table import OpRow
from sdtrace.breakdowns.categories import fused_kind
from sdtrace.breakdowns.components import OUTSIDE
from sdtrace.breakdowns.short_names import short_name
from sdtrace.explore.explored import Explored
from sdtrace.explore.host import COLUMNS, linked_for
from sdtrace.explore.over import Counted
from sdtrace.explore.places import NONE
from sdtrace.intervals import Bools, Int64s
from sdtrace.phases.timeline import PHASES
from sdtrace.roofline.by_shape import KernelWork, MeasuredKinds, roof_sum, shape_rows
from sdtrace.waiting.idle import CAUSES, Cause


def limited(
    trace: model.TraceReport, explored: Explored, part: Part, most: int | None = None
) -> model.TraceReport:
    """`trace` with ops, kernels, categories, components, idle time and work by shape of a part alone.

    Iterations and steps of the part must be among those that are kept. `most` limits the kernels to the
    longest, and leaves work by shape out.
    """
    found = _Part(explored, part)
    kernels = found.kernels(most)
    return msgspec.structs.replace(
        trace,
        selected_phase=part.phase,
        selected_component=part.component,
        selected_iteration=part.iteration,
        selected_step=part.step,
        idle=found.idle(),
        ops=found.ops() if explored.ops is not None else trace.ops,
        kernels=kernels,
        categories=found.categories(),
        components=found.components(),
        ops_by_shape=found.by_shape() if most is None else [],
        queue=None,
    )


def known_tables(explored: Explored) -> Known | None:
    """The tables of the whole run; None where op times are torch's."""
    if explored.ops is None:
        return None
    whole = _Part(explored, WHOLE)
    ops = explored.ops.table(linked_for(explored.study.study))
    return Known(ops, whole.kernels(None), whole.categories(), whole.by_shape())


class _Part:
    """A part, as masks over the cells and times."""

    def __init__(self, explored: Explored, part: Part) -> None:
        self.explored, self.part = explored, part
        self.cells = self._cells()
        self.times = self._times()

    def _cells(self) -> Bools:
        place, part, study = self.explored.cells, self.part, self.explored.study.study
        mask = _rounds(place.iteration, place.step_iteration, place.step, part)
        if part.phase is not None:
            mask &= place.phase == PHASES.index(part.phase)
        if part.component is not None:
            structure = study.structure
            is_block = part.component in structure.blocks.names
            names = structure.blocks.names if is_block else structure.components.names
            code = place.block if is_block else place.component
            mask &= code == (NONE if part.component == OUTSIDE else names.index(part.component))
        return mask

    def _times(self) -> Bools:
        when, part = self.explored.when, self.part
        mask = _rounds(when.iteration, when.step_iteration, when.step, part)
        if part.phase is not None:
            mask &= when.phase == PHASES.index(part.phase)
        names = [*self.explored.components, *self.explored.blocks]
        if part.component == OUTSIDE:
            mask &= when.components & ((1 << len(self.explored.components)) - 1) == 0
        elif part.component is not None:
            mask &= when.components >> names.index(part.component) & 1 == 1
        return mask

    def kernels(self, most: int | None) -> list[model.Kernel]:
        sums, study = self.explored.kernels, self.explored.study.study
        mine = np.flatnonzero(self.cells[sums.cell])
        groups: dict[int, list[int]] = {}
        for place, name in zip(mine.tolist(), sums.name[mine].tolist(), strict=True):
            groups.setdefault(name, []).append(place)
        whole = int(sums.total_ns[mine].sum())
        if most is not None:
            totals = {name: int(sums.total_ns[members].sum()) for name, members in groups.items()}
            groups = {name: groups[name] for name in sorted(groups, key=lambda name: -totals[name])[:most]}
        rows = [self._kernel(study.trace.names[name], members, whole) for name, members in groups.items()]
        return sorted(rows, key=lambda row: (-row.total_us, row.name))

    def _kernel(self, name: str, members: list[int], whole: int) -> model.Kernel:
        sums, categories = self.explored.kernels, self.explored.study.study.categorized.categories
        total = int(sums.total_ns[members].sum())
        calls = int(sums.calls[members].sum())
        by_category = sum_by(sums.category[members], sums.total_ns[members], len(categories))
        fused = fused_kind(name)
        work = self._work(members)
        return model.Kernel(
            name=name,
            short_name=short_name(name),
            category=categories[int(by_category.argmax())],
            calls=calls,
            total_us=us(total),
            mean_us=us(total / calls),
            min_us=us(int(sums.min_ns[members].min())),
            max_us=us(int(sums.max_ns[members].max())),
            pct=100 * total / whole if whole else 0.0,
            fused_kind=fused.kind if fused else None,
            fused_ops=", ".join(fused.ops) if fused else None,
            **({} if work is None else work_fields(work, total)),
        )

    def _work(self, members: list[int]) -> KernelWork | None:
        sums = self.explored.kernels
        if not sums.is_alone[members].all() or (sums.kind[members] < 0).any():
            return None
        works = [self.explored.kinds[kind] for kind in sums.kind[members].tolist()]
        calls = sums.calls[members].tolist()
        traffic = [work.traffic for work in works]
        pairs = list(zip(traffic, calls, strict=True))
        return KernelWork(
            flops=sum(work.flops * count for work, count in zip(works, calls, strict=True)),
            bytes_read=_sum(None if t is None else t.bytes_read * count for t, count in pairs),
            bytes_written=_sum(None if t is None else t.bytes_written * count for t, count in pairs),
            roof_ns=roof_sum(works, calls),
            exact=all(t is not None and t.exact for t in traffic),
        )

    def categories(self) -> list[model.Category]:
        sums, names = self.explored.kernels, self.explored.study.study.categorized.categories
        mine = self.cells[sums.cell]
        total = sum_by(sums.category[mine], sums.total_ns[mine], len(names)).tolist()
        calls = sum_by(sums.category[mine], sums.calls[mine], len(names)).tolist()
        whole = sum(total)
        rows = [
            model.Category(category=name, gpu_us=us(ns), pct=100 * ns / whole if whole else 0.0, calls=count)
            for name, ns, count in zip(names, total, calls, strict=True)
            if count
        ]
        return sorted(rows, key=lambda row: (-row.gpu_us, row.category))

    def by_shape(self) -> list[model.OpByShape]:
        sums, kinds = self.explored.kernels, self.explored.kinds
        mine = self.cells[sums.cell] & (sums.kind >= 0)
        device_ns = sum_by(sums.kind[mine], sums.total_ns[mine], len(kinds))
        calls = _counted(self.explored.kind_calls, self.cells, len(kinds))
        return [shape_record(row) for row in shape_rows(MeasuredKinds(kinds, calls, device_ns))]

    def ops(self) -> list[model.Op]:
        sums = self.explored.ops
        assert sums is not None
        mine = self.cells[sums.cell]
        totals = np.zeros((len(sums.rows), sums.sums.shape[1]), np.int64)
        np.add.at(totals, sums.row[mine], sums.sums[mine])
        for over in sums.over:
            if self.cells[over.cell] and self.cells[list(over.shown_in)].any():
                totals[over.row, COLUMNS.index("device_total_ns")] += over.ns
        shown = np.unique(sums.row[mine]).tolist()
        return [
            in_microseconds(OpRow(name, "cpu", annotation, *totals[number].tolist()), model.Op)
            for number in shown
            for name, annotation in (sums.rows[number],)
            if totals[number].any()
        ]

    def idle(self) -> list[model.IdleCause]:
        sums = self.explored.idle
        mine = self.times[sums.when]
        ns = sum_by(sums.cause[mine], sums.ns[mine], len(CAUSES)).tolist()
        gaps = _counted(sums.gaps, self.times, len(CAUSES)).tolist()
        rows = [Cause(*row) for row in zip(CAUSES, ns, gaps, strict=True) if row[2]]
        return [in_microseconds(row, model.IdleCause) for row in sorted(rows, key=lambda row: -row.ns)]

    def components(self) -> list[model.Component]:
        explored = self.explored
        names = [*explored.components, *explored.blocks, OUTSIDE]
        if len(names) == 1:
            return []
        totals = np.zeros((len(names), len(PHASES), 3), np.int64)
        walls = explored.walls
        mine = self.times[walls.when]
        at = walls.component[mine], explored.when.phase[walls.when[mine]]
        np.add.at(totals[:, :, 1], at, walls.wall_ns[mine])
        np.add.at(totals[:, :, 2], at, walls.calls[mine])
        for place, phase, ns in self._device_ns():
            totals[place, phase, 0] += ns
        return [
            model.Component(component=name, phase=phase, gpu_us=us(gpu), wall_us=us(wall), calls=calls)
            for i, name in enumerate(names)
            if self.part.component in (None, name)
            for j, phase in enumerate(PHASES)
            for gpu, wall, calls in (totals[i, j].tolist(),)
            if gpu or wall or calls
        ]

    def _device_ns(self) -> Iterable[tuple[int, int, int]]:
        """Component or block, phase, nanoseconds of device work."""
        explored, structure = self.explored, self.explored.study.study.structure
        sums, cells = explored.kernels, explored.cells
        per_cell = sum_by(sums.cell, sums.total_ns, len(cells.phase))
        component = {structure.components.names.index(name): i for i, name in enumerate(explored.components)}
        shift = len(explored.components)
        block = {structure.blocks.names.index(name): shift + i for i, name in enumerate(explored.blocks)}
        outside = shift + len(explored.blocks)
        for cell in np.flatnonzero(self.cells & (per_cell > 0)).tolist():
            phase, ns = int(cells.phase[cell]), int(per_cell[cell])
            yield component.get(int(cells.component[cell]), outside), phase, ns
            if int(cells.block[cell]) in block:
                yield block[int(cells.block[cell])], phase, ns


def _rounds(iteration: Int64s, step_iteration: Int64s, step: Int64s, part: Part) -> Bools:
    if part.step is None:
        return np.ones(len(step), np.bool_) if part.iteration is None else iteration == part.iteration
    mask: Bools = step == part.step
    return mask if part.iteration is None else mask & (step_iteration == part.iteration)


def _counted(counted: Counted, cells: Bools, groups: int) -> Int64s:
    mine = cells[counted.cell]
    found = sum_by(counted.group[mine], counted.times[mine], groups)
    for group, held, count in counted.over:
        if cells[list(held)].any():
            found[group] += count
    return found


def _sum(values: Iterable[int | None]) -> int | None:
    total = 0
    for value in values:
        if value is None:
            return None
        total += value
    return total
