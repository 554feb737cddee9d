"""What a timeline draws: bins of the whole run that lose no time, and every event of a few iterations."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, NamedTuple

import numpy as np

from sdtrace.analysis.speed_of_light import WorkStudy
from sdtrace.analysis.study import Study
from sdtrace.attribution.nesting import depths, first_outside
from sdtrace.explore.calls import skipped_names
from sdtrace.explore.picks import Picks
from sdtrace.intervals import Bools, Int64s
from sdtrace.phases.phases import wall
from sdtrace.waiting.idle import CAUSES

BINS: Final = 1_000
_MOST_STREAMS: Final = 6
_MOST_THREADS: Final = 3
_SAMPLED: Final = 200_000
_MOST_CAUSES: Final = 6
_MOST_SPANS: Final = 3_000
_DEEPEST: Final = 12
_MOST_EXACT: Final = 3
_OF_FIRST: Final = 0.7
MOST_EVENTS: Final = 120_000


_NONE: Final = np.zeros(0, np.int64)
_NO_IDLE: Final = (_NONE, _NONE, _NONE)


class Lane(NamedTuple):
    """A stream or a host thread: `busy_ns` of each bin, of streams the sum of their work."""

    label: str
    is_stream: bool
    busy_ns: Int64s


class Events(NamedTuple):
    """Every event of an iteration, arrays of one length, by lane, depth and start.

    `name` is a name of the trace, `kind` that of the op that launched device work (an index into
    `WorkStudy.works`), -1 for none. The lane past the last is idle time, where `kind` is the number of its
    cause. Times are nanoseconds since the first event of the trace.
    """

    iteration: int
    start_ns: int
    end_ns: int
    lane: Int64s
    depth: Int64s
    start: Int64s
    dur: Int64s
    name: Int64s
    kind: Int64s
    on_device: Bools
    is_complete: bool
    """Whether calls of any depth are there; else those of the outermost few levels."""


@dataclass(frozen=True)
class Timeline:
    """`edges` and `phases` cut the wall; `iterations`, `steps` and `components` are spans with a number."""

    start_ns: int
    end_ns: int
    edges: Int64s
    phases: Int64s
    iterations: Int64s
    steps: Int64s
    components: Int64s
    lanes: list[Lane]
    idle: dict[str, Int64s]
    """Idle nanoseconds of each bin, of all devices, by cause."""
    events: list[Events]


def timeline_of(work: WorkStudy, picks: Picks) -> Timeline:
    """The timeline of a run; exact for the median iteration, then others, as far as there is room."""
    study = work.study
    start, end = wall(study.trace)
    edges = np.linspace(start, end, BINS + 1).astype(np.int64)
    streams, threads = _streams(study), _threads(study)
    structure = study.structure
    _, index = structure.steps.within(structure.iterations)
    lanes = [Lane(_label(study, lane), True, _busy(*_work_of(study, lane), edges)) for lane in streams]
    lanes += [Lane(_label(study, lane), False, _busy(*_outermost(study, lane), edges)) for lane in threads]
    return Timeline(
        start,
        end,
        study.phases.timeline.edges,
        study.phases.timeline.code.astype(np.int64),
        _spans(structure.iterations.start_ns, structure.iterations.end_ns, structure.iterations.index),
        _spans(structure.steps.start_ns, structure.steps.end_ns, index),
        _spans(structure.components.start_ns, structure.components.end_ns, structure.components.code),
        lanes,
        _idle(study, edges),
        _events(work, picks, streams, threads),
    )


def _spans(start: Int64s, end: Int64s, number: Int64s) -> Int64s:
    """Starts, ends and numbers as three rows; the first few thousand."""
    return np.stack((start, end, number))[:, :_MOST_SPANS]


def _streams(study: Study) -> list[int]:
    """The streams with most work, in the order of the file."""
    trace, row = study.trace, study.linked.work.row
    held = np.bincount(trace.thread[row], weights=trace.dur_ns[row], minlength=len(trace.threads))
    most = np.argsort(-held, kind="stable")[:_MOST_STREAMS]
    return sorted(lane for lane in most.tolist() if held[lane] > 0)


def _threads(study: Study) -> list[int]:
    """The host threads with most ops, by a sample where there are many."""
    thread = study.linked.host.thread
    counts = np.bincount(thread[:: 1 + len(thread) // _SAMPLED], minlength=len(study.trace.threads))
    most = np.argsort(-counts, kind="stable")[:_MOST_THREADS]
    return [lane for lane in most.tolist() if counts[lane] > 0]


def _label(study: Study, lane: int) -> str:
    thread = study.trace.threads[lane]
    return thread.name or f"{thread.pid}/{thread.tid}"


def _work_of(study: Study, lane: int) -> tuple[Int64s, Int64s]:
    trace, row = study.trace, study.linked.work.row
    mine = row[trace.thread[row] == lane]
    return trace.start_ns[mine], trace.end_ns[mine]


def _outermost(study: Study, lane: int) -> tuple[Int64s, Int64s]:
    host = study.linked.host
    mine = np.flatnonzero((host.tree_parent < 0) & (host.thread == lane))
    return host.start_ns[mine], host.start_ns[mine] + host.dur_ns[mine]


def _busy(start: Int64s, end: Int64s, edges: Int64s) -> Int64s:
    """The time of all spans in each bin; spans at once count each."""
    return np.diff(_begun(start, edges) - _begun(end, edges))


def _begun(instant: Int64s, edges: Int64s) -> Int64s:
    """For each edge how long ago the instants before it were, summed."""
    ordered = np.sort(instant, kind="stable")
    before = np.searchsorted(ordered, edges, side="right")
    sums: Int64s = before * edges - np.append(0, np.cumsum(ordered))[before]
    return sums


def _idle(study: Study, edges: Int64s) -> dict[str, Int64s]:
    idle = study.idle
    totals = np.bincount(idle.cause, weights=idle.lengths, minlength=len(CAUSES))
    most = [code for code in np.argsort(-totals, kind="stable")[:_MOST_CAUSES].tolist() if totals[code] > 0]
    found = {}
    for code in most:
        mine = np.flatnonzero(idle.cause == code)
        found[CAUSES[code]] = _busy(idle.start_ns[mine], idle.end_ns[mine], edges)
    return found


def _events(work: WorkStudy, picks: Picks, streams: list[int], threads: list[int]) -> list[Events]:
    study = work.study
    iterations = study.structure.iterations
    slowest_first = sorted(picks.iterations, key=lambda place: -study.iterations[place].wall_ns)
    order = [place for place in (picks.median, *slowest_first) if place is not None]
    if not len(iterations):
        return []
    found, room = [], MOST_EVENTS
    for number, place in enumerate(list(dict.fromkeys(order))[:_MOST_EXACT]):
        most = round(_OF_FIRST * MOST_EVENTS) if number == 0 else room // (_MOST_EXACT - number)
        events = _of_iteration(work, place, (streams, threads), most, with_idle=number == 0)
        if events is not None:
            room -= len(events.start)
            found.append(events)
    return found


def _of_iteration(
    named: WorkStudy, place: int, lanes: tuple[list[int], list[int]], room: int, *, with_idle: bool
) -> Events | None:
    """All events of an iteration; of the host as deep as there is room. None where there is none."""
    study = named.study
    trace, work, host = study.trace, study.linked.work, study.linked.host
    iterations = study.structure.iterations
    start, end = int(iterations.start_ns[place]), int(iterations.end_ns[place])
    numbers = np.full(len(trace.threads) + 1, -1, np.int64)
    numbers[[*lanes[0], *lanes[1]]] = np.arange(len(lanes[0]) + len(lanes[1]))
    called = np.maximum(0, study.structure.launches.called_ns)
    pieces = np.flatnonzero((called >= start) & (called < end))
    pieces = pieces[numbers[trace.thread[work.row[pieces]]] >= 0]
    if len(pieces) > room:
        return None
    row = work.row[pieces]
    begins, stops = np.searchsorted(host.start_ns, (start, end))
    picked, depth = _nested(study, int(begins), int(stops), numbers)
    held = np.cumsum(np.bincount(np.minimum(depth, _DEEPEST), minlength=_DEEPEST + 1))
    idle = _idle_in(study, start, end) if with_idle else _NO_IDLE
    levels = int(np.searchsorted(held, room - len(pieces) - len(idle[0]), side="right"))
    kept = depth < levels
    picked, kept_depth = picked[kept], depth[kept]
    device = (
        numbers[trace.thread[row]],
        np.zeros(len(row), np.int64),
        trace.start_ns[row],
        trace.dur_ns[row],
    )
    calls = (numbers[host.thread[picked]], kept_depth, host.start_ns[picked], host.dur_ns[picked])
    waits = (
        np.full(len(idle[0]), len(lanes[0]) + len(lanes[1])),
        np.zeros(len(idle[0]), np.int64),
        *idle[:2],
    )
    lane, level, begun, dur = (np.concatenate(each) for each in zip(device, calls, waits, strict=True))
    name = np.concatenate((trace.name[row], host.name[picked], np.zeros(len(idle[2])))).astype(np.int64)
    kind = np.concatenate((named.named.kind[pieces], np.full(len(picked), -1, np.int64), idle[2]))
    on_device = np.arange(len(lane)) < len(row)
    order = np.lexsort((begun, level, lane))
    last = int(max(end, (begun + dur).max(initial=0)))
    return Events(
        place,
        start,
        last,
        lane[order],
        level[order],
        begun[order],
        dur[order],
        name[order],
        kind[order],
        on_device[order],
        bool(kept.all()),
    )


def _idle_in(study: Study, start: int, end: int) -> tuple[Int64s, Int64s, Int64s]:
    """Starts, lengths and causes (by number) of idle time; of one device, for several are idle at once."""
    idle = study.idle
    if len(idle.devices) != 1:
        return _NO_IDLE
    first, stop = np.searchsorted(idle.start_ns, (start, end))
    part = slice(int(first), int(stop))
    return idle.start_ns[part], idle.lengths[part], idle.cause[part].astype(np.int64)


def _nested(study: Study, first: int, stop: int, numbers: Int64s) -> tuple[Int64s, Int64s]:
    """Host events from `first` to `stop` on lanes that are drawn, and how deep each is nested among them."""
    host = study.linked.host
    among = np.arange(first, stop)
    parent = host.tree_parent[among] - first
    parent[parent < 0] = -1
    skipped = skipped_names(study)[host.name[among]] | (numbers[host.thread[among]] < 0)
    depth = depths(np.where(skipped, -1, first_outside(parent, skipped, parent)))
    return among[~skipped], depth[~skipped]
