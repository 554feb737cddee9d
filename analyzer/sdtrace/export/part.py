"""A part of a trace: which of its events belong to it, and which are cut to it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Final, NamedTuple

import numpy as np

from sdtrace.analysis.study import Study
from sdtrace.attribution.ranges import RANGES
from sdtrace.errors import UsageError
from sdtrace.export.range_cuts import cut_ranges
from sdtrace.intervals import Bools, Int64s, Intervals, contains, intersect, union
from sdtrace.phases.phases import wall
from sdtrace.phases.timeline import PHASES
from sdtrace.reader.categories import DEVICE, HOST, LAUNCHES
from sdtrace.trace import Trace
from sdtrace.trace.ids import Ids, find_ids
from sdtrace.units import duration

_EVER: Final = 1 << 60
_SPANS: Final = frozenset({"user_annotation", "python_function"})
"""What is cut where it encloses the part; of what no analysis knows, all is."""


class Selection(NamedTuple):
    """What to keep of a trace: what lies in all that is given. None is no limit.

    `from_ns` and `to_ns` are nanoseconds since the first event; `iteration` is counted from 0, as in the
    report; `phase` is one of `PHASES`.
    """

    from_ns: int | None = None
    to_ns: int | None = None
    iteration: int | None = None
    phase: str | None = None


@dataclass(frozen=True)
class Part:
    """A part of a trace as its file has it.

    `rows` says which of the file's complete events belong to it. `cuts` has start and duration, in the
    nanoseconds of the file, of those that are cut, by their place among the complete events.
    """

    rows: Bools
    cuts: Mapping[int, tuple[int, int]]
    study: Study
    _window: Intervals
    _phase: str | None

    @property
    def spans(self) -> Intervals:
        """The host time of the part, since the first event of the study's trace."""
        return _inside(self.study, self._window, self._phase)

    def holds(self, file_ns: Int64s, thread: Int64s) -> Bools:
        """Which instants (of the file) on threads (by number, -1 for an unknown one) lie in the part."""
        instant = file_ns - self.study.trace.origin_ns
        inside = contains(self._window, instant)
        if self._phase is not None:
            inside &= self.study.phases.by_thread.at(instant, thread) == PHASES.index(self._phase)
        return inside


def find_part(trace: Trace, study: Study, selection: Selection) -> Part:
    """The part of `trace` that `selection` asks for; `study` is the study of that trace.

    It holds the host events that start within, all device work that they launched, also where it runs on
    after the end, and its ranges. Work without a known launch counts by its own start.

    An annotation or a Python function that encloses all of the part is cut to it, so that the part is as
    long as what it holds, and an iteration is found in it as before: its own annotation starts within and
    stays whole. What starts before the part and ends within it is left out, for it would pass for a whole
    one. A device range is cut to the work that is kept, if not all of its work is.

    Raises UsageError when the part holds nothing, or there is no such iteration.
    """
    window = _window(study, selection)
    instant, thread = _places(study)
    kept = contains(window, instant)
    if selection.phase is not None:
        codes = study.phases.by_thread.at(instant, thread)
        codes[study.linked.work.row] = study.phases.work_code
        kept &= codes == PHASES.index(selection.phase)
    work = study.linked.work
    launches = work.launch[kept[work.row]]
    kept[launches[launches >= 0]] = True
    kept &= ~study.trace.in_categories(RANGES)
    if not kept[study.trace.rows(HOST | DEVICE)].any():
        raise UsageError(_nothing(study, selection))
    start, end = study.trace.start_ns.copy(), study.trace.end_ns.copy()
    _cut_enclosing(study, _hull(study, window, selection.phase), kept, start, end)
    cut_ranges(study.trace, kept, start, end)
    return _in_file(trace, study, Part(kept, {}, study, window, selection.phase), start, end)


