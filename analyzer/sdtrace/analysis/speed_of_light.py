"""A study held against the card: work by op and shape, and a steady iteration at the speed of light."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from sdtrace.analysis.microseconds import in_microseconds, us
from sdtrace.analysis.study import Study
from sdtrace.attribution.host import sum_by
from sdtrace.breakdowns.iterations import IterationRow, lasting
from sdtrace.intervals import join, subtract, union
from sdtrace.model.work import ComponentLight, DeviceLight, OpByShape, Peaks, SpeedOfLight, WaterfallPart
from sdtrace.phases.timeline import AUTOTUNE
from sdtrace.roofline.by_shape import KernelWork, ShapeRow, kernel_work, measure_kinds, shape_rows
from sdtrace.roofline.kinds import KindWork, work_of_kinds
from sdtrace.roofline.limits import at_best_dtype
from sdtrace.roofline.named_work import NamedWork, name_work
from sdtrace.roofline.peaks import find_peaks
from sdtrace.roofline.waterfall import (
    OUTSIDE,
    Labels,
    Window,
    fastest_dtype,
    roof_shares,
    waterfall,
    window_of,
)
from sdtrace.trace.model import Bools
from sdtrace.waiting.devices import DeviceRow, device_rows
from sdtrace.waiting.idle import Idle


@dataclass(frozen=True)
class WorkStudy:
    """The device work of a study, named by op and shape; `given` is a file with peaks of the card."""

    study: Study
    given: Path | None = None

    @cached_property
    def peaks(self) -> Peaks | None:
        """What the card can do; None where nothing is known. Raises UsageError for a file of no use."""
        trace = self.study.trace
        return find_peaks(trace.run.get("device_name"), trace.run.get("peaks"), self.given, trace.device)

    @cached_property
    def named(self) -> NamedWork:
        """The op of every piece of device work."""
        return name_work(self.study.linked, self.study.phases.work_mask(AUTOTUNE))

    @cached_property
    def works(self) -> list[KindWork]:
        """What a call of each kind of op is as work."""
        return work_of_kinds(self.study.linked, self.named, self.peaks)

    def by_shape(self, mask: Bools | None) -> list[OpByShape]:
        """Device work by op and shape; `mask` (one per piece) limits it to a part."""
        return [shape_record(row) for row in self.shape_rows(mask)]

    def shape_rows(self, mask: Bools | None) -> list[ShapeRow]:
        """The same in nanoseconds."""
        return shape_rows(measure_kinds(self.study.linked, self.named, self.works, mask))

    def kernels(self, mask: Bools | None) -> dict[str, KernelWork]:
        """What the kernels of each name did, where it is known of all of them."""
        return kernel_work(self.study.linked, self.named, self.works, mask)

    def speed_of_light(self) -> SpeedOfLight | None:
        """The steady iteration of median wall, of uneven ones that nearest to the mean.

        None without one, without peaks, with cards of two kinds.
        """
        study, peaks = self.study, self.peaks
        if peaks is None or not study.steady or not self._is_one_kind_of_card():
            return None
        row = self._usual_row()
        window, labels = self._window(row), self._labels()
        own = [self._window(row, device) for device in range(len(study.idle.devices))]
        used = np.isin(np.arange(len(self.works)), self.named.kind[window.piece])
        best = fastest_dtype(self.works, used, peaks.flops_per_s)
        least = [self._components(part, labels, peaks, best) for part in own]
        devices = [self._device(part, labels, index, own[index]) for index, part in enumerate(least)]
        return SpeedOfLight(
            card=peaks.card,
            peaks=peaks,
            iteration=row.index,
            wall_us=us(row.wall_ns),
            image_us=max(device.image_us for device in devices),
            best_dtype=best,
            best_dtype_us=max(
                _together(part, [component.best_dtype_us for component in components])
                for part, components in zip(own, least, strict=True)
            ),
            components=self._components(window, labels, peaks, best),
            waterfall=self._parts(window, labels, self._idle(window, own)),
            in_graphs=self.named.in_graphs,
            unnamed_in_graphs=self.named.unnamed,
            devices=devices if len(devices) > 1 else [],
        )

    def _usual_row(self) -> IterationRow:
        rows, mean_ns = sorted(self.study.steady, key=lambda row: row.wall_ns), self.study.steady_wall_ns
        if self.study.is_uneven and mean_ns is not None:
            return min(rows, key=lambda row: abs(row.wall_ns - mean_ns))
        return rows[(len(rows) - 1) // 2]

    def _is_one_kind_of_card(self) -> bool:
        return len({device.name for device in self._device_rows}) == 1

    @cached_property
    def _device_rows(self) -> list[DeviceRow]:
        study = self.study
        return device_rows(study.linked, study.idle.devices, study.steady_spans)

    def _window(self, row: IterationRow, device: int | None = None) -> Window:
        """The work of an iteration; of one device, by its place, or of all."""
        study = self.study
        iterations = study.structure.iterations
        begun, _ = lasting(study.linked, iterations.start_ns, iterations.end_ns, study.structure.launches)
        begun_ns = int(begun[row.index])
        mask = None if device is None else study.idle.devices.of_work == device
        return window_of(study.linked, begun_ns, begun_ns + row.wall_ns, mask)

    def _device(
        self, components: list[ComponentLight], labels: Labels, index: int, window: Window
    ) -> DeviceLight:
        row = self._device_rows[index]
        return DeviceLight(
            device=row.index,
            name=row.name,
            busy_us=us(window.busy_ns),
            image_us=_together(window, [part.roofline_us for part in components]),
            waterfall=self._parts(window, labels, self._idle_of(window, index)),
        )

    def _parts(self, window: Window, labels: Labels, idle: Idle) -> list[WaterfallPart]:
        causes = {cause.cause: cause.ns for cause in idle.causes()}
        parts = waterfall(window, self.named, self.works, labels, causes)
        return [in_microseconds(part, WaterfallPart) for part in parts]

    def _idle_of(self, window: Window, device: int) -> Idle:
        """When a device did not work."""
        whole = union(np.array([window.begun_ns]), np.array([window.done_ns]))
        return self.study.idle.of_device(device).within(whole)

    def _idle(self, window: Window, own: list[Window]) -> Idle:
        """When no device worked, by the causes of the one that worked longest."""
        busiest = max(range(len(own)), key=lambda device: own[device].busy_ns)
        idle = self._idle_of(window, busiest)
        if len(own) == 1:
            return idle
        spans = union(np.array([window.begun_ns]), np.array([window.done_ns]))
        return idle.within(subtract(spans, join(*self.study.idle.devices.busy)))

    def _labels(self) -> Labels:
        study = self.study
        components, launches = study.structure.components, study.structure.launches
        component = components.at(launches.called_ns, launches.thread)
        categorized = study.categorized
        return Labels(component, components.names, categorized.code, categorized.categories)

    def _components(
        self, window: Window, labels: Labels, peaks: Peaks, best: str | None
    ) -> list[ComponentLight]:
        """The least time of each component's work; what has no roof counts with its own time."""
        shares = roof_shares(window, self.named, self.works)
        least = np.where(np.isnan(shares), window.ns, shares)
        ratio = np.append([_at_best(work, peaks, best) for work in self.works], 1.0)
        at_best = least * ratio[self.named.kind[window.piece]]
        names = [*labels.components, OUTSIDE]
        code = labels.component[window.piece]
        code = np.where(code < 0, len(labels.components), code)
        gpu_ns = sum_by(code, window.ns, len(names))
        rows = [code == number for number in range(len(names))]
        return [
            ComponentLight(
                component=name,
                gpu_us=us(int(total)),
                roofline_us=us(round(float(least[mine].sum()))),
                best_dtype_us=us(round(float(at_best[mine].sum()))),
            )
            for name, total, mine in zip(names, gpu_ns.tolist(), rows, strict=True)
            if total
        ]


