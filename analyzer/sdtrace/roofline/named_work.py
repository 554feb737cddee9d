"""Which op, with which arguments, each piece of device work is of; inside CUDA graphs too.

A replay shows its kernels by name, in order. The same function ran kernel by kernel before its graph was
recorded: in this trace, where it compiled in it, or in the image that the collector made for it (its facts,
`graph_work`). Where the names of a replay stand in that order, each kernel is what stood there.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Final, NamedTuple

import numpy as np

from sdtrace.attribution.linked_trace import LinkedTrace
from sdtrace.attribution.nesting import Int64s
from sdtrace.reader.categories import GRAPH_LAUNCH
from sdtrace.trace.model import Bools

_LEAST: Final = 3
"""Fewer kernels in a row may be anybody's."""
_ABSENT: Final = -2
"""The number of a name that this trace does not hold."""
_RUN: Final = 8
"""So many names in a row stand nowhere by chance."""
_ANCHORS: Final = 8
"""So many starts are tried for one replay."""


class Kind(NamedTuple):
    """An op with its arguments, as JSON text; empty where they were not recorded."""

    op: str
    args: str


@dataclass(frozen=True)
class NamedWork:
    """Arrays of one length, one entry per piece of device work, in the order of `LinkedTrace.work`.

    `kind` (int64) indexes `kinds`, -1 where no op is known. `call` (int64) numbers the calls: pieces of one
    call of an op have one number, -1 where there is none. `unnamed` counts pieces inside graphs for which no
    op was found, of `in_graphs`.
    """

    kind: Int64s
    call: Int64s
    kinds: list[Kind]
    in_graphs: int
    unnamed: int


class _Sequence(NamedTuple):
    """Work in the order in which it ran one by one, arrays of one length.

    Names by number; what each piece is (a `Kind` by number); which call of an op it is of, by any number.
    """

    names: Int64s
    kind: Int64s
    call: Int64s


_NOTHING: Final = _Sequence(*np.zeros((3, 0), np.int64))


def name_work(linked: LinkedTrace, is_trial: Bools) -> NamedWork:
    """Find the op of every piece of device work. `is_trial` (one per piece) marks what autotune tried."""
    trace, host, work = linked.trace, linked.host, linked.work
    table: dict[Kind, int] = {}
    event = np.append(host.row, -1)[work.op]
    is_graph = np.append(trace.named(GRAPH_LAUNCH), False)[work.launch]
    kind = _direct(linked, np.where(is_graph, -1, event), table)
    call = np.where(is_graph, -1, work.op)
    sequences = [_in_this_trace(linked, kind, is_graph | is_trial), _recorded(trace.run, linked, table)]
    apart = 1 + max(int(sequence.call.max(initial=0)) for sequence in sequences)
    known: dict[bytes, tuple[Int64s, Int64s]] = {}
    for number, replay in enumerate(_replays(linked, is_graph), start=1):
        names = trace.name[work.row[replay]].astype(np.int64)
        key = names.tobytes()
        if key not in known:
            known[key] = _aligned(names, sequences)
        kind[replay], of_call = known[key]
        call[replay] = np.where(of_call >= 0, number * apart + of_call, -1)
    unnamed = int(np.count_nonzero(is_graph & (kind < 0)))
    return NamedWork(kind, call, list(table), int(np.count_nonzero(is_graph)), unnamed)


def _replays(linked: LinkedTrace, is_graph: Bools) -> Iterator[Int64s]:
    """The pieces of each launch of a graph, in the order in which they ran."""
    trace, work = linked.trace, linked.work
    order = np.lexsort((trace.start_ns[work.row], work.launch))
    inside = order[is_graph[order]]
    bounds = np.flatnonzero(np.diff(work.launch[inside], prepend=-2, append=-2))
    for first, last in zip(bounds[:-1].tolist(), bounds[1:].tolist(), strict=True):
        yield inside[first:last]


def _direct(linked: LinkedTrace, event: Int64s, table: dict[Kind, int]) -> Int64s:
    """The kind of each piece by the op that launched it; `event` is its trace row, -1 for none."""
    trace = linked.trace
    is_op = trace.in_categories({"cpu_op"})
    known = np.flatnonzero((event >= 0) & is_op[event])
    code = (
        trace.name[event[known]].astype(np.int64) * (len(trace.args_texts) + 1) + trace.args[event[known]] + 1
    )
    codes, which = np.unique(code, return_inverse=True)
    texts = ["", *trace.args_texts]
    name, args = np.divmod(codes, len(texts))
    kinds = [Kind(trace.names[n], texts[a]) for n, a in zip(name.tolist(), args.tolist(), strict=True)]
    numbers = np.array([table.setdefault(kind, len(table)) for kind in kinds], np.int64)
    result = np.full(len(event), -1, np.int64)
    result[known] = numbers[which]
    return result