def _window(study: Study, selection: Selection) -> Intervals:
    """The instants that the selection's times and iteration leave."""
    low, high = selection.from_ns, selection.to_ns
    if low is not None and high is not None and low >= high:
        raise UsageError("--from must be before --to")
    edges = np.array([-_EVER if low is None else low, _EVER if high is None else high])
    window = union(edges[:1], edges[1:])
    if selection.iteration is None:
        return window
    found, chosen = study.structure.iterations, selection.iteration
    if chosen >= len(found):
        known = f"iterations are 0 to {len(found) - 1}" if len(found) > 1 else "the only iteration is 0"
        raise UsageError(f"no iteration {chosen}; {known}")
    return intersect(window, union(found.start_ns[chosen:][:1], found.end_ns[chosen:][:1]))


def _nothing(study: Study, selection: Selection) -> str:
    low, high = wall(study.trace)
    lasts = f"the trace lasts {duration((high - low) / 1000)}"
    if selection.phase is None:
        return f"nothing starts in that part of the trace; {lasts}"
    known = ", ".join(row.phase for row in study.phase_rows.values() if row.wall_ns or row.gpu_events)
    return f"nothing of phase {selection.phase!r} starts in that part of the trace; its phases are {known}"


def _places(study: Study) -> tuple[Int64s, Int64s]:
    """The instant and the thread (-1 where unknown) by which each event belongs to a part or not."""
    trace, host, work = study.trace, study.linked.host, study.linked.work
    instant, thread = trace.start_ns.copy(), trace.thread.astype(np.int64)
    thread[host.row] = host.thread
    instant[work.row], thread[work.row] = study.structure.launches.called_ns, study.structure.launches.thread
    waits, calls = trace.rows({"cuda_sync"}), trace.rows(LAUNCHES)
    calls = calls[trace.correlation[calls] > 0]
    ids = Ids(trace.correlation, trace.process[trace.thread], trace.start_ns)
    found = find_ids(ids.at(calls), ids.at(waits))
    known = waits[found >= 0]
    instant[known], thread[known] = (column[calls[found[found >= 0]]] for column in (instant, thread))
    return instant, thread


def _hull(study: Study, window: Intervals, phase: str | None) -> tuple[int, int]:
    """From when to when the host is in the part."""
    inside = _inside(study, window, phase)
    host = study.trace.in_categories(HOST)
    first = int(study.trace.start_ns.min(where=host, initial=_EVER))
    last = int(study.trace.end_ns.max(where=host, initial=-_EVER))
    if not inside.start.size:
        return first, last
    return max(int(inside.start[0]), first), min(int(inside.end[-1]), last)


def _inside(study: Study, window: Intervals, phase: str | None) -> Intervals:
    return window if phase is None else intersect(window, study.phases.timeline.of(phase))


def _cut_enclosing(study: Study, hull: tuple[int, int], kept: Bools, start: Int64s, end: Int64s) -> None:
    """Keep the spans that enclose the hull, and cut their starts and ends to it."""
    low, high = hull
    trace = study.trace
    spans = trace.in_categories(_SPANS) | ~trace.in_categories(HOST | DEVICE)
    encloses = spans & (((start <= low) & (end > high)) | ((start < low) & (end >= high)))
    kept |= encloses
    start[encloses], end[encloses] = np.maximum(start[encloses], low), np.minimum(end[encloses], high)


def _in_file(trace: Trace, study: Study, part: Part, start: Int64s, end: Int64s) -> Part:
    """The part by places and times of the file, where clocks are as they were."""
    rows = np.zeros(len(trace) + len(trace.quarantined_rows), np.bool_)
    rows[trace.file_rows] = part.rows
    changed = np.flatnonzero((start != study.trace.start_ns) | (end != study.trace.end_ns))
    changed = changed[part.rows[changed]]
    moved = trace.start_ns[changed] + trace.origin_ns - study.trace.start_ns[changed]
    times = zip((start[changed] + moved).tolist(), (end - start)[changed].tolist(), strict=True)
    return replace(part, rows=rows, cuts=dict(zip(trace.file_rows[changed].tolist(), times, strict=True)))