def _at_best(work: KindWork, peaks: Peaks, best: str | None) -> float:
    """What remains of the least time of a call in the type `best`; 1 where it has none."""
    if work.roof is None:
        return 1.0
    return at_best_dtype(work.needed_flops, work.traffic, peaks, work.dtype, best)


def _together(window: Window, times_us: list[float]) -> float:
    """The sum in microseconds; never more than the device was busy, where streams work at once."""
    return us(min(round(sum(times_us) * 1000), window.busy_ns))


def shape_record(row: ShapeRow) -> OpByShape:
    """A row of work by op and shape as a record."""
    seconds = row.device_ns / 1e9
    known = row.bytes_read is not None and row.bytes_written is not None
    moved = (row.bytes_read or 0) + (row.bytes_written or 0) if known else None
    return OpByShape(
        op=row.op,
        input_dims=row.input_dims,
        input_types=row.input_types,
        calls=row.calls,
        device_us=us(row.device_ns),
        flops=row.flops,
        bytes_read=row.bytes_read,
        bytes_written=row.bytes_written,
        dram_bytes_read=row.dram_bytes_read,
        tflops=row.flops / seconds / 1e12 if row.flops and seconds else None,
        tbps=None if moved is None or not seconds else moved / seconds / 1e12,
        bound=row.bound,
        pct_of_peak=None if row.roof_ns is None or not row.device_ns else 100 * row.roof_ns / row.device_ns,
        lost_us=None if row.lost_ns is None else us(row.lost_ns),
        exact=row.exact,
    )


def work_fields(work: KernelWork, total_ns: int) -> dict[str, Any]:
    """The fields of a `model.Kernel` that say what its kernels did in `total_ns`."""
    if work.bytes_read is None or work.bytes_written is None:
        return {"flops": work.flops}
    moved, roof_ns = work.bytes_read + work.bytes_written, work.roof_ns
    return {
        "flops": work.flops,
        "bytes_read": work.bytes_read,
        "bytes_written": work.bytes_written,
        "dram_bytes_read": work.dram_bytes_read,
        "tbps": moved / total_ns / 1000 if total_ns else None,
        "pct_of_peak": None if roof_ns is None or not total_ns else 100 * roof_ns / total_ns,
        "bytes_are": "exact" if work.exact else "bound",
    }
