"""One iteration as a plan: what the host does one after the other, and what it gives the device to do."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from typing import Final, NamedTuple

import numpy as np

from sdtrace.attribution.launches import launch_times
from sdtrace.attribution.linked_trace import LinkedTrace
from sdtrace.attribution.nesting import Int64s, latest_end
from sdtrace.intervals import Bools
from sdtrace.reader.categories import GRAPH_LAUNCH
from sdtrace.waiting.waits import blocking_calls

_TRITON: Final = re.compile(r"^triton_")
_MOST_UNKNOWN: Final = 0.01
"""Share of device time without a launch in the file from which there is no plan."""
_LATE_NS: Final = 2_000
_FULL_QUEUE: Final = 900
"""So many pieces wait where a launch is held up until one is done: CUDA queues about 1,000."""
_HELD_NS: Final = 20_000
_OUTSIDE_NS: Final = 50_000
"""A piece that begins so late waits for something outside: another device, a rank, the driver."""
_NOBODY: Final = -1
GRAPH_GAP_NS: Final = 100
"""Between two kernels inside a CUDA graph, the median of 17 of 20 traces of H100s; others have up to 450."""
TO_COPY_NS, FROM_COPY_NS = 1_350, 3_500
"""The same before and after a copy or a fill, which another engine makes, while the profiler records."""
_FEW_GAPS: Final = 100


class GraphGaps(NamedTuple):
    """How long after the one before it a piece of work inside a CUDA graph begins, in nanoseconds."""

    kernel: int = GRAPH_GAP_NS
    to_copy: int = TO_COPY_NS
    from_copy: int = FROM_COPY_NS


USUAL_GAPS: Final = GraphGaps()


class Calls(NamedTuple):
    """Runtime calls that launch or block, in order of time; arrays of one length, int64 nanoseconds.

    The host reaches a call `gap_ns` after the one before returned and spends `own_ns` in it without waiting.
    `ops`, `triton` and `frames` count the ops, Triton launches and Python functions that begin in the gap or
    the call: what the profiler records of each costs time.
    """

    gap_ns: Int64s
    own_ns: Int64s
    ops: Int64s
    triton: Int64s
    frames: Int64s
    is_graph: Bools
    waits: Bools
    """Whether it returns only when all work launched before it is done."""
    event: Int64s
    """The host event of each."""


class Pieces(NamedTuple):
    """Device work in the order of its launch; arrays of one length.

    `call` is an index into `Calls`, `stream` a number from 0. A piece may begin when its call has returned
    (with `within`, as in graphs and copies from pageable memory, when it was made) and its stream is free;
    it does `lag_ns` after its call, or `pause_ns` after its stream is free, where something that the file
    does not show holds it up. `after` is a piece of another stream that must be done, -1 for none. `blocks`:
    its call returns only when it is done. `is_kernel` is False of copies and fills.
    """

    call: Int64s
    stream: Int64s
    dur_ns: Int64s
    lag_ns: Int64s
    pause_ns: Int64s
    after: Int64s
    within: Bools
    blocks: Bools
    is_kernel: Bools
    work: Int64s
    """Its place in `DeviceWork`."""


@dataclass(frozen=True)
class Plan:
    """What an iteration does; `tail_ns` is host time after the last call, with `tail_ops` ops."""

    calls: Calls
    pieces: Pieces
    tail_ns: int
    tail_ops: int
    tail_frames: int
    graph_gaps: GraphGaps = USUAL_GAPS

    @property
    def host_ns(self) -> int:
        """What the host itself does, waits left out."""
        return int(self.calls.gap_ns.sum() + self.calls.own_ns.sum()) + self.tail_ns

    def with_host(self, gap_ns: Int64s, own_ns: Int64s, tail_ns: int) -> Plan:
        """The plan with other host times."""
        return replace(self, calls=self.calls._replace(gap_ns=gap_ns, own_ns=own_ns), tail_ns=tail_ns)

    def with_pieces(self, dur_ns: Int64s) -> Plan:
        """The plan with other durations of its pieces."""
        return replace(self, pieces=self.pieces._replace(dur_ns=dur_ns))

    @property
    def device_ns(self) -> int:
        """The least the device needs: the work of its busiest stream."""
        streams = np.bincount(self.pieces.stream, weights=self.pieces.dur_ns)
        return int(streams.max(initial=0))


def plan_of(linked: LinkedTrace, start_ns: int, end_ns: int) -> Plan | None:
    """The plan of what the host did from `start_ns` to `end_ns`.

    None where more than 1 % of the device time has no launch in the file.
    """
    blocking = blocking_calls(linked)
    events = _calls(linked, blocking, start_ns, end_ns)
    pieces = _pieces(linked, events, start_ns, end_ns)
    return None if pieces is None else _assemble(linked, events, pieces, blocking, (start_ns, end_ns))


def _calls(linked: LinkedTrace, blocking: Int64s, start_ns: int, end_ns: int) -> Int64s:
    """Host events between two instants that launch work or block, by start."""
    host, work = linked.host, linked.work
    first, last = np.searchsorted(host.start_ns, (start_ns, end_ns))
    launches = np.zeros(len(linked.trace), np.bool_)
    launches[work.launch[work.launch >= 0]] = True
    wanted = launches[host.row[first:last]]
    wanted[blocking[(blocking >= first) & (blocking < last)] - first] = True
    found: Int64s = np.flatnonzero(wanted) + first
    return found


class _Found(NamedTuple):
    """Pieces of an iteration by call, then start: their place in the work, call, start, end and stream."""

    work: Int64s
    call: Int64s
    start: Int64s
    end: Int64s
    stream: Int64s


def _pieces(linked: LinkedTrace, events: Int64s, start_ns: int, end_ns: int) -> _Found | None:
    trace, work = linked.trace, linked.work
    index = np.full(len(trace) + 1, _NOBODY, np.int64)
    index[linked.host.row[events]] = np.arange(len(events))
    call = index[work.launch]
    begun = trace.start_ns[work.row]
    stray = (work.launch < 0) & (begun >= start_ns) & (begun < end_ns)
    if stray.any():
        called = launch_times(linked).called_ns
        stray &= (called >= start_ns) & (called < end_ns)
    mine = np.flatnonzero(call >= 0)
    known = int(trace.dur_ns[work.row[mine]].sum())
    if not known or int(trace.dur_ns[work.row[stray]].sum()) > _MOST_UNKNOWN * known:
        return None
    mine = mine[np.lexsort((begun[mine], call[mine]))]
    row = work.row[mine]
    _, stream = np.unique(trace.thread[row], return_inverse=True)
    found = _Found(mine, call[mine], trace.start_ns[row], trace.end_ns[row], stream.astype(np.int64))
    return _wide_graphs_whole(linked, events, found)


def _wide_graphs_whole(linked: LinkedTrace, events: Int64s, found: _Found) -> _Found:
    """A replay of a CUDA graph that works on several streams becomes one piece: the file does not tell which
    of its kernels waits for which."""
    names = linked.trace.name[linked.host.row[events]]
    is_graph = linked.trace.names_matching(GRAPH_LAUNCH)[names][found.call]
    first = np.append(True, np.diff(found.call) != 0)
    number = np.cumsum(first) - 1
    streams = np.zeros(int(number[-1]) + 1, np.int64)
    np.maximum.at(streams, number, np.abs(found.stream - found.stream[first][number]))
    is_wide = (streams[number] > 0) & is_graph
    if not is_wide.any():
        return found
    end = found.end[first].copy()
    np.maximum.at(end, number, found.end)
    whole = found._replace(end=np.where(is_wide, end[number], found.end))
    return _Found(*(column[first | ~is_wide] for column in whole))


def _assemble(
    linked: LinkedTrace, events: Int64s, found: _Found, blocking: Int64s, span: tuple[int, int]
) -> Plan:
    host, trace = linked.host, linked.trace
    start = host.start_ns[events]
    end = start + host.dur_ns[events]
    is_graph = trace.names_matching(GRAPH_LAUNCH)[trace.name[host.row[events]]]
    is_blocking = np.isin(events, blocking)
    before = _before(linked, found)
    copies = trace.in_categories({"gpu_memcpy"})[linked.work.row[found.work]]
    blocks = copies & (end[found.call] >= found.end)
    within = is_graph[found.call] | (copies & (found.start < end[found.call]))
    waits = is_blocking.copy()
    waits[found.call[blocks]] = False
    queued = _queued(linked, span[0])
    own = _own(found, start, end, waits, blocks, int(queued.max(initial=0)))
    is_held = _held(found, start, end, queued)
    own = np.where(is_held, np.median(own), own).astype(np.int64)
    ready = np.maximum(np.where(within, start[found.call], end[found.call]), before)
    after = _after(found, ready)
    late = found.start - ready
    is_late = (within & copies) | ((after < 0) & (late > _OUTSIDE_NS))
    lag = np.where(is_late, np.maximum(0, late), 0)
    of_stream = lag * (before >= ready)
    reached = np.maximum.accumulate(end) if len(end) else end
    gap = np.maximum(0, start - np.append(span[0], reached[:-1]))
    tail = max(0, span[1] - int(reached[-1] if len(end) else span[0]))
    ops, triton, frames = _begun(linked, start, span)
    calls = Calls(gap, own, ops[:-1], triton[:-1], frames[:-1], is_graph, waits, events)
    dur = found.end - found.start
    is_kernel = trace.in_categories({"kernel"})[linked.work.row[found.work]]
    pieces = Pieces(
        found.call,
        found.stream,
        dur,
        lag - of_stream,
        of_stream,
        after,
        within,
        blocks,
        is_kernel,
        found.work,
    )
    between = _between(found, is_graph[found.call] & is_kernel)
    return Plan(calls, pieces, tail, int(ops[-1]), int(frames[-1]), between)


def _between(found: _Found, of_graphs: Bools) -> GraphGaps:
    """The median time between two kernels of one graph; the usual one where there are few."""
    follows = of_graphs[1:] & of_graphs[:-1] & (np.diff(found.call) == 0)
    gaps = (found.start[1:] - found.end[:-1])[follows]
    return GraphGaps(max(0, int(np.median(gaps)))) if len(gaps) >= _FEW_GAPS else USUAL_GAPS


def _before(linked: LinkedTrace, found: _Found) -> Int64s:
    """When the stream of each piece was done with the piece before, also of other iterations; 0 for none."""
    order = np.argsort(found.stream, kind="stable")
    is_first = np.append(True, np.diff(found.stream[order]) != 0)[: len(order)]
    before = np.zeros(len(found.end), np.int64)
    before[order[1:]] = latest_end(found.stream[order], found.end[order])[:-1]
    before[order[is_first]] = _before_first(linked, found, order[is_first])
    return before


def _before_first(linked: LinkedTrace, found: _Found, first: Int64s) -> Int64s:
    """When the stream of each of these pieces was done with all that began before it; 0 for none."""
    trace, rows = linked.trace, linked.work.row
    every = np.concatenate((rows, rows[found.work[first]]))
    is_asked = np.arange(len(every)) >= len(rows)
    start = np.append(trace.start_ns[rows], found.start[first])
    order = np.lexsort((~is_asked, start, trace.thread[every]))
    end = np.where(is_asked, 0, trace.end_ns[every])
    done = np.empty(len(every), np.int64)
    done[order] = latest_end(trace.thread[every][order], end[order])
    return done[len(rows) :]


def _own(found: _Found, start: Int64s, end: Int64s, waits: Bools, blocks: Bools, before_ns: int) -> Int64s:
    """What each call takes beyond waiting for the device, which until `before_ns` did what came before."""
    own = end - start
    done = np.full(len(start), before_ns, np.int64)
    np.maximum.at(done, found.call, found.end)
    done = np.maximum.accumulate(done)
    waited = np.clip(done - start, 0, own)
    own = np.where(waits, own - waited, own)
    calls = found.call[blocks]
    own[calls] = np.clip(end[calls] - found.end[blocks], 0, None)
    return own


def _queued(linked: LinkedTrace, instant_ns: int) -> Int64s:
    """When the work ends, in order, that was launched before an instant and is not done then."""
    work, trace = linked.work, linked.trace
    end = trace.end_ns[work.row]
    late = np.flatnonzero(end > instant_ns)
    called = trace.start_ns[work.launch[late]]
    if (work.launch[late] < 0).any():
        called = launch_times(linked).called_ns[late]
    queued: Int64s = np.sort(end[late[called < instant_ns]])
    return queued


def _held(found: _Found, start: Int64s, end: Int64s, queued: Int64s) -> Bools:
    """Calls that last long while the queue of the device is full."""
    launched = np.searchsorted(found.call, np.arange(len(start)), "left") + len(queued)
    finished = np.searchsorted(np.sort(np.append(found.end, queued)), start, "right")
    return (launched - finished >= _FULL_QUEUE) & (end - start > _HELD_NS)


def _after(found: _Found, ready: Int64s) -> Int64s:
    """For each piece that began later than its call and stream explain, the piece of another stream whose end
    it followed at once; -1 for all others."""
    after = np.full(len(found.start), _NOBODY, np.int64)
    if not found.stream.any():
        return after
    late = np.flatnonzero(found.start - ready > _LATE_NS)
    order = np.argsort(found.end, kind="stable")
    place = np.searchsorted(found.end[order], found.start[late], "right") - 1
    cause = order[place]
    fits = (place >= 0) & (found.start[late] - found.end[cause] < 2 * _LATE_NS)
    fits &= (found.stream[cause] != found.stream[late]) & (cause < late)
    after[late[fits]] = cause[fits]
    return after


def _begun(linked: LinkedTrace, start: Int64s, span: tuple[int, int]) -> tuple[Int64s, Int64s, Int64s]:
    """How many ops, Triton launches and Python functions begin up to the end of each call; one more for the
    tail."""
    host, trace = linked.host, linked.trace
    first, last = np.searchsorted(host.start_ns, span)
    row = host.row[first:last]
    mine = linked.is_on_launching_thread[first:last]
    is_op = mine & trace.in_categories({"cpu_op"})[row]
    is_triton = is_op & trace.names_matching(_TRITON)[trace.name[row]]
    is_frame = mine & trace.in_categories({"python_function"})[row]
    counts = []
    for kind in (is_op, is_triton, is_frame):
        place = np.searchsorted(start, host.start_ns[first:last][kind], "left")
        counts.append(np.bincount(place, minlength=len(start) + 1).astype(np.int64))
    return counts[0], counts[1], counts[2]
