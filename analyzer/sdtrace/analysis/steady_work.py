"""What an iteration of steady state is made of: device work by component and category, idle time by cause."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final, NamedTuple

import numpy as np

from sdtrace.analysis.study import Study
from sdtrace.attribution.host import sum_by
from sdtrace.breakdowns.components import OUTSIDE
from sdtrace.intervals import Int64s, Intervals, covered, join, total, union
from sdtrace.model.compare import WaterfallStep

_OVERLAP: Final = "several streams"
_OUTSIDE_IDLE: Final = "outside"
_CPU: Final = "CPU time"

Part = tuple[str, str, str]
"""Sort, component, and what it is; as in `WaterfallStep`."""


class SteadyWork(NamedTuple):
    """The time of all steady iterations together, in nanoseconds, in parts that sum to their wall."""

    iterations: int
    wall_ns: int
    parts: Mapping[Part, int]


def steady_work(study: Study) -> SteadyWork | None:
    """The parts of the steady iterations of a trace; None without one."""
    steady = study.steady
    if not steady:
        return None
    spans = study.steady_spans
    wall_ns = sum(row.wall_ns for row in steady)
    parts = _device_parts(study, spans) if len(study.idle.devices) else _cpu_parts(study, spans)
    parts[("rest", "", "")] = wall_ns - sum(parts.values())
    return SteadyWork(len(steady), wall_ns, {key: ns for key, ns in parts.items() if ns})


def _device_parts(study: Study, spans: Intervals) -> dict[Part, int]:
    trace, row = study.trace, study.linked.work.row
    held = covered(spans, trace.start_ns[row], trace.end_ns[row])
    components, categories = study.structure.components, study.categorized.categories
    names = [*components.names, OUTSIDE]
    code = components.of_work(study.structure.launches)
    code[code < 0] = len(components.names)
    sums = sum_by(code * len(categories) + study.categorized.code, held, len(names) * len(categories))
    parts: dict[Part, int] = {
        ("work", names[place // len(categories)], categories[place % len(categories)]): int(sums[place])
        for place in np.flatnonzero(sums).tolist()
    }
    busy = join(*study.idle.devices.busy)
    busy_ns = int(covered(busy, spans.start, spans.end).sum())
    parts[("overlap", "", _OVERLAP)] = busy_ns - int(held.sum())
    idle_ns = total(spans) - busy_ns
    if len(study.idle.devices) == 1:
        for cause in study.idle.with_around().within(spans).causes():
            parts[("idle", "", cause.cause)] = cause.ns
            idle_ns -= cause.ns
    parts[("idle", "", _OUTSIDE_IDLE)] = idle_ns
    return parts


def _cpu_parts(study: Study, spans: Intervals) -> dict[Part, int]:
    """How long the CPU was in each component; of components on several threads at once the first counts."""
    components = study.structure.components
    parts: dict[Part, int] = {}
    seen: list[Intervals] = []
    for code, name in enumerate(components.names):
        mine = components.code == code
        own = union(components.start_ns[mine], components.end_ns[mine])
        before = _within(spans, join(*seen)) if seen else 0
        seen.append(own)
        parts[("cpu", name, _CPU)] = _within(spans, join(*seen)) - before
    return parts


def _within(spans: Intervals, other: Intervals) -> int:
    held: Int64s = covered(other, spans.start, spans.end)
    return int(held.sum())


def waterfall(
    base: SteadyWork | None, other: SteadyWork | None, base_ns: int, other_ns: int, *, is_unprofiled: bool
) -> list[WaterfallStep]:
    """From an iteration of `base` to one of `other`, the largest change first; [] where one has none.

    `base_ns` and `other_ns` are the iterations that the reader is told; the steps sum to their difference.
    What the means of the parts do not sum to is the last step: what the profiler adds, or the spread.
    """
    if base is None or other is None:
        return []
    ours, theirs = _means(base), _means(other)
    keys = list(dict.fromkeys([*ours, *theirs]))
    last: Part = ("profiler", "", "profiler") if is_unprofiled else ("rest", "", "")
    ours[last] = ours.get(last, 0) + base_ns - sum(ours.values())
    theirs[last] = theirs.get(last, 0) + other_ns - sum(theirs.values())
    keys = [key for key in keys if key != last]
    steps = [_step(key, ours.get(key, 0), theirs.get(key, 0)) for key in keys]
    steps.sort(key=lambda step: (-abs(step.change_us), step.component, step.what))
    return [*steps, _step(last, ours[last], theirs[last])]


def _means(work: SteadyWork) -> dict[Part, int]:
    return {key: round(ns / work.iterations) for key, ns in work.parts.items()}


def _step(key: Part, base_ns: int, other_ns: int) -> WaterfallStep:
    sort, component, what = key
    return WaterfallStep(
        sort=sort,  # type: ignore[arg-type]  # a `Part` begins with one of these
        component=component,
        what=what,
        base_us=base_ns / 1000,
        other_us=other_ns / 1000,
        change_us=(other_ns - base_ns) / 1000,
    )
