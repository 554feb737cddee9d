"""What iterations may be: candidates, which the finders propose and the judge compares."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Final, Literal

import numpy as np

from sdtrace.attribution.event_selection import OLD_ANNOTATION, outermost
from sdtrace.attribution.linked_trace import LinkedTrace
from sdtrace.intervals import Bools, Int64s
from sdtrace.reader.categories import LAUNCHES
from sdtrace.structure.iterations import Confidence
from sdtrace.structure.repeats import Repeats, find_repeats

Kind = Literal[
    "profiler_step",
    "annotation",
    "training_step",
    "annotation_cycle",
    "marked_image",
    "step_marks",
    "decoded_image",
    "call_runs",
    "loop_marks",
    "compiled_calls",
    "graph_launches",
    "period",
    "repeat_runs",
]

_PAUSE: Final = 20
"""A pause before the next span is part of none when it is more than one in so many parts of a span."""


@dataclass(frozen=True)
class Candidate:
    """Disjoint host spans in order, int64 nanoseconds, one name each, and the evidence for them.

    `how` is a sentence, `what` names the spans in a few words without their number. `is_whole` is False
    for spans that the profile cut off. `marks` are the names of the annotations that it is made of.
    `is_doubtful` says that the spans may as well be cut in another way: others that agree make it no surer.
    """

    kind: Kind
    names: list[str]
    start_ns: Int64s
    end_ns: Int64s
    is_whole: Bools
    how: str
    what: str
    confidence: Confidence
    marks: tuple[str, ...] = ()
    is_doubtful: bool = False

    def __len__(self) -> int:
        return len(self.start_ns)


def of_events(
    linked: LinkedTrace, events: Int64s, kind: Kind, how: str, what: str, confidence: Confidence
) -> Candidate:
    """Spans of marks on the host (indices). A mark that never ended reaches to the next or to the end."""
    events = in_time(linked, events)
    start = linked.host.start_ns[events]
    end = start + linked.host.dur_ns[events]
    is_open = end <= start
    limit = np.append(start[1:], max(wall(linked)[1], int(end.max())))
    is_whole = ~is_open
    is_whole[:-1] |= bool(is_open.all())
    end = np.where(is_open, np.maximum(limit, start), end)
    return Candidate(kind, names_of(linked, events), start, end, is_whole, how, what, confidence)


def names_of(linked: LinkedTrace, events: Int64s) -> list[str]:
    """Names of host events as they stand in the file, `ProfilerStep#N` with its number."""
    return [linked.trace.names[number] for number in linked.trace.name[linked.host.row[events]].tolist()]


def in_time(linked: LinkedTrace, events: Int64s) -> Int64s:
    """In the order of time; of overlapping spans on several threads the first."""
    events = events[np.lexsort((-linked.host.dur_ns[events], linked.host.start_ns[events]))]
    start = linked.host.start_ns[events]
    reach = np.maximum.accumulate(start + linked.host.dur_ns[events])
    kept: Int64s = events[np.append(True, start[1:] >= reach[:-1])]
    return kept


def wall(linked: LinkedTrace) -> tuple[int, int]:
    """First start and last end of everything on host and device; (0, 0) in an empty trace."""
    rows = np.concatenate((linked.host.row, linked.work.row))
    if not rows.size:
        return 0, 0
    trace = linked.trace
    return trace.lasting(int(trace.start_ns[rows].min()), int(trace.end_ns[rows].max()))


def places_in(inner: Candidate, outer: Candidate) -> Int64s:
    """For each span of `inner` the span of `outer` that its middle lies in, -1 for none."""
    place = np.searchsorted(outer.start_ns, inner.start_ns, side="right") - 1
    middle = (inner.start_ns + inner.end_ns) // 2
    held: Int64s = np.where(middle <= outer.end_ns[np.maximum(place, 0)], place, -1)
    return held


@dataclass(frozen=True)
class OpSequence:
    """Ops of one thread that lie inside no other op, in the order of time; the profiler's steps are no ops.

    `event` indexes the host events, `name` the trace's names; times are int64 nanoseconds. `reach_ns` is
    where the last op or runtime call that starts before the next op ends.
    """

    thread: int
    event: Int64s
    name: Int64s
    start_ns: Int64s
    end_ns: Int64s
    reach_ns: Int64s

    def __len__(self) -> int:
        return len(self.event)

    @cached_property
    def repeats(self) -> Repeats | None:
        """What repeats in the order of all ops; None where nothing does."""
        return find_repeats(self.name.astype(np.int32)) if len(self) else None

    def named(self, marks: Bools) -> Bools:
        """Which ops have a name that `marks` (one per name of the trace) selects."""
        found: Bools = marks[self.name] if len(self) else np.zeros(0, np.bool_)
        return found

    def between(self, start_ns: int, end_ns: int) -> slice:
        """The ops that start within [start, end)."""
        bounds = np.searchsorted(self.start_ns, [start_ns, end_ns])
        return slice(int(bounds[0]), int(bounds[1]))


def op_sequence(linked: LinkedTrace, thread: int) -> OpSequence:
    """The outermost ops of `thread`; annotations that torch 1.8 and 1.9 wrote as ops are none."""
    host, trace = linked.host, linked.trace
    is_step = trace.names_matching(OLD_ANNOTATION)
    is_op = trace.in_categories({"cpu_op"})[host.row] & (host.thread == thread)
    if is_step.any():
        is_op &= ~is_step[host.name]
    event = _outermost(linked, np.flatnonzero(is_op))
    start = host.start_ns[event]
    end = start + host.dur_ns[event]
    name, reach = host.name[event].astype(np.int64), _reach(linked, thread, start, end)
    return OpSequence(thread, event, name, start, end, reach)


def _outermost(linked: LinkedTrace, event: Int64s) -> Int64s:
    """Those of one thread's events that start inside no other; of equal spans the first by alphabet.

    The events are in the order of time already, the longer first: nothing is left to sort but equal spans.
    """
    start, duration = linked.host.start_ns[event], linked.host.dur_ns[event]
    if not event.size:
        return event
    reach = np.maximum.accumulate(start + duration)
    is_same = (start[1:] == start[:-1]) & (duration[1:] == duration[:-1])
    kept = np.append(True, start[1:] >= reach[:-1])
    tied = np.append(is_same, False) | np.append(False, is_same)
    kept[tied] = False
    return outermost(linked, event[tied | kept]) if tied.any() else event[kept]


def _reach(linked: LinkedTrace, thread: int, start: Int64s, end: Int64s) -> Int64s:
    host = linked.host
    called = linked.trace.in_categories(LAUNCHES)[host.row] & (host.thread == thread)
    calls = np.append(np.iinfo(np.int64).min, host.start_ns[called])
    ends = np.append(0, host.start_ns[called] + host.dur_ns[called])
    latest = np.maximum.accumulate(ends)[
        np.searchsorted(calls, np.append(start[1:], np.iinfo(np.int64).max)[: len(start)]) - 1
    ]
    reach: Int64s = np.maximum(end, latest)
    return reach


def cut(ops: OpSequence, first: Sequence[int], last: Sequence[int]) -> Int64s:
    """An instant in each window from `first` to `last` nanoseconds: the end of its longest pause of ops."""
    return np.array([_longest_pause(ops, *window) for window in zip(first, last, strict=True)], np.int64)


def _longest_pause(ops: OpSequence, first: int, last: int) -> int:
    inside = ops.between(first, last)
    stop = np.append(ops.start_ns[inside], last)
    begin = np.append(first, np.minimum(ops.end_ns[inside], last))
    return int(stop[int((stop - begin).argmax())])


def spans_from_cuts(ops: OpSequence, cuts: Int64s) -> tuple[Int64s, Int64s]:
    """Spans between the first op, the cuts and the end; a long pause before a cut belongs to no span."""
    start = np.append(ops.start_ns[:1], cuts)
    follow = np.append(cuts, ops.reach_ns.max())
    place = np.searchsorted(ops.start_ns, follow) - 1
    worked = np.clip(ops.reach_ns[np.maximum(place, 0)], start, follow)
    pause = follow - worked
    return start, np.where(_PAUSE * pause > follow - start, worked, follow)