def _in_this_trace(linked: LinkedTrace, kind: Int64s, is_left_out: Bools) -> _Sequence:
    trace, work = linked.trace, linked.work
    alone = np.flatnonzero(~is_left_out & (kind >= 0))
    alone = alone[np.argsort(trace.start_ns[work.row[alone]], kind="stable")]
    return _Sequence(trace.name[work.row[alone]].astype(np.int64), kind[alone], work.op[alone])


def _recorded(run: dict[str, Any], linked: LinkedTrace, table: dict[Kind, int]) -> _Sequence:
    """What the collector recorded; empty when it did not, or in another form."""
    facts: Any = run.get("graph_work")
    numbers = {name: number for number, name in enumerate(linked.trace.names)}
    try:
        kernels = np.array([numbers.get(str(name), _ABSENT) for name in facts["kernels"]], np.int64)
        ops = [Kind(str(op), str(args)) for op, args, *_ in facts["ops"]]
        kernel, op, call = np.array(facts["work"], np.int64).reshape(-1, 3).T
    except (TypeError, KeyError, ValueError, OverflowError):
        return _NOTHING
    for index, size in ((kernel, len(kernels)), (op, len(ops)), (call, len(call))):
        if not ((index >= 0) & (index < size)).all():
            return _NOTHING
    kinds = np.array([table.setdefault(kind, len(table)) for kind in ops], np.int64)
    return _Sequence(kernels[kernel], kinds[op], call + len(linked.host))


def _aligned(names: Int64s, sequences: Sequence[_Sequence]) -> tuple[Int64s, Int64s]:
    """What each piece of a replay is and of which call; both -1 where that is unknown.

    What the best place leaves unknown is looked for again: something ran between, or is not there.
    """
    kind, call = np.full((2, len(names)), -1, np.int64)
    stretches = [slice(0, len(names))]
    while stretches:
        stretch = stretches.pop()
        kind[stretch], call[stretch] = _best(names[stretch], sequences)
        is_unknown = kind[stretch] < 0
        if not is_unknown.all():
            stretches += [
                slice(stretch.start + first, stretch.start + last)
                for first, last in _runs(is_unknown)
                if last - first >= _RUN
            ]
    return kind, call


def _best(names: Int64s, sequences: Sequence[_Sequence]) -> tuple[Int64s, Int64s]:
    """Kinds and calls by the place where most of these names stand in a sequence."""
    unknown = np.full(len(names), -1, np.int64)
    best = unknown, unknown
    for sequence in sequences:
        for start in _starts(names, sequence.names):
            found = _followed(names, sequence, start)
            if np.count_nonzero(found[0] >= 0) > np.count_nonzero(best[0] >= 0):
                best = found
            if (best[0] >= 0).all():
                return best
    return best


def _runs(flags: Bools) -> list[tuple[int, int]]:
    """First and behind the last index of each run of true values."""
    bounds = np.flatnonzero(np.diff(flags, prepend=False, append=False))
    return list(zip(bounds[::2].tolist(), bounds[1::2].tolist(), strict=True))


def _starts(names: Int64s, known: Int64s) -> list[int]:
    """Where the replay may begin in a known order, the likeliest first; below 0 where that begins later."""
    if len(names) < _LEAST or len(known) < _LEAST:
        return []
    windows = np.lib.stride_tricks.sliding_window_view(known, _LEAST)
    places = [
        np.flatnonzero((windows == names[at : at + _LEAST]).all(axis=1)) - at
        for at in range(0, len(names) - _LEAST + 1, max(1, (len(names) - _LEAST) // _ANCHORS))
    ]
    candidates, votes = np.unique(np.concatenate(places), return_counts=True)
    return [int(place) for place in candidates[np.argsort(-votes, kind="stable")][:_ANCHORS]]


def _followed(names: Int64s, sequence: _Sequence, start: int) -> tuple[Int64s, Int64s]:
    """Kinds and calls from `start` on, where the names agree.

    Not before the first and after the last long run of names that agree: there they may agree by chance.
    """
    place = start + np.arange(len(names))
    is_there = (place >= 0) & (place < len(sequence.names))
    place[~is_there] = 0
    agrees = is_there & (names == sequence.names[place])
    long = [run for run in _runs(agrees) if run[1] - run[0] >= min(_RUN, len(names))]
    kind, call = np.full((2, len(names)), -1, np.int64)
    if long:
        first = long[0][0] if long[0][0] > _RUN else 0
        last = long[-1][1] if len(names) - long[-1][1] > _RUN else len(names)
        picked = first + np.flatnonzero(agrees[first:last])
        kind[picked], call[picked] = sequence.kind[place[picked]], sequence.call[place[picked]]
    return kind, call
