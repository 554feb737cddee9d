"""What a rank spent its time on before each collective: parts that sum to the time since the one before."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final, NamedTuple

import numpy as np

from sdtrace.analysis.study import Study
from sdtrace.attribution.event_selection import of_categories
from sdtrace.intervals import Bools, Int64s, Intervals, covered, intersect, join, subtract, union
from sdtrace.job.calls import COLLECTIVE, Call
from sdtrace.reader.categories import LAUNCHES
from sdtrace.waiting.idle import CAUSES

SILENCE: Final = "silence"
"""Nothing is recorded on the CPU, and the device has nothing to do."""
TALK: Final = "communication"
REST: Final = "rest"
"""Before the first and after the last device work."""
CPU: Final = "cpu"
"""Of a rank without device work, all but silence."""
_SILENT_NS: Final = 1_000_000
"""Python between two ops takes less."""
_ORDINARY: Final = frozenset(
    {"launch_bound", "host_stall", "host_silence", "between_iterations", "sync", "other"}
)
"""Causes of idle time that explain no silence. What follows a blocking call in a gap is not recorded."""
_MOST_OPS: Final = 40


class Spent(NamedTuple):
    """`ns` has a row per collective and a column per part; `ops_ns` splits some parts by op.

    `left_ns` is when the collective before it ended. `ops` are (part, op) of the columns of `ops_ns`. `after`
    is the op before the longest silence, '' without one; `silent_ns` is the middle of that, -1 without one.
    """

    left_ns: Int64s
    parts: list[str]
    ns: Int64s
    ops: list[tuple[str, str]]
    ops_ns: Int64s
    after: list[str]
    silent_ns: Int64s


def time_spent(study: Study, calls: Sequence[Call], start_ns: int) -> Spent:
    """What the rank did from the end of the collective before each one to its arrival.

    Parts are categories of device work, causes of idle time, SILENCE, TALK and REST.
    """
    arrived = np.array([call.start_ns for call in calls], np.int64)
    left = _left(calls, arrived, start_ns)
    if not calls:
        none = np.zeros((0, 0), np.int64)
        return Spent(left, [], none, [], none, [], arrived)
    doing = _doing(study)
    silent = _silences(study, doing)
    parts = dict(_parts(study, silent))
    ns = np.array([covered(spans, left, arrived) for spans in parts.values()], np.int64)
    ns = ns.reshape(len(parts), len(calls))
    whole = np.maximum(arrived - left, 0)
    ns = np.vstack([ns, np.maximum(whole - ns.sum(axis=0), 0)[np.newaxis]]).T
    ops = list(_ops(study))
    ops_ns = np.array([covered(spans, left, arrived) for _, _, spans in ops], np.int64)
    longest = [_longest_silence(silent, *span) for span in zip(left.tolist(), arrived.tolist(), strict=True)]
    return Spent(
        left,
        [*parts, REST if len(study.linked.work.row) else CPU],
        ns,
        [(part, op) for part, op, _ in ops],
        ops_ns.reshape(len(ops), len(calls)).T,
        _after(study, doing, np.array([begin for begin, _ in longest], np.int64)),
        np.array([(begin + end) // 2 for begin, end in longest], np.int64),
    )


def _left(calls: Sequence[Call], arrived: Int64s, start_ns: int) -> Int64s:
    """When the last collective before each one ended; of the first ones the start of the trace."""
    ends = np.sort(np.array([call.end_ns for call in calls], np.int64))
    place = np.searchsorted(ends, arrived, side="right")
    return np.append(start_ns, ends)[place]


def _parts(study: Study, silent: Intervals) -> Iterator[tuple[str, Intervals]]:
    """Disjoint sets of instants: work first, each instant for one category, then idle time by cause."""
    trace, row, categorized = study.trace, study.linked.work.row, study.categorized
    taken = union(np.zeros(0, np.int64), np.zeros(0, np.int64))
    names = sorted(categorized.categories, key=lambda name: name == COLLECTIVE)
    for name in names:
        mine = row[categorized.code == categorized.categories.index(name)]
        spans = subtract(union(trace.start_ns[mine], trace.end_ns[mine]), taken)
        taken = join(taken, spans)
        yield TALK if name == COLLECTIVE else name, spans
    idle = study.idle
    ordinary = []
    for code in np.unique(idle.cause).tolist():
        mine = idle.cause == code
        spans = subtract(union(idle.start_ns[mine], idle.end_ns[mine]), taken)
        if CAUSES[code] in _ORDINARY:
            ordinary.append(intersect(spans, silent))
            spans = subtract(spans, silent)
        taken = join(taken, spans)
        yield CAUSES[code], spans
    yield SILENCE, join(*ordinary) if len(row) else silent


def _ops(study: Study) -> Iterator[tuple[str, str, Intervals]]:
    """The ops that take most device time, and those that the device waits for longest, with when."""
    trace, work, idle, names = study.trace, study.linked.work, study.idle, study.trace.names
    op = np.append(study.linked.host.name, -1)[work.op]
    for number in _longest(op, trace.dur_ns[work.row]):
        mine = op == number
        for code in np.unique(study.categorized.code[mine]).tolist():
            rows = work.row[mine & (study.categorized.code == code)]
            yield (
                study.categorized.categories[code],
                names[number],
                union(trace.start_ns[rows], trace.end_ns[rows]),
            )
    for number in _longest(idle.blamed, idle.lengths):
        for code in np.unique(idle.cause[idle.blamed == number]).tolist():
            mine = (idle.blamed == number) & (idle.cause == code)
            yield CAUSES[code], names[number], union(idle.start_ns[mine], idle.end_ns[mine])


def _longest(name: Int64s, ns: Int64s) -> list[int]:
    """The names (numbers) with most time, -1 left out."""
    numbers, which = np.unique(name, return_inverse=True)
    sums = np.bincount(which, weights=ns, minlength=len(numbers))
    order = numbers[np.argsort(-sums, kind="stable")].tolist()
    return [number for number in order if number >= 0][:_MOST_OPS]


def _silences(study: Study, events: Int64s) -> Intervals:
    """When none of the host events ran for 1 ms and more, between the first and the last."""
    host = study.linked.host
    busy = union(host.start_ns[events], host.start_ns[events] + host.dur_ns[events])
    gaps = subtract(union(busy.start[:1], busy.end[-1:]), busy)
    long = gaps.end - gaps.start >= _SILENT_NS
    return Intervals(gaps.start[long], gaps.end[long])


def _doing(study: Study) -> Int64s:
    """Ops and runtime calls (host events) of launching threads, by start."""
    linked = study.linked
    on_thread: Bools = linked.is_on_launching_thread
    return of_categories(linked, np.flatnonzero(on_thread), {"cpu_op", *LAUNCHES})


def _longest_silence(silent: Intervals, left_ns: int, arrived_ns: int) -> tuple[int, int]:
    """Begin and end of the longest silence in a span, as far as it lies there; -1 without silence."""
    first, last = np.searchsorted(silent.end, left_ns, "right"), np.searchsorted(silent.start, arrived_ns)
    if last <= first:
        return -1, -1
    starts, ends = (
        np.maximum(silent.start[first:last], left_ns),
        np.minimum(silent.end[first:last], arrived_ns),
    )
    place = int(np.argmax(ends - starts))
    return int(starts[place]), int(ends[place])


def _after(study: Study, events: Int64s, instants: Int64s) -> list[str]:
    """For each instant the op among the host events that ended last before it; '' for none."""
    place = np.searchsorted(study.linked.host.start_ns[events], instants) - 1
    last = np.append(events, -1)[place].tolist()
    return [_outermost(study, event, at) for event, at in zip(last, instants.tolist(), strict=True)]


def _outermost(study: Study, event: int, at: int) -> str:
    """The name of the outermost op around a host event that is over at an instant; '' for no event."""
    host = study.linked.host
    if event < 0:
        return ""
    above = int(host.tree_parent[event])
    while above >= 0 and host.start_ns[above] + host.dur_ns[above] <= at:
        event, above = above, int(host.tree_parent[above])
    name: str = study.trace.names[host.name[event]]
    return name
